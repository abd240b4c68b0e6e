//! The strategy `passthrough`: the command writes to the FIFOs or descriptors of the caller.

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

/// Hands on the caller's own FIFOs or descriptors. Whoever reads them captures, as Nomad's logmon does.
///
/// # What the command gets
///
/// Its fd 1 and 2 are what [`stdout_path`](Command::stdout_path) and [`stderr_path`](Command::stderr_path) name. Each
/// path is opened once, for writing only, before the command starts. The command gets that descriptor itself, and keeps
/// it for its life. Without a path it gets this process's own stdout or stderr.
///
/// A path must exist: make the FIFO (mkfifo(3)) and start its reader before the capture. A path that is not a FIFO is
/// opened for appending.
///
/// # What it can do
///
/// The kernel takes the program's writes directly to whoever reads the other end: at once, unchanged, and each stream
/// apart. It declares `survives-death`, because this process is not in the data path: it may die, and the program runs
/// on. Your sink receives nothing, since what is read is the reader's.
///
/// A copy of each descriptor stays open in this process until the command has ended. So a program that closes its own
/// descriptor does not end the reader's collection.
///
/// # What it cannot do, and why
///
/// It does not declare `file`, `order`, `free-flow` and `independent-sinks`, because these are up to the reader. A
/// reader that stops stalls the program. A reader that dies kills it (SIGPIPE).
///
/// # How it ends
///
/// The capture ends when the command does. Its outcome tells of the exit.
///
/// # What it costs
///
/// Each capture takes three descriptors: the two copies and a pidfd. Nothing is read here.
/// [`Reactor::start`](crate::Reactor::start) waits at most 2 s for the reader of each FIFO, and fails when none comes.
pub struct Passthrough;

impl Strategy for Passthrough {
    fn name(&self) -> &'static str {
        "passthrough"
    }

    fn summary(&self) -> &'static str {
        "hands on the caller's own FIFOs or descriptors; whoever reads them captures (Nomad's logmon)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, Apart, BoundedMemory, ExactBytes, Live, PromptDespiteGrandchild, Prompts,
            Reopen, SurvivesDeath,
        };
        Capabilities::of(&[
            Live,
            Prompts,
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

/// Opens what the command writes `stream` to. Blocks until a FIFO has a reader, for [`READER`] at most.
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

/// Explains why there is nothing to hand on. What is handed on is the caller's, and is not made here: a file in the
/// place of a FIFO would have no reader, and nobody would know.
fn not_ready(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return io::Error::new(
            error.kind(),
            "there is nothing to hand on; make it (mkfifo) and start its reader first",
        );
    }
    no_reader(error)
}

/// Opens a FIFO for writing. Blocks until it has a reader, for [`READER`] at most.
///
/// open(2) itself waits for a reader, and nothing tells of a reader that waits for a writer. So a thread waits in
/// open(2). Where no reader comes in time, this function opens the FIFO for reading, which lets the thread go.
fn open_fifo(path: &Path) -> io::Result<File> {
    let (sender, receiver) = mpsc::channel();
    // The same FIFO both times, whatever becomes of its name.
    let found = File::options().read(true).custom_flags(libc::O_PATH).open(path)?;
    let named = format!("/proc/self/fd/{}", found.as_raw_fd());
    let own = named.clone();
    let thread = thread::spawn(move || {
        let opened = File::options().write(true).open(own);
        // Nobody receives a descriptor that comes too late, so it is closed.
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
