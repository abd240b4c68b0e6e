//! The user's request to end a run early.

use super::readable;
use rustix::fd::{AsFd, BorrowedFd};
use std::io;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A descriptor that becomes readable when the user interrupts the run, and stays readable.
#[derive(Debug)]
pub struct Interrupt {
    reader: UnixStream,
    /// Kept open, because a reader without a writer is readable at once.
    writer: UnixStream,
}

impl Interrupt {
    /// An interrupt that SIGINT, SIGTERM and SIGHUP trigger. These signals then no longer end this process.
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

    /// An interrupt that nothing triggers.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn never() -> io::Result<Interrupt> {
        let (reader, writer) = UnixStream::pair()?;
        Ok(Interrupt { reader, writer })
    }

    /// Whether the user has interrupted the run.
    pub fn happened(&self) -> bool {
        readable(self.reader.as_fd(), Duration::ZERO)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
