//! Go's `io.TeeReader` under a `bufio.Scanner`: every chunk that is read goes to the file first.
//!
//! The limit of the scanner is the same as for `scanner`. An error of the file is an error of the read, so a full disk
//! ends the live stream too.

use super::{Capabilities, Capability, SpikeRow, Strategy, go};
use crun_capture_reactor::{CaptureError, Command, Outcome, Sink, Stream};
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Mutex;

/// The strategy of the fifth row of the spike's table, which the spike recommends.
pub(super) struct Tee;

/// The row in the spike's table.
pub(super) const ROW: SpikeRow =
    SpikeRow { method: "TeeReader", real_time: true, separation: true, file: true, recommended: true };

impl Strategy for Tee {
    fn name(&self) -> &'static str {
        "tee"
    }

    fn summary(&self) -> &'static str {
        "like scanner, but writes every chunk to a file before it scans it (TeeReader)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyProgram, AnyWrite, Apart, BoundedMemory, Live, Reopen};
        Capabilities::of(&[Live, Apart, Capability::File, BoundedMemory, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        let files = [go::create_file(command, Stream::Stdout)?, go::create_file(command, Stream::Stderr)?];
        let sink = Mutex::new(sink);
        let child = go::start_with_pipes(command)?;
        go::read_both_then_wait(child, |stream, pipe| {
            let reader = TeeReader { reader: pipe, file: &files[stream.index()], failed: None };
            go::scan_lines(stream, reader, &sink, |_, at_ns| at_ns)
        })
    }
}

/// io.TeeReader: what is read is written to the file before the read returns. If the file takes only a part, Go returns
/// that part together with the error. Here the next read returns the error.
struct TeeReader<'a, R> {
    reader: R,
    file: &'a File,
    failed: Option<io::Error>,
}

impl<R: Read> Read for TeeReader<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let count = self.reader.read(buffer)?;
        let mut written = 0;
        while written < count {
            match self.file.write(&buffer[written..count]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if written == 0 => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(written)
    }
}
