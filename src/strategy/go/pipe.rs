//! The read end of a pipe, as Go's os.File has it: another thread may close it, and a blocked read then fails. In Rust,
//! closing a descriptor does not wake its reader, so the reader polls an eventfd beside the pipe.

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Shared {
    closed: AtomicBool,
    wake: OwnedFd,
}

/// The end that reads.
pub(in crate::strategy) struct PipeReader {
    pipe: OwnedFd,
    shared: Arc<Shared>,
}

/// The handle that closes the read end.
pub(in crate::strategy) struct Closer(Arc<Shared>);

impl PipeReader {
    /// Makes a reader of this read end, which becomes non-blocking. The write end has its own file description and
    /// stays blocking.
    pub(in crate::strategy) fn new(pipe: OwnedFd) -> io::Result<(PipeReader, Closer)> {
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let wake = eventfd(0, EventfdFlags::CLOEXEC)?;
        let shared = Arc::new(Shared { closed: AtomicBool::new(false), wake });
        Ok((PipeReader { pipe, shared: shared.clone() }, Closer(shared)))
    }

    fn closed_error(&self) -> io::Result<()> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(io::Error::other("file already closed"));
        }
        Ok(())
    }
}

impl Read for PipeReader {
    /// Reads as Go's poll.FD.Read does: fails if the end is closed, then reads, and waits only if there is nothing to
    /// read.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            self.closed_error()?;
            match rustix::io::read(&self.pipe, &mut *buffer) {
                Err(Errno::AGAIN) => {}
                Err(Errno::INTR) => continue,
                read => return Ok(read?),
            }
            let mut ready = [PollFd::new(&self.pipe, PollFlags::IN), PollFd::new(&self.shared.wake, PollFlags::IN)];
            match poll(&mut ready, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Closer {
    /// Closes the read end. A blocked read fails at once, and so does every later read, even if the pipe still holds
    /// bytes.
    pub(in crate::strategy) fn close(&self) -> io::Result<()> {
        self.0.closed.store(true, Ordering::Release);
        rustix::io::write(&self.0.wake, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_wakes_a_blocked_read_and_leaves_what_was_not_read() {
        let (reader, writer) = io::pipe().unwrap();
        let (mut reader, closer) = PipeReader::new(reader.into()).unwrap();
        rustix::io::write(&writer, b"ab").unwrap();
        let mut byte = [0];
        assert_eq!((reader.read(&mut byte).unwrap(), byte), (1, *b"a"));
        std::thread::scope(|scope| {
            let blocked = scope.spawn(|| {
                let mut rest = [0; 8];
                reader.read(&mut rest).and_then(|_| reader.read(&mut rest))
            });
            closer.close().unwrap();
            assert_eq!(blocked.join().unwrap().unwrap_err().to_string(), "file already closed");
        });
    }
}
