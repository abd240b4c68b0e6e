//! Go's `StdoutPipe` with a `bufio.Scanner`: a reader for each stream, which delivers each line at once.
//!
//! As in Go, a line that does not fit into 64 KiB stops its scanner. Then nothing reads that pipe any more, so the
//! workload blocks once the pipe is full, and the capture never ends.

use super::{Capabilities, Capability, SpikeRow, Strategy, go};
use crun_capture_reactor::{CaptureError, Command, Outcome, Sink};
use std::sync::Mutex;

/// The strategy of the third row of the spike's table, and of the code in its finding 2.
pub(super) struct Scanner;

/// The row in the spike's table.
pub(super) const ROW: SpikeRow =
    SpikeRow { method: "StdoutPipe() + Scanner", real_time: true, separation: true, file: false, recommended: false };

impl Strategy for Scanner {
    fn name(&self) -> &'static str {
        "scanner"
    }

    fn summary(&self) -> &'static str {
        "a pipe and a line scanner for each stream; delivers each line at once (StdoutPipe + bufio.Scanner)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyProgram, AnyWrite, Apart, BoundedMemory, Live, Reopen};
        Capabilities::of(&[Live, Apart, BoundedMemory, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        let child = go::start_with_pipes(command)?;
        let sink = Mutex::new(sink);
        go::read_both_then_wait(child, |stream, pipe| go::scan_lines(stream, pipe, &sink, |_, at_ns| at_ns))
    }
}
