//! File redirection: the command writes the files itself. The capturer reads and delivers them after the exit.

use super::{Capabilities, Capability, SpikeRow, Strategy, go, whole};
use crun_capture_reactor::{CaptureError, Command, Exit, Origin, Outcome, Sink, Stream};
use std::io::{self, Read, Seek};

/// How much of a file is in memory at a time, unless one line is longer.
const CHUNK_BYTES: usize = 256 << 10;

/// The strategy of the fourth row of the spike's table. According to the spike, Nomad works like this today.
pub(super) struct File;

/// The row in the spike's table.
pub(super) const ROW: SpikeRow =
    SpikeRow { method: "File redirection", real_time: false, separation: true, file: true, recommended: false };

impl Strategy for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn summary(&self) -> &'static str {
        "the streams are files; reads and delivers them after the exit, stdout first (file redirection)"
    }

    /// It does not declare `Reopen`, because a program that opens /dev/stdout as a shell does truncates the file. It
    /// does not declare `AnyProgram`, because a program that then writes on without O_APPEND leaves a hole before its
    /// output. os.Create does not set O_APPEND.
    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyWrite, Apart, BoundedMemory, ExactBytes, FreeFlow, PromptDespiteGrandchild, SurvivesDeath,
        };
        Capabilities::of(&[
            Apart,
            Capability::File,
            ExactBytes,
            AnyLine,
            BoundedMemory,
            PromptDespiteGrandchild,
            FreeFlow,
            SurvivesDeath,
            AnyWrite,
        ])
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        let mut files = [go::create_file(command, Stream::Stdout)?, go::create_file(command, Stream::Stderr)?];
        let duplicate = |at: usize| files[at].try_clone().map_err(CaptureError::Descriptors);
        let mut child = go::start(command, duplicate(0)?, duplicate(1)?)?;
        let status = child.wait().map_err(CaptureError::Wait)?;
        let mut outcome = Outcome::now(Exit::from(status));
        for (stream, file) in Stream::BOTH.into_iter().zip(&mut files) {
            if let Err(error) = file.rewind().and_then(|()| read_back(file, stream, sink, &mut outcome)) {
                outcome.truncated = true;
                outcome.errors.push(format!("{stream:?}: cannot read the file back: {error}").to_lowercase());
            }
        }
        Ok(outcome)
    }
}

/// Delivers a file in chunks, so that its size does not matter. Lines that end within a chunk are delivered whole. What
/// follows the last line feed of a chunk is delivered with the next chunk.
fn read_back(file: &mut std::fs::File, stream: Stream, sink: &mut dyn Sink, outcome: &mut Outcome) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(2 * CHUNK_BYTES);
    loop {
        let read = file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut buffer)?;
        let whole = memchr::memrchr(b'\n', &buffer).map_or(0, |at| at + 1);
        let last = read < CHUNK_BYTES;
        let ready = if last || whole == 0 { buffer.len() } else { whole };
        whole::deliver_chunk(sink, Origin::from(stream), &buffer[..ready], last, outcome);
        buffer.drain(..ready);
        if last {
            return Ok(());
        }
    }
}
