//! Go's `cmd.Stdout = &stdout; cmd.Stderr = &stderr`: two buffers, drained concurrently, delivered after the exit.

use super::{Capabilities, Capability, CaptureError, Command, SpikeRow, Strategy, whole};
use crate::outcome::{Exit, Outcome};
use crate::sink::Sink;
use crate::stream::Origin;

/// The spike's second row.
pub(super) struct Buffered;

impl Strategy for Buffered {
    fn name(&self) -> &'static str {
        "buffered"
    }

    fn summary(&self) -> &'static str {
        "a pipe and a buffer for each stream, delivered after the exit, stdout first (separate buffers)"
    }

    fn spike_row(&self) -> Option<SpikeRow> {
        Some(SpikeRow {
            method: "Separate buffers",
            real_time: false,
            separation: true,
            file: false,
            recommended: false,
        })
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyLine, AnyProgram, AnyWrite, Apart, ExactBytes, FreeFlow, Reopen};
        Capabilities::of(&[Apart, ExactBytes, AnyLine, FreeFlow, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &dyn Sink) -> Result<Outcome, CaptureError> {
        let captured = whole::to_duct(command).stdout_capture().stderr_capture().run();
        let captured = captured.map_err(|source| command.start_error(source))?;
        let mut outcome = Outcome::now(Exit::from(captured.status));
        whole::deliver(sink, Origin::Stdout, &captured.stdout, &mut outcome);
        whole::deliver(sink, Origin::Stderr, &captured.stderr, &mut outcome);
        Ok(outcome)
    }
}
