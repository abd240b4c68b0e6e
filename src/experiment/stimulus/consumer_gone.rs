//! The consumer of the deliveries dies in mid-stream. A capturer that writes to it then meets a closed pipe.

use super::{Cue, GATE, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::{Capabilities, Needs};
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
            Finding::ToldWrongBytes,
            Finding::FalseAlarm,
            Finding::ProtocolError,
        ]
    }

    /// Where the consumer reads the program's own streams, nobody reads them any more.
    fn forced_errors(&self, needs: Needs) -> &'static [i32] {
        if needs.needs_reader { &[libc::EPIPE] } else { &[] }
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        if event == Cue::AtGate {
            run.close_frames();
            run.open_gate(GATE)?;
        }
        Ok(())
    }
}
