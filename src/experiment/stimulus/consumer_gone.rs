//! The consumer of the deliveries dies in mid-stream. A capturer that writes to it then meets a closed pipe.

use super::{Cue, GATE, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::Capabilities;
use std::io;

pub(crate) static CONSUMER_GONE: ConsumerGone = ConsumerGone;

pub(crate) struct ConsumerGone;

impl Stimulus for ConsumerGone {
    fn name(&self) -> &'static str {
        "consumer-gone"
    }

    fn summary(&self) -> &'static str {
        "the consumer closes the deliveries in mid-stream"
    }

    /// Nobody receives what is delivered from then on.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[
            Finding::LostBytes,
            Finding::AlteredLines,
            Finding::ForeignLines,
            Finding::DeliveredBeforeExitFraction,
            Finding::ProtocolError,
        ]
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        if event == Cue::AtGate {
            run.close_frames();
            run.open_gate(GATE)?;
        }
        Ok(())
    }
}
