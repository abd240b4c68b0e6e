//! Go's `CombinedOutput`: one pipe for both streams, everything after the exit.

use super::{Capabilities, Capability, CaptureError, Command, SpikeRow, Strategy, whole};
use crate::outcome::{Exit, Outcome};
use crate::sink::Sink;
use crate::stream::Origin;

/// The spike's first row.
pub(super) struct Combined;

impl Strategy for Combined {
    fn name(&self) -> &'static str {
        "combined"
    }

    fn summary(&self) -> &'static str {
        "one pipe for both streams, read whole, delivered after the exit (CombinedOutput)"
    }

    fn spike_row(&self) -> Option<SpikeRow> {
        Some(SpikeRow {
            method: "CombinedOutput()",
            real_time: false,
            separation: false,
            file: false,
            recommended: false,
        })
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyLine, AnyProgram, AnyWrite, ExactBytes, FreeFlow, Order, Reopen};
        Capabilities::of(&[Order, ExactBytes, AnyLine, FreeFlow, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &dyn Sink) -> Result<Outcome, CaptureError> {
        let captured = whole::to_duct(command).stderr_to_stdout().stdout_capture().run();
        let captured = captured.map_err(|source| command.start_error(source))?;
        let mut outcome = Outcome::now(Exit::from(captured.status));
        whole::deliver(sink, Origin::Merged, &captured.stdout, &mut outcome);
        Ok(outcome)
    }
}
