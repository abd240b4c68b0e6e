//! The reader of the FIFOs that replace a capturer's files. It reads them as Nomad's logmon does, and delivers what
//! comes.

use crate::sink::count::Tally;
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Delivered, Framer, Memory, Origin, Stream};
use rustix::fd::{AsFd, BorrowedFd};
use std::fs::File;
use std::io::{ErrorKind, Read};

/// The reader of both FIFOs.
pub(super) struct Partner {
    sides: [Side; 2],
    /// Whether it counts the output and does not keep it. A cell that measures cost may have much output.
    counts: bool,
}

struct Side {
    fifo: Option<File>,
    framer: Framer,
    tally: Tally,
}

impl Partner {
    /// Makes a reader of these read ends, which do not block.
    pub(super) fn new(fifos: [File; 2], counts: bool) -> Partner {
        let mut streams = Stream::BOTH.into_iter();
        let sides = fifos.map(|fifo| Side {
            fifo: Some(fifo),
            framer: Framer::new(streams.next().map_or(Origin::Merged, Origin::from), 0),
            tally: Tally::default(),
        });
        Partner { sides, counts }
    }

    /// What was counted of stdout and stderr. None: the output was kept.
    pub(super) fn counted(&self) -> Option<[Tally; 2]> {
        self.counts.then(|| [self.sides[0].tally, self.sides[1].tally])
    }

    /// The descriptors to wait for. A FIFO whose writers have all gone is not among them.
    pub(super) fn descriptors(&self) -> [Option<BorrowedFd<'_>>; 2] {
        [0, 1].map(|at| self.sides[at].fifo.as_ref().map(AsFd::as_fd))
    }

    /// Reads what is there, at most `most` bytes of each FIFO. `ready` is the result of poll(2) for the two.
    pub(super) fn read(&mut self, ready: [bool; 2], most: usize, deliveries: &mut Vec<Delivered>) {
        for (side, ready) in self.sides.iter_mut().zip(ready) {
            side.read(ready, most, self.counts, deliveries);
        }
    }

    /// When `release` next has something to do, in ns of CLOCK_MONOTONIC. None: it has nothing to do.
    pub(super) fn quiet_at_ns(&self) -> Option<u64> {
        self.sides.iter().filter_map(|side| side.framer.quiet_at_ns()).min()
    }

    /// Delivers a line that has had no line feed for a while, because it may be a prompt.
    pub(super) fn release(&mut self, now_ns: u64, deliveries: &mut Vec<Delivered>) {
        for side in &mut self.sides {
            if side.framer.quiet_at_ns().is_some_and(|at_ns| at_ns <= now_ns) {
                kept(deliveries, |sink| side.framer.release(now_ns, sink));
            }
        }
    }

    /// Delivers the last lines without a line feed. Nothing more can come.
    pub(super) fn finish(&mut self, deliveries: &mut Vec<Delivered>) {
        self.sides.iter_mut().for_each(|side| kept(deliveries, |sink| side.framer.end(now_ns(), sink)));
    }
}

/// Adds the deliveries that `act` makes to `deliveries`.
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
                // Everybody has closed the FIFO, or nobody has opened it yet. Only the former wakes poll(2) (POLLHUP).
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
