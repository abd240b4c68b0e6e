//! The caller's own FIFO or descriptor, handed on: nobody of ours is in the data path, as with Nomad's logmon.
//!
//! A path is opened once, for writing only, before the command starts, and the descriptor itself is what the command gets and keeps
//! for its life; a copy stays open here until it has ended, so that a program which closes its own does not end the reader's
//! collection. The kernel takes the program's writes to whoever reads the other end, and this process may die. Without a path
//! the command has the caller's own stdout or stderr.
//!
//! Nothing is delivered: what is read is the reader's. `file`, `order` and `free-flow` it does not declare, since they are
//! the reader's too: one that stops stalls the program, one that dies kills it (SIGPIPE).

use super::{Capabilities, Capability, Needs, Strategy};
use crate::command::{CaptureError, Command};
use crate::command::{is_fifo, no_reader};
use crate::outcome::Outcome;
use crate::reactor::{self, Begun, Reactive};
use crate::sink::Sink;
use crate::stream::Stream;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::process::Pid;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long the reader of a FIFO may take to open it.
const READER: Duration = Duration::from_secs(2);

/// Descriptors that are somebody else's.
pub struct Passthrough;

impl Strategy for Passthrough {
    fn name(&self) -> &'static str {
        "passthrough"
    }

    fn summary(&self) -> &'static str {
        "the caller's own FIFO or descriptor is handed on, and whoever reads it captures (Nomad's logmon)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, Apart, BoundedMemory, ExactBytes, Live, PromptDespiteGrandchild, Reopen,
            SurvivesDeath,
        };
        Capabilities::of(&[
            Live,
            Apart,
            ExactBytes,
            AnyLine,
            BoundedMemory,
            PromptDespiteGrandchild,
            SurvivesDeath,
            Reopen,
            AnyWrite,
            AnyProgram,
        ])
    }

    fn needs(&self) -> Needs {
        Needs::READER
    }

    fn reactive(&self) -> Option<&dyn Reactive> {
        Some(self)
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        reactor::capture(self, command, sink)
    }
}

impl Reactive for Passthrough {
    fn begin(&self, command: &Command, _large: bool) -> Result<Begun, CaptureError> {
        let stdout = open(command, Stream::Stdout)?;
        let stderr = open(command, Stream::Stderr)?;
        let copies = [&stdout, &stderr].map(OwnedFd::try_clone);
        let child = command.start(stdout, stderr)?;
        let at_end: Box<dyn FnOnce() + Send> = Box::new(move || drop(copies));
        Ok(Begun { at_end: Some(at_end), ..Begun::new(Pid::from_child(&child), Vec::new()) })
    }
}

/// What the command writes `stream` to. Blocks until a FIFO has a reader, for [`READER`] at most.
fn open(command: &Command, stream: Stream) -> Result<OwnedFd, CaptureError> {
    let Some(path) = command.path(stream) else {
        let own = match stream {
            Stream::Stdout => io::stdout().as_fd().try_clone_to_owned(),
            Stream::Stderr => io::stderr().as_fd().try_clone_to_owned(),
        };
        return own.map_err(CaptureError::Descriptors);
    };
    let opened = if is_fifo(path) { open_fifo(path) } else { File::options().append(true).open(path) };
    let opened = opened.map_err(|source| CaptureError::File { path: path.to_owned(), source: not_ready(source) })?;
    Ok(opened.into())
}

/// What is handed on is the caller's, and is not made here: a file in the place of a FIFO would have no reader, and nobody would know.
fn not_ready(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return io::Error::new(
            error.kind(),
            "there is nothing to hand on; make it (mkfifo) and start its reader first",
        );
    }
    no_reader(error)
}

/// open(2) itself waits for a reader, and nothing tells of one that waits for us: so a thread waits in it, and where nobody comes
/// in time we are the reader that lets it go.
fn open_fifo(path: &Path) -> io::Result<File> {
    let (sender, receiver) = mpsc::channel();
    // The same FIFO both times, whatever becomes of its name.
    let found = File::options().read(true).custom_flags(libc::O_PATH).open(path)?;
    let named = format!("/proc/self/fd/{}", found.as_raw_fd());
    let own = named.clone();
    let thread = thread::spawn(move || {
        let opened = File::options().write(true).open(own);
        // Nobody receives what comes too late, and it is closed.
        let _too_late = sender.send(opened);
    });
    match receiver.recv_timeout(READER) {
        Ok(opened) => opened,
        Err(_) => {
            drop(receiver);
            let reader = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(named)?;
            thread.join().map_err(|_| io::Error::other("the thread that opens the FIFO has panicked"))?;
            drop(reader);
            Err(io::Error::from_raw_os_error(libc::ENXIO))
        }
    }
}
