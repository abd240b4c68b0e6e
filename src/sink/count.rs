//! A sink that counts deliveries, and passes them on to another sink if there is one.

use crun_capture_reactor::{Delivery, Ending, Origin, Sink};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io;

/// The output that came from one origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Bytes, terminators included.
    pub bytes: u64,
    /// Lines. A last line without a terminator counts, pieces of a line do not.
    pub lines: u64,
    /// Bytes that the capturer knows to be lost; null if it does not know how many.
    #[serde(default)]
    pub lost_bytes: Option<u64>,
}

/// A sink that counts deliveries, and passes them on to another sink if there is one.
#[derive(Default)]
pub struct Count<'a> {
    next: Option<&'a mut dyn Sink>,
    tallies: [Tally; 3],
    first_ns: Option<u64>,
    last_ns: Option<u64>,
}

impl<'a> Count<'a> {
    /// Makes a sink that counts deliveries and passes them on to `next`. None: it discards them.
    pub fn new(next: Option<&'a mut dyn Sink>) -> Count<'a> {
        Count { next, ..Count::default() }
    }

    /// The bytes and lines that have come from `origin` so far.
    pub fn tally(&self, origin: Origin) -> Tally {
        self.tallies[origin as usize]
    }

    /// When the first delivery was received, in ns of CLOCK_MONOTONIC. None: nothing was received.
    pub fn first_ns(&self) -> Option<u64> {
        self.first_ns
    }

    /// When the last delivery was received. Clock and None as for `first_ns`.
    pub fn last_ns(&self) -> Option<u64> {
        self.last_ns
    }
}

impl Sink for Count<'_> {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        let tally = &mut self.tallies[delivery.origin as usize];
        tally.bytes += (delivery.bytes.len() + delivery.ending.terminator().len()) as u64;
        tally.lines += u64::from(delivery.ending != Ending::Partial);
        self.first_ns = Some(self.first_ns.map_or(delivery.at_ns, |first_ns| first_ns.min(delivery.at_ns)));
        self.last_ns = self.last_ns.max(Some(delivery.at_ns));
        self.next.as_mut().map_or(Ok(()), |next| next.deliver(delivery))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.next.as_mut().map_or(Ok(()), |next| next.flush())
    }
}
