//! The parts of Go's standard library that the spike's strategies are built on, with their limits.

mod bufio;
mod pipe;

pub(super) use bufio::{Scan, Scanner};
pub(super) use pipe::{Closer, PipeReader};

use crun_capture_reactor::{CaptureError, Command, Delivery, Ending, Exit, Origin, Outcome, Sink, Stream};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// Starts the command with a pipe for each stream, as `StdoutPipe`, `StderrPipe` and `Start` do.
pub(super) fn start_with_pipes(command: &Command) -> Result<Child, CaptureError> {
    start(command, Stdio::piped(), Stdio::piped())
}

/// Starts the command with these as its fd 1 and 2.
pub(super) fn start(
    command: &Command,
    stdout: impl Into<Stdio>,
    stderr: impl Into<Stdio>,
) -> Result<Child, CaptureError> {
    let mut prepared = command.to_std().map_err(CaptureError::Descriptors)?;
    let started = prepared.stdout(stdout).stderr(stderr).spawn();
    started.map_err(|source| CaptureError::of_start(command, source))
}

/// `os.Create`: the file for `stream`, created or emptied. As in Go, it follows links, and blocks on a FIFO until that
/// has a reader. If the command has no path for the stream, it is a temporary file without a name.
pub(super) fn create_file(command: &Command, stream: Stream) -> Result<File, CaptureError> {
    let Some(path) = command.path(stream) else {
        return tempfile::tempfile().map_err(|source| CaptureError::File { path: std::env::temp_dir(), source });
    };
    let opened = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.map_err(|source| CaptureError::File { path: path.to_owned(), source })
}

/// Locks the sink that both readers share. A reader that panicked has not damaged it.
pub(super) fn lock<'a, 's>(sink: &'a Mutex<&'s mut dyn Sink>) -> MutexGuard<'a, &'s mut dyn Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the reader of one stream ended.
#[derive(Debug, Default)]
pub(super) struct ReadEnd {
    /// The error that stopped it before the end of its stream.
    pub(super) error: Option<String>,
    /// The first error of its sink.
    pub(super) sink_error: Option<io::Error>,
}

/// `for scanner.Scan() { … }`: passes each line to `each` and then to the sink. `each` gets the receipt time of the
/// read in ns, and returns the time that the consumer sees, which is later if `each` takes time itself. The sink is
/// flushed whenever the scanner has used up what it read, before it waits for more.
pub(super) fn scan_lines<R: Read>(
    stream: Stream,
    reader: R,
    sink: &Mutex<&mut dyn Sink>,
    mut each: impl FnMut(&[u8], u64) -> u64,
) -> ReadEnd {
    let mut scanner = Scanner::new(reader);
    let mut read = ReadEnd::default();
    loop {
        match scanner.scan() {
            Scan::Line { bytes, at_ns } => {
                let at_ns = each(bytes, at_ns);
                let delivered = lock(sink).deliver(&Delivery::new(Origin::from(stream), bytes, Ending::Lf, at_ns));
                note(&mut read.sink_error, delivered);
            }
            Scan::NeedsInput => note(&mut read.sink_error, lock(sink).flush()),
            Scan::End(error) => {
                read.error = error.map(|error| format!("{stream:?}: {error}").to_lowercase());
                note(&mut read.sink_error, lock(sink).flush());
                return read;
            }
        }
    }
}

/// Keeps the first error.
pub(super) fn note(first: &mut Option<io::Error>, result: io::Result<()>) {
    if let Err(error) = result {
        first.get_or_insert(error);
    }
}

/// Reads both streams, with a thread each, and only then waits for the command. The documentation of `Cmd.Wait` asks
/// for this order. As in Go, the read ends stay open until the command was waited for, even if a reader has given up.
/// So a command that writes on does not die of SIGPIPE, but blocks for ever once the pipe is full.
pub(super) fn read_both_then_wait(
    mut child: Child,
    read: impl Fn(Stream, &mut (dyn Read + Send)) -> ReadEnd + Sync,
) -> Result<Outcome, CaptureError> {
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let reads = thread::scope(|scope| {
        let read = &read;
        let stdout = stdout.as_mut().map(|pipe| scope.spawn(move || read(Stream::Stdout, pipe)));
        let stderr = stderr.as_mut().map(|pipe| scope.spawn(move || read(Stream::Stderr, pipe)));
        [stdout, stderr].map(|thread| thread.map(|thread| thread.join().expect("a reader does not panic")))
    });
    let status = child.wait().map_err(CaptureError::Wait)?;
    drop((stdout, stderr));
    Ok(outcome(Exit::from(status), reads.into_iter().flatten()))
}

/// Makes an outcome of the exit and of what went wrong in the readers.
pub(super) fn outcome(exit: Exit, reads: impl IntoIterator<Item = ReadEnd>) -> Outcome {
    let mut outcome = Outcome::now(exit);
    for read in reads {
        outcome.errors.extend(read.error);
        outcome.truncated |= read.sink_error.is_some();
        outcome.errors.extend(read.sink_error.map(|error| format!("consumer: {error}")));
    }
    outcome
}
