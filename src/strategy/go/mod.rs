//! The parts of Go's standard library that the spike's strategies are built on, limits included.

mod bufio;
mod pipe;

pub(super) use bufio::{Scan, Scanner};
pub(super) use pipe::{Closer, PipeReader};

use crate::outcome::{Exit, Outcome};
use crate::sink::Sink;
use crate::strategy::{CaptureError, Command};
use crate::stream::{Delivery, Origin, Stream};
use std::io::{self, Read};
use std::process::{Child, Stdio};
use std::thread;

/// Starts the command with a pipe for each stream, as `StdoutPipe`, `StderrPipe` and `Start` do.
pub(super) fn start_with_pipes(command: &Command) -> Result<Child, CaptureError> {
    let mut prepared = command.to_std();
    prepared.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|source| command.start_error(source))
}

/// What one reader did.
#[derive(Debug, Default)]
pub(super) struct ReadEnd {
    /// What stopped it before the end of its stream.
    pub(super) error: Option<String>,
    /// The first error of its sink.
    pub(super) sink_error: Option<io::Error>,
}

/// `for scanner.Scan() { … }`: each line goes through `each` and then to the sink. `each` is given the receipt time of
/// the read, and returns the one that the consumer sees: a later one, where it does something that takes time.
/// The sink is flushed whenever the scanner has used up what it read, before it waits for more.
pub(super) fn scan_lines<R: Read>(
    stream: Stream,
    reader: R,
    sink: &dyn Sink,
    mut each: impl FnMut(&[u8], u64) -> u64,
) -> ReadEnd {
    let mut scanner = Scanner::new(reader);
    let mut read = ReadEnd::default();
    loop {
        match scanner.scan() {
            Scan::Line { bytes, at_ns } => {
                let at_ns = each(bytes, at_ns);
                let ending = crate::stream::Ending::Lf;
                let delivered =
                    sink.deliver(&Delivery { origin: Origin::from(stream), bytes, ending, at_ns, offset: None });
                note(&mut read.sink_error, delivered);
            }
            Scan::NeedsInput => note(&mut read.sink_error, sink.flush()),
            Scan::End(error) => {
                read.error = error.map(|error| format!("{stream:?}: {error}").to_lowercase());
                note(&mut read.sink_error, sink.flush());
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

/// Reads both streams, a thread each, and waits only then: the order that the documentation of `Cmd.Wait` asks for.
/// As in Go the read ends stay open until the command was waited for, also when a reader gave up: so a command that
/// writes on does not die of SIGPIPE but blocks, once the pipe is full, for ever.
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

/// An outcome with what went wrong in the readers.
pub(super) fn outcome(exit: Exit, reads: impl IntoIterator<Item = ReadEnd>) -> Outcome {
    let mut outcome = Outcome::now(exit);
    for read in reads {
        outcome.errors.extend(read.error);
        outcome.truncated |= read.sink_error.is_some();
        outcome.errors.extend(read.sink_error.map(|error| format!("consumer: {error}")));
    }
    outcome
}
