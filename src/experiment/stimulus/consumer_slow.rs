//! The consumer is slower than the workload. What it has not read when the workload ends must not be lost.

use super::{Cue, GATE, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::{Capabilities, Capability};
use std::io;
use std::time::Duration;

/// How many bytes the consumer reads a millisecond: 8 MB/s, while a workload writes hundreds of MB/s.
const BYTES_PER_MS: usize = 8 << 10;

pub(crate) static CONSUMER_SLOW: ConsumerSlow = ConsumerSlow;

pub(crate) struct ConsumerSlow;

impl Stimulus for ConsumerSlow {
    fn name(&self) -> &'static str {
        "consumer-slow"
    }

    fn summary(&self) -> &'static str {
        "the consumer reads at most 8 MB a second"
    }

    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[Finding::DeliveredBeforeExitFraction, Finding::ExitLatencyNs]
    }

    /// A capturer that lets the program flow freely cannot keep everything that the consumer does not take.
    fn forces_loss(&self, declares: Capabilities) -> bool {
        declares.has(Capability::FreeFlow)
    }

    fn lasts(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        match event {
            Cue::AtGate => {
                run.slow_frames(BYTES_PER_MS);
                run.open_gate(GATE)
            }
            _ => Ok(()),
        }
    }
}
