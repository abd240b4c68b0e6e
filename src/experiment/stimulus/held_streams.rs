//! A child of the workload outlives it and holds its streams. The child ends when the capturer has ended, or when a
//! capturer that waits for the child has waited longer than any drain deadline in use.

use super::{Cue, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::{Capabilities, Capability};
use std::io;
use std::time::Duration;

/// The gate that the child waits at.
pub(crate) const CHILD_GATE: &str = "child";

/// A little more than the two seconds for which capturers drain (Nomad's processOutputCloseTolerance, and this
/// crate's).
const AFTER_DRAIN: Duration = Duration::from_millis(2_500);

pub(crate) static HELD_STREAMS: HeldStreams = HeldStreams;

pub(crate) struct HeldStreams;

impl Stimulus for HeldStreams {
    fn name(&self) -> &'static str {
        "held-streams"
    }

    fn summary(&self) -> &'static str {
        "a child of the workload holds the streams until the capturer has ended, for at most 2.5 s"
    }

    /// The child belongs to the workload. It is not a leak of the capturer.
    fn excuses(&self, declares: Capabilities) -> &'static [Finding] {
        // A capturer that does not declare that it ends before the child may wait for the child.
        let prompt = declares.has(Capability::PromptDespiteGrandchild);
        if prompt { &[Finding::LeftBehind] } else { &[Finding::LeftBehind, Finding::ExitLatencyNs] }
    }

    fn lasts(&self) -> Duration {
        AFTER_DRAIN
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        match event {
            Cue::Played => run.wake_after(AFTER_DRAIN),
            Cue::Woken | Cue::CapturerEnded => run.open_gate(CHILD_GATE)?,
            _ => {}
        }
        Ok(())
    }
}
