//! The workload writes one line at a time, and goes on when the line has arrived.

use super::{Cue, Hands, Stimulus};
use crun_capture_reactor::Ending;
use std::io;
use std::time::Duration;

/// A line that has not arrived after this time is held back. A live capturer, even one that looks at its files every
/// quarter of a second, is faster.
const QUIET: Duration = Duration::from_millis(500);

/// The gates, one after each line but the last.
pub(crate) const STEPS: &[&str] = &["step-1", "step-2", "step-3", "step-4"];

pub(crate) static ONE_AT_A_TIME: OneAtATime = OneAtATime;

pub(crate) struct OneAtATime;

impl Stimulus for OneAtATime {
    fn name(&self) -> &'static str {
        "one-at-a-time"
    }

    fn summary(&self) -> &'static str {
        "the workload writes its next line when the last one has arrived, at the latest after 500 ms"
    }

    fn lasts(&self) -> Duration {
        QUIET * STEPS.len() as u32
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        // As many gates are open as lines have been answered.
        let Some(&gate) = STEPS.get(run.opened_gates()) else { return Ok(()) };
        let arrived = run.delivered().iter().filter(|delivered| delivered.ending != Ending::Partial).count();
        match event {
            Cue::AtGate if arrived <= run.opened_gates() => run.wake_after(QUIET),
            Cue::AtGate | Cue::Woken => run.open_gate(gate)?,
            Cue::Delivered if arrived > run.opened_gates() => run.open_gate(gate)?,
            _ => {}
        }
        Ok(())
    }
}
