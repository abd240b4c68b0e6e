//! What strategies share that deliver after the exit, from complete output.

use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Command, Delivery, Ending, Origin, Outcome, Sink, lines};
use std::io;

/// Delivers captured bytes, cut into lines. All have one receipt time, because nothing was received before the exit. An
/// error of the consumer is noted in the outcome.
pub(super) fn deliver(sink: &mut dyn Sink, origin: Origin, captured: &[u8], outcome: &mut Outcome) {
    deliver_chunk(sink, origin, captured, true, outcome);
}

/// Delivers one chunk of the captured bytes in the same way. In a chunk that is not the last, bytes without a line feed
/// are a piece of a line that continues.
pub(super) fn deliver_chunk(sink: &mut dyn Sink, origin: Origin, chunk: &[u8], last: bool, outcome: &mut Outcome) {
    // A consumer that is gone does not come back, and its error is noted already.
    if outcome.truncated {
        return;
    }
    if let Err(error) = deliver_lines(sink, origin, chunk, last) {
        outcome.truncated = true;
        outcome.errors.push(format!("consumer: {error}"));
    }
}

fn deliver_lines(sink: &mut dyn Sink, origin: Origin, chunk: &[u8], last: bool) -> io::Result<()> {
    let at_ns = now_ns();
    for (line, ending) in lines(chunk) {
        let (bytes, ending) = match line.strip_suffix(b"\r") {
            Some(bytes) if ending == Ending::Lf => (bytes, Ending::Crlf),
            _ if ending == Ending::None && !last => (line, Ending::Partial),
            _ => (line, ending),
        };
        sink.deliver(&Delivery::new(origin, bytes, ending, at_ns))?;
    }
    sink.flush()
}

/// The command for duct, with the surroundings of `command`.
pub(super) fn to_duct(command: &Command) -> duct::Expression {
    let surroundings = command.clone();
    let expression = duct::cmd(&command.program, &command.arguments).unchecked();
    expression.before_spawn(move |prepared| surroundings.surround(prepared))
}
