//! The three standard descriptors, as the caller left them.

use std::os::fd::{BorrowedFd, IntoRawFd};

use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;

fn all() -> [BorrowedFd<'static>; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}

/// Which of them are closed. Their places are held from here on, so that nothing else that is opened takes them; whatever
/// this process executes finds them closed again.
pub(crate) fn closed() -> Vec<usize> {
    let closed = (0..3).filter(|&number| rustix::io::fcntl_getfd(all()[number]) == Err(rustix::io::Errno::BADF));
    let closed: Vec<usize> = closed.collect();
    for _ in &closed {
        // The lowest number that is free is the lowest of those that are closed. The descriptor stays to the end.
        if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            let _number = null.into_raw_fd();
        }
    }
    closed
}

/// crun gives the streams to the container's user, and fails on one that is closed. It names the last, since what it opens
/// itself has come to stand in the place of the others.
pub(crate) fn refuse_closed(closed: &[usize]) -> Result<(), Failure> {
    closed.last().map_or(Ok(()), |last| Err(Failure::new(format!("fchown std stream {last}: Bad file descriptor"))))
}
