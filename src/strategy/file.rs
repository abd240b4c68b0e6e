//! Redirection: the command writes the files itself; delivered after the exit by reading them.

use super::{Capabilities, Capability, CaptureError, Command, SpikeRow, Strategy, whole};
use crate::outcome::{Exit, Outcome};
use crate::sink::Sink;
use crate::stream::{Origin, Stream};
use std::io::{Read, Seek};

/// The spike's fourth row, today's way in Nomad by its account.
pub(super) struct File;

impl Strategy for File {
    fn name(&self) -> &'static str {
        "file"
    }

    fn summary(&self) -> &'static str {
        "the streams are files; delivered after the exit by reading them, stdout first (file redirection)"
    }

    fn spike_row(&self) -> Option<SpikeRow> {
        Some(SpikeRow {
            method: "File redirection",
            real_time: false,
            separation: true,
            file: true,
            recommended: false,
        })
    }

    fn is_reference(&self) -> bool {
        true
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, Apart, BoundedMemory, ExactBytes, FreeFlow, PromptDespiteGrandchild, Reopen,
            SurvivesDeath,
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
            Reopen,
            AnyWrite,
            AnyProgram,
        ])
    }

    fn capture(&self, command: &Command, sink: &dyn Sink) -> Result<Outcome, CaptureError> {
        let mut files = [command.create_file(Stream::Stdout)?, command.create_file(Stream::Stderr)?];
        let duplicate = |at: usize| files[at].try_clone().map_err(CaptureError::Descriptors);
        let mut prepared = command.to_std();
        prepared.stdout(duplicate(0)?).stderr(duplicate(1)?);
        let started = prepared.spawn();
        let mut child = started.map_err(|source| command.start_error(source))?;
        let status = child.wait().map_err(CaptureError::Wait)?;
        let mut outcome = Outcome::now(Exit::from(status));
        for (stream, file) in Stream::BOTH.into_iter().zip(&mut files) {
            let mut bytes = Vec::new();
            match file.rewind().and_then(|()| file.read_to_end(&mut bytes)) {
                Ok(_) => whole::deliver(sink, Origin::from(stream), &bytes, &mut outcome),
                Err(error) => outcome.errors.push(format!("{stream:?}: cannot read the file back: {error}")),
            }
        }
        Ok(outcome)
    }
}
