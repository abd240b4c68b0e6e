//! A child of the workload lives on after it and holds its streams. It ends when the capturer has, or when a capturer that
//! waits for it has waited longer than any drain deadline in use.

use super::{Event, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::{Capabilities, Capability};
use std::io;
use std::time::Duration;

/// The gate that the child waits at.
pub(crate) const CHILD_GATE: &str = "child";

/// A little more than the two seconds that capturers drain for (Nomad's processOutputCloseTolerance, and this crate's).
const AFTER_DRAIN: Duration = Duration::from_millis(2_500);

pub(crate) static HELD_STREAMS: HeldStreams = HeldStreams;

pub(crate) struct HeldStreams;

impl Stimulus for HeldStreams {
    fn name(&self) -> &'static str {
        "held-streams"
    }

    fn summary(&self) -> &'static str {
        "a child of the workload holds the streams until the capturer has ended, at most for 2.5 s"
    }

    /// The child is the workload's, and no leak of the capturer's.
    fn excuses(&self, declares: Capabilities) -> &'static [Finding] {
        // Who does not say that it ends before the child may wait for it.
        let prompt = declares.has(Capability::PromptDespiteGrandchild);
        if prompt { &[Finding::LeftBehind] } else { &[Finding::LeftBehind, Finding::ExitLatencyNs] }
    }

    fn lasts(&self) -> Duration {
        AFTER_DRAIN
    }

    fn react(&self, event: Event, run: &mut dyn Hands) -> io::Result<()> {
        match event {
            Event::Played => run.wake_after(AFTER_DRAIN),
            Event::Woken | Event::CapturerEnded => run.open_gate(CHILD_GATE)?,
            _ => {}
        }
        Ok(())
    }
}
