//! Go's `CombinedOutput`: one pipe for both streams, delivered as a whole after the exit.

use super::{Capabilities, Capability, SpikeRow, Strategy, whole};
use crun_capture_reactor::{CaptureError, Command, Exit, Origin, Outcome, Sink};

/// The strategy of the first row of the spike's table.
pub(super) struct Combined;

/// The row in the spike's table.
pub(super) const ROW: SpikeRow =
    SpikeRow { method: "CombinedOutput()", real_time: false, separation: false, file: false, recommended: false };

impl Strategy for Combined {
    fn name(&self) -> &'static str {
        "combined"
    }

    fn summary(&self) -> &'static str {
        "one pipe for both streams; delivers everything after the exit (CombinedOutput)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyLine, AnyProgram, AnyWrite, ExactBytes, FreeFlow, Order, Reopen};
        Capabilities::of(&[Order, ExactBytes, AnyLine, FreeFlow, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        let captured = whole::to_duct(command).stderr_to_stdout().stdout_capture().run();
        let captured = captured.map_err(|source| CaptureError::of_start(command, source))?;
        let mut outcome = Outcome::now(Exit::from(captured.status));
        whole::deliver(sink, Origin::Merged, &captured.stdout, &mut outcome);
        Ok(outcome)
    }
}
