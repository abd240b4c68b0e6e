//! The workload is silent for a while. A capturer that waits in a busy loop uses a CPU meanwhile.

use super::{Cue, GATE, Hands, Stimulus};
use std::io;
use std::time::Duration;

/// How long the workload is silent.
const SILENCE: Duration = Duration::from_millis(500);

pub(crate) static IDLE: Idle = Idle;

pub(crate) struct Idle;

impl Stimulus for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn summary(&self) -> &'static str {
        "the workload writes nothing for 500 ms"
    }

    fn lasts(&self) -> Duration {
        SILENCE
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        match event {
            Cue::AtGate => run.wake_after(SILENCE),
            Cue::Woken => run.open_gate(GATE)?,
            _ => {}
        }
        Ok(())
    }
}
