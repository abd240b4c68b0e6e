//! Somebody waits for a prompt before answering it. The workload goes on when the prompt was delivered, or when it is
//! clear that it will not be.

use super::{Cue, GATE, Hands, Stimulus};
use std::io;
use std::time::Duration;

/// The short quiet time after which an unterminated line must have arrived. A line that has not arrived by then is held
/// back.
const QUIET: Duration = Duration::from_millis(500);

pub(crate) static PROMPT: Prompt = Prompt;

pub(crate) struct Prompt;

impl Stimulus for Prompt {
    fn name(&self) -> &'static str {
        "prompt"
    }

    fn summary(&self) -> &'static str {
        "the workload gets an answer when its prompt was delivered, at the latest after 500 ms"
    }

    fn lasts(&self) -> Duration {
        QUIET
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        match event {
            Cue::AtGate => run.wake_after(QUIET),
            Cue::Woken => run.open_gate(GATE)?,
            Cue::Delivered if !run.delivered().is_empty() => run.open_gate(GATE)?,
            _ => {}
        }
        Ok(())
    }
}
