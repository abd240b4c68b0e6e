//! Go's `cmd.Stdout = &stdout; cmd.Stderr = &stderr`: two buffers, drained concurrently and delivered after the exit.

use super::{Capabilities, Capability, SpikeRow, Strategy, whole};
use crun_capture_reactor::{CaptureError, Command, Exit, Origin, Outcome, Sink};

/// The strategy of the second row of the spike's table.
pub(super) struct Buffered;

/// The row in the spike's table.
pub(super) const ROW: SpikeRow =
    SpikeRow { method: "Separate buffers", real_time: false, separation: true, file: false, recommended: false };

impl Strategy for Buffered {
    fn name(&self) -> &'static str {
        "buffered"
    }

    fn summary(&self) -> &'static str {
        "a pipe and a buffer for each stream; delivers both after the exit, stdout first (separate buffers)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyLine, AnyProgram, AnyWrite, Apart, ExactBytes, FreeFlow, Reopen};
        Capabilities::of(&[Apart, ExactBytes, AnyLine, FreeFlow, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        let captured = whole::to_duct(command).stdout_capture().stderr_capture().run();
        let captured = captured.map_err(|source| CaptureError::of_start(command, source))?;
        let mut outcome = Outcome::now(Exit::from(captured.status));
        whole::deliver(sink, Origin::Stdout, &captured.stdout, &mut outcome);
        whole::deliver(sink, Origin::Stderr, &captured.stderr, &mut outcome);
        Ok(outcome)
    }
}
