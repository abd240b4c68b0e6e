//! Go's `StdoutPipe` with a `bufio.Scanner`: a reader per stream, each line at once.
//!
//! A line that does not fit into 64 KiB stops its scanner, as in Go. Nothing reads that pipe any more, so the workload
//! blocks once the pipe is full, and the capture never ends.

use super::{Capabilities, Capability, CaptureError, Command, SpikeRow, Strategy, go};
use crate::outcome::Outcome;
use crate::sink::Sink;

/// The spike's third row, and the code of its finding 2.
pub(super) struct Scanner;

impl Strategy for Scanner {
    fn name(&self) -> &'static str {
        "scanner"
    }

    fn summary(&self) -> &'static str {
        "a pipe and a line scanner for each stream, each line at once (StdoutPipe + bufio.Scanner)"
    }

    fn spike_row(&self) -> Option<SpikeRow> {
        Some(SpikeRow {
            method: "StdoutPipe() + Scanner",
            real_time: true,
            separation: true,
            file: false,
            recommended: false,
        })
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyProgram, AnyWrite, Apart, BoundedMemory, Live, Reopen};
        Capabilities::of(&[Live, Apart, BoundedMemory, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &dyn Sink) -> Result<Outcome, CaptureError> {
        let child = go::start_with_pipes(command)?;
        go::read_both_then_wait(child, |stream, pipe| go::scan_lines(stream, pipe, sink, |_, at_ns| at_ns))
    }
}
