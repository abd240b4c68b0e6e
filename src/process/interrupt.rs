//! The end of a run by its user.

use super::readable;
use rustix::fd::{AsFd, BorrowedFd};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Becomes readable when the user interrupts the run, and stays so.
#[derive(Debug)]
pub struct Interrupt {
    reader: UnixStream,
    /// Kept open: without a writer the reader would be readable at once.
    writer: UnixStream,
}

impl Interrupt {
    /// By SIGINT, SIGTERM or SIGHUP, which then no longer end this process.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn by_signals() -> io::Result<Interrupt> {
        let interrupt = Interrupt::never()?;
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            signal_hook::low_level::pipe::register(signal, interrupt.writer.try_clone()?)?;
        }
        Ok(interrupt)
    }

    /// By nothing.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn never() -> io::Result<Interrupt> {
        let (reader, writer) = UnixStream::pair()?;
        Ok(Interrupt { reader, writer })
    }

    /// Whether it has happened.
    pub fn happened(&self) -> bool {
        readable(self.reader.as_fd(), Duration::ZERO)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
