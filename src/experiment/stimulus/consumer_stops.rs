//! The consumer of the deliveries stops reading in mid-stream, and goes on later.

use super::{Cue, GATE, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::{Capabilities, Capability};
use std::io;
use std::time::Duration;

/// The consumer stops for two seconds.
pub(crate) static CONSUMER_STOPS: ConsumerStops = ConsumerStops {
    name: "consumer-stops",
    summary: "the consumer stops reading in mid-stream, and goes on after 2 s",
    at_start: false,
    hold: Duration::from_secs(2),
};

/// The consumer does not read before the workload has ended, or before it is clear that the workload waits for it.
pub(crate) static CONSUMER_NEVER: ConsumerStops = ConsumerStops {
    name: "consumer-never-reads",
    summary: "the consumer reads nothing until the workload has ended, for at most 1 s",
    at_start: true,
    hold: Duration::from_secs(1),
};

pub(crate) struct ConsumerStops {
    name: &'static str,
    summary: &'static str,
    /// Whether it stops from the start, and only until the workload has ended.
    at_start: bool,
    hold: Duration,
}

impl Stimulus for ConsumerStops {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    /// The consumer, not the capturer, makes deliveries late.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[Finding::DeliveredBeforeExitFraction, Finding::ExitLatencyNs]
    }

    /// A capturer that lets the program flow freely cannot keep everything that the consumer does not take.
    fn forces_loss(&self, declares: Capabilities) -> bool {
        declares.has(Capability::FreeFlow)
    }

    /// After the stop the consumer reads what was held up.
    fn lasts(&self) -> Duration {
        self.hold + Duration::from_secs(3)
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        let goes_on = event == Cue::Woken || (self.at_start && event == Cue::Ended);
        if goes_on {
            run.hold_frames(false);
        } else if event == Cue::AtGate {
            run.hold_frames(true);
            run.wake_after(self.hold);
            run.open_gate(GATE)?;
        }
        Ok(())
    }
}
