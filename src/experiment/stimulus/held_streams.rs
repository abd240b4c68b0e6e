//! A child of the workload outlives it and holds its streams. The child stays until the capturer has ended, so that a
//! capturer that waits for it without a bound reaches the deadline.

use super::{Cue, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::Capabilities;
use std::io;
use std::time::Duration;

/// The gate that the child waits at.
pub(crate) const CHILD_GATE: &str = "child";

/// The two seconds for which capturers drain (Nomad's processOutputCloseTolerance, and this crate's). Some of the
/// deadline is left for the rest.
const DRAIN: Duration = Duration::from_secs(2);

pub(crate) static HELD_STREAMS: HeldStreams = HeldStreams;

pub(crate) struct HeldStreams;

impl Stimulus for HeldStreams {
    fn name(&self) -> &'static str {
        "held-streams"
    }

    fn summary(&self) -> &'static str {
        "a child of the workload holds the streams until the capturer has ended"
    }

    /// Nobody knows what the child would have written, so a capturer that gives up may say that output is missing.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[Finding::FalseAlarm]
    }

    fn lasts(&self) -> Duration {
        DRAIN
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        if event == Cue::CapturerEnded { run.open_gate(CHILD_GATE) } else { Ok(()) }
    }
}
