//! The reader of FIFOs that stand in the place of a capturer's files, as Nomad's logmon reads them. What comes is delivered.

use crate::clock::now_ns;
use crate::stream::{Delivered, Ending, Origin, Stream};
use rustix::fd::{AsFd, BorrowedFd};
use std::fs::File;
use std::io::{ErrorKind, Read};

/// So much of a line is kept at most: what is longer is delivered in pieces.
const LINE_MAX_BYTES: usize = 1 << 20;

/// So much is read at a time before something else is looked at.
const READS_MAX: usize = 64;

/// Both FIFOs.
pub(super) struct Partner([Side; 2]);

struct Side {
    origin: Origin,
    fifo: Option<File>,
    /// What has come of a line that is not whole.
    open: Vec<u8>,
}

impl Partner {
    /// Of these read ends, which do not block.
    pub(super) fn new(fifos: [File; 2]) -> Partner {
        let mut streams = Stream::BOTH.into_iter();
        Partner(fifos.map(|fifo| Side {
            origin: streams.next().map_or(Origin::Merged, Origin::from),
            fifo: Some(fifo),
            open: Vec::new(),
        }))
    }

    /// What to wait for. A FIFO whose writers have all gone is not waited for any more.
    pub(super) fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [0, 1].map(|at| self.0[at].fifo.as_ref().map(AsFd::as_fd))
    }

    /// Takes what is there. `ready` is what poll(2) said of the two.
    pub(super) fn read(&mut self, ready: [bool; 2], deliveries: &mut Vec<Delivered>) {
        for (side, ready) in self.0.iter_mut().zip(ready) {
            side.read(ready, deliveries);
        }
    }

    /// Delivers what has no line feed, when nothing more can come.
    pub(super) fn finish(&mut self, deliveries: &mut Vec<Delivered>) {
        for side in self.0.iter_mut().filter(|side| !side.open.is_empty()) {
            let bytes = std::mem::take(&mut side.open);
            deliveries.push(Delivered { origin: side.origin, bytes, ending: Ending::None, at_ns: now_ns() });
        }
    }
}

impl Side {
    fn read(&mut self, ready: bool, deliveries: &mut Vec<Delivered>) {
        let mut buffer = [0; 64 << 10];
        for _ in 0..READS_MAX {
            let Some(fifo) = &mut self.fifo else { return };
            match fifo.read(&mut buffer) {
                // Everybody has closed it, or nobody has opened it yet: only the former wakes poll(2) (POLLHUP).
                Ok(0) if ready => self.fifo = None,
                Ok(0) => return,
                Ok(count) => self.take(&buffer[..count], now_ns(), deliveries),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn take(&mut self, mut bytes: &[u8], at_ns: u64, deliveries: &mut Vec<Delivered>) {
        let mut deliver = |bytes: Vec<u8>, ending| {
            deliveries.push(Delivered { origin: self.origin, bytes, ending, at_ns });
        };
        while let Some(at) = memchr::memchr(b'\n', bytes) {
            self.open.extend_from_slice(&bytes[..at]);
            deliver(std::mem::take(&mut self.open), Ending::Lf);
            bytes = &bytes[at + 1..];
        }
        self.open.extend_from_slice(bytes);
        if self.open.len() > LINE_MAX_BYTES {
            deliver(std::mem::take(&mut self.open), Ending::Partial);
        }
    }
}
