//! Counts deliveries, and passes them on to another sink where there is one.

use super::Sink;
use crate::stream::{Delivery, Ending, Origin};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// What came from one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Bytes, terminators included.
    pub bytes: u64,
    /// Lines; a last line without a terminator counts, pieces of a line do not.
    pub lines: u64,
}

/// A sink that counts.
pub struct Count<'a> {
    next: Option<&'a dyn Sink>,
    bytes: [AtomicU64; 3],
    lines: [AtomicU64; 3],
    first_ns: AtomicU64,
    last_ns: AtomicU64,
}

impl<'a> Count<'a> {
    /// Counts what it passes on to `next`, or discards.
    pub fn new(next: Option<&'a dyn Sink>) -> Count<'a> {
        Count {
            next,
            bytes: Default::default(),
            lines: Default::default(),
            first_ns: AtomicU64::new(u64::MAX),
            last_ns: AtomicU64::new(0),
        }
    }

    /// What came from `origin` so far.
    pub fn tally(&self, origin: Origin) -> Tally {
        let at = origin as usize;
        Tally { bytes: self.bytes[at].load(Ordering::Relaxed), lines: self.lines[at].load(Ordering::Relaxed) }
    }

    /// Receipt of the first delivery, CLOCK_MONOTONIC ns; None when there was none.
    pub fn first_ns(&self) -> Option<u64> {
        Some(self.first_ns.load(Ordering::Relaxed)).filter(|&at| at != u64::MAX)
    }

    /// Receipt of the last delivery.
    pub fn last_ns(&self) -> Option<u64> {
        self.first_ns().map(|_| self.last_ns.load(Ordering::Relaxed))
    }
}

impl Sink for Count<'_> {
    fn deliver(&self, delivery: &Delivery<'_>) -> io::Result<()> {
        let at = delivery.origin as usize;
        let bytes = delivery.bytes.len() + delivery.ending.terminator().len();
        self.bytes[at].fetch_add(bytes as u64, Ordering::Relaxed);
        self.lines[at].fetch_add(u64::from(delivery.ending != Ending::Partial), Ordering::Relaxed);
        self.first_ns.fetch_min(delivery.at_ns, Ordering::Relaxed);
        self.last_ns.fetch_max(delivery.at_ns, Ordering::Relaxed);
        self.next.map_or(Ok(()), |next| next.deliver(delivery))
    }

    fn flush(&self) -> io::Result<()> {
        self.next.map_or(Ok(()), |next| next.flush())
    }
}
