//! The scanner done right: a pipe for each stream, one thread, any length of line, every byte.
//!
//! `free-flow` and `survives-death` it does not declare: it stands in the data path, so a consumer that stops stalls the
//! program once the pipe is full, and a capturer that dies leaves a pipe without a reader. `order` no two pipes have.

use super::{Capabilities, Capability, Strategy};
use crate::command::{CaptureError, Command};
use crate::outcome::Outcome;
use crate::reactor::{self, Begun, Reactive, Readable, Source};
use crate::sink::Sink;
use rustix::fd::OwnedFd;
use rustix::process::Pid;
use std::io;
use std::process::Child;

/// Two pipes on the reactor.
pub struct Lines;

impl Strategy for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn summary(&self) -> &'static str {
        "a pipe for each stream, one thread; any length of line in bounded memory, every byte, prompts too"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, Apart, BoundedMemory, ExactBytes, Live, PromptDespiteGrandchild, Reopen,
        };
        Capabilities::of(&[
            Live,
            Apart,
            ExactBytes,
            AnyLine,
            BoundedMemory,
            PromptDespiteGrandchild,
            Reopen,
            AnyWrite,
            AnyProgram,
        ])
    }

    fn reactive(&self) -> Option<&dyn Reactive> {
        Some(self)
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        reactor::capture(self, command, sink)
    }
}

impl Reactive for Lines {
    fn begin(&self, command: &Command, large: bool) -> Result<Begun, CaptureError> {
        let (child, readers) = start_with_pipes(command, large)?;
        let sources = readers.into_iter().enumerate();
        let sources = sources.map(|(at, reader)| Ok(Box::new(Readable::new(reader, at)?) as Box<dyn Source>));
        let sources = sources.collect::<io::Result<_>>().map_err(CaptureError::Descriptors)?;
        Ok(Begun::new(Pid::from_child(&child), sources))
    }
}

/// Starts the command with a pipe for each stream, and returns the read ends.
pub(super) fn start_with_pipes(command: &Command, large: bool) -> Result<(Child, [OwnedFd; 2]), CaptureError> {
    let (stdout, stdout_writer) = reactor::pipe(large).map_err(CaptureError::Descriptors)?;
    let (stderr, stderr_writer) = reactor::pipe(large).map_err(CaptureError::Descriptors)?;
    let child = command.start(stdout_writer, stderr_writer)?;
    Ok((child, [stdout, stderr]))
}
