//! The capturer gets SIGSTOP. It does not run for a while, and then finds everything that happened meanwhile at once.

use super::{Cue, GATE, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::Capabilities;
use rustix::process::Signal;
use std::io;
use std::time::Duration;

/// Stops the capturer for a second in mid-stream.
pub(crate) static SUSPENDED: Suspended = Suspended {
    name: "capturer-stopped",
    summary: "the capturer gets SIGSTOP in mid-stream, and SIGCONT after 1 s",
    to_the_end: false,
};

/// Stops the capturer from before the workload's first write until the workload has ended, or until it is clear that
/// the workload waits for the capturer. The output and the end are then there at once, and a capturer that acts on the
/// end first loses the output. This makes a race certain.
pub(crate) static SUSPENDED_TO_THE_END: Suspended = Suspended {
    name: "capturer-stopped-to-the-end",
    summary: "the capturer gets SIGSTOP before the first write, and SIGCONT when the workload has ended, at the latest after 1 s",
    to_the_end: true,
};

/// How long the stimulus waits for the front process after the workload has ended.
const FRONT_ENDS: Duration = Duration::from_secs(1);

pub(crate) struct Suspended {
    name: &'static str,
    summary: &'static str,
    to_the_end: bool,
}

impl Stimulus for Suspended {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[Finding::DeliveredBeforeExitFraction, Finding::ExitLatencyNs, Finding::WorkloadStalledNs]
    }

    fn lasts(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        match event {
            Cue::AtGate => {
                run.signal_capturer(Signal::STOP)?;
                run.wake_after(Duration::from_secs(1));
                run.open_gate(GATE)
            }
            Cue::Ended if self.to_the_end => {
                // The runtime ends a moment later, and its end must be there too.
                let _ended = run.front().is_none_or(|front| front.ends(FRONT_ENDS));
                run.signal_capturer(Signal::CONT)
            }
            Cue::Woken => run.signal_capturer(Signal::CONT),
            _ => Ok(()),
        }
    }
}
