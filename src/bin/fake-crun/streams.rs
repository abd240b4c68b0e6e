//! The three standard descriptors, as the caller left them.

use std::os::fd::{BorrowedFd, IntoRawFd};

use rustix::fs::{Mode, OFlags};

use crate::failure::Failure;

fn all() -> [BorrowedFd<'static>; 3] {
    [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
}

/// Returns which of them are closed. From then on their places are occupied, so that no other file takes them. The
/// programs that this process executes find them closed again.
pub(crate) fn closed() -> Vec<usize> {
    let closed = (0..3).filter(|&number| rustix::io::fcntl_getfd(all()[number]) == Err(rustix::io::Errno::BADF));
    let closed: Vec<usize> = closed.collect();
    for _ in &closed {
        // The lowest free number is the lowest closed one. The descriptor stays open to the end.
        if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
            let _number = null.into_raw_fd();
        }
    }
    closed
}

/// Fails if a stream is closed, as crun does when it gives the streams to the container's user. It names the last
/// closed stream, because crun's own files have taken the places of the others.
pub(crate) fn refuse_closed(closed: &[usize]) -> Result<(), Failure> {
    closed.last().map_or(Ok(()), |last| Err(Failure::new(format!("fchown std stream {last}: Bad file descriptor"))))
}
