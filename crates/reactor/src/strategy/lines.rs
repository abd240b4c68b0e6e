//! The strategy `lines`: a pipe for each stream, delivered line by line.

use super::{Capabilities, Capability, Strategy};
use crate::command::{CaptureError, Command};
use crate::outcome::Outcome;
use crate::reactor::{self, Begun, Reactive, Readable, Source};
use crate::sink::Sink;
use rustix::fd::OwnedFd;
use rustix::process::Pid;
use std::io;
use std::process::Child;

/// Captures through two pipes: every line, as it comes, and nothing else.
///
/// This is the usual line scanner on a pipe, done right: one thread, lines of any length, every byte.
///
/// # What the command gets
///
/// Its fd 1 and 2 are the write ends of two pipes. The reactor reads the other ends.
///
/// # What it can do
///
/// It delivers while the command runs, and tells stdout from stderr. It keeps every byte. A line may have any length,
/// and memory stays bounded. A prompt, which has no line feed, is delivered after 20 ms. The capture ends soon after
/// the command, even when a grandchild keeps the pipes open. Programs need no changes: they may write as much at once
/// as they like, and open /dev/stdout again.
///
/// # What it cannot do, and why
///
/// - It does not declare `free-flow`, because it stands in the data path. A consumer that stops stalls the program once
///   the pipe is full.
/// - It does not declare `survives-death` for the same reason. A capturer that dies leaves a pipe without a reader, so
///   the next write of the program fails (EPIPE) or kills it (SIGPIPE).
/// - It does not declare `order`, because two pipes keep no order between them.
/// - It does not declare `file` and `independent-sinks`, because it writes no file.
///
/// # What it costs
///
/// Each capture takes three descriptors: two pipes and a pidfd. A pipe holds 1 MiB if fewer than 16 captures run in the
/// reactor when the command starts, and if the user may have that much. Otherwise it holds what the kernel gives
/// (pipe(7)).
pub struct Lines;

impl Strategy for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn summary(&self) -> &'static str {
        "reads a pipe for each stream on one thread: every byte, prompts too, lines of any length in bounded memory"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, Apart, BoundedMemory, ExactBytes, Live, PromptDespiteGrandchild, Prompts,
            Reopen,
        };
        Capabilities::of(&[
            Live,
            Prompts,
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

/// Starts the command with a pipe for each stream. Returns the child and the read ends, stdout first.
pub(super) fn start_with_pipes(command: &Command, large: bool) -> Result<(Child, [OwnedFd; 2]), CaptureError> {
    let (stdout, stdout_writer) = reactor::pipe(large).map_err(CaptureError::Descriptors)?;
    let (stderr, stderr_writer) = reactor::pipe(large).map_err(CaptureError::Descriptors)?;
    let child = command.start(stdout_writer, stderr_writer)?;
    Ok((child, [stdout, stderr]))
}
