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
                let delivered = sink.deliver(&Delivery { origin: Origin::from(stream), bytes, ending, at_ns });
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
pub(super) fn read_both_then_wait(
    mut child: Child,
    read: impl Fn(Stream, Box<dyn Read + Send>) -> ReadEnd + Sync,
) -> Result<Outcome, CaptureError> {
    let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let reads = thread::scope(|scope| {
        let read = &read;
        let threads = [(Stream::Stdout, stdout), (Stream::Stderr, stderr)]
            .map(|(stream, pipe)| pipe.map(|pipe| scope.spawn(move || read(stream, pipe))));
        threads.map(|thread| thread.map(|thread| thread.join().expect("a reader does not panic")).unwrap_or_default())
    });
    let status = child.wait().map_err(CaptureError::Wait)?;
    Ok(outcome(Exit::from(status), reads))
}

/// An outcome with what went wrong in the readers.
pub(super) fn outcome(exit: Exit, reads: impl IntoIterator<Item = ReadEnd>) -> Outcome {
    let mut outcome = Outcome::now(exit);
    for read in reads {
        outcome.errors.extend(read.error);
        outcome.errors.extend(read.sink_error.map(|error| format!("consumer: {error}")));
    }
    outcome
}
