//! The reader of FIFOs that stand in the place of a capturer's files, as Nomad's logmon reads them. What comes is delivered.

use crate::sink::count::Tally;
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Delivered, Framer, Memory, Origin, Stream};
use rustix::fd::{AsFd, BorrowedFd};
use std::fs::File;
use std::io::{ErrorKind, Read};

/// Both FIFOs.
pub(super) struct Partner {
    sides: [Side; 2],
    /// Whether it counts in place of keeping: a cell that measures cost may have much output.
    counts: bool,
}

struct Side {
    fifo: Option<File>,
    framer: Framer,
    tally: Tally,
}

impl Partner {
    /// Of these read ends, which do not block.
    pub(super) fn new(fifos: [File; 2], counts: bool) -> Partner {
        let mut streams = Stream::BOTH.into_iter();
        let sides = fifos.map(|fifo| Side {
            fifo: Some(fifo),
            framer: Framer::new(streams.next().map_or(Origin::Merged, Origin::from), 0),
            tally: Tally::default(),
        });
        Partner { sides, counts }
    }

    /// What was counted of stdout and stderr; None where it was kept.
    pub(super) fn counted(&self) -> Option<[Tally; 2]> {
        self.counts.then(|| [self.sides[0].tally, self.sides[1].tally])
    }

    /// What to wait for. A FIFO whose writers have all gone is not waited for any more.
    pub(super) fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [0, 1].map(|at| self.sides[at].fifo.as_ref().map(AsFd::as_fd))
    }

    /// Takes what is there, at most so much of each. `ready` is what poll(2) said of the two.
    pub(super) fn read(&mut self, ready: [bool; 2], most: usize, deliveries: &mut Vec<Delivered>) {
        for (side, ready) in self.sides.iter_mut().zip(ready) {
            side.read(ready, most, self.counts, deliveries);
        }
    }

    /// When `release` has something to do.
    pub(super) fn quiet_at_ns(&self) -> Option<u64> {
        self.sides.iter().filter_map(|side| side.framer.quiet_at_ns()).min()
    }

    /// Delivers what has been without a line feed for a while, as the prompt that it may be.
    pub(super) fn release(&mut self, now_ns: u64, deliveries: &mut Vec<Delivered>) {
        for side in &mut self.sides {
            if side.framer.quiet_at_ns().is_some_and(|at_ns| at_ns <= now_ns) {
                kept(deliveries, |sink| side.framer.release(now_ns, sink));
            }
        }
    }

    /// Delivers what has no line feed, when nothing more can come.
    pub(super) fn finish(&mut self, deliveries: &mut Vec<Delivered>) {
        self.sides.iter_mut().for_each(|side| kept(deliveries, |sink| side.framer.end(now_ns(), sink)));
    }
}

/// Adds what `act` delivers.
fn kept(deliveries: &mut Vec<Delivered>, act: impl FnOnce(&mut Memory) -> std::io::Result<()>) {
    let mut memory = Memory::default();
    act(&mut memory).expect("memory takes everything");
    deliveries.extend(memory.take());
}

impl Side {
    fn read(&mut self, ready: bool, most: usize, counts: bool, deliveries: &mut Vec<Delivered>) {
        let mut buffer = [0; 64 << 10];
        let mut left = most;
        while left > 0 {
            let Some(fifo) = &mut self.fifo else { return };
            let length = left.min(buffer.len());
            match fifo.read(&mut buffer[..length]) {
                // Everybody has closed it, or nobody has opened it yet: only the former wakes poll(2) (POLLHUP).
                Ok(0) if ready => self.fifo = None,
                Ok(0) => return,
                Ok(count) if counts => {
                    left -= count;
                    self.tally.bytes += count as u64;
                    self.tally.lines += memchr::memchr_iter(b'\n', &buffer[..count]).count() as u64;
                }
                Ok(count) => {
                    left -= count;
                    kept(deliveries, |sink| self.framer.push(&buffer[..count], now_ns(), sink));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}
