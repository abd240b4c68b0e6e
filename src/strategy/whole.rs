//! What the strategies share that deliver after the exit, from bytes they have whole.

use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Command, Delivery, Ending, Origin, Outcome, Sink, lines};
use std::io;

/// Delivers what was captured, cut into lines, with one receipt time: nothing was received before the exit.
/// An error of the consumer is noted in the outcome.
pub(super) fn deliver(sink: &mut dyn Sink, origin: Origin, captured: &[u8], outcome: &mut Outcome) {
    deliver_chunk(sink, origin, captured, true, outcome);
}

/// The same for a part of it. Unless it is the last, what has no line feed is a piece of a line that goes on.
pub(super) fn deliver_chunk(sink: &mut dyn Sink, origin: Origin, chunk: &[u8], last: bool, outcome: &mut Outcome) {
    // A consumer that is gone stays so, and was told of.
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

/// The command for duct, in its own surroundings.
pub(super) fn to_duct(command: &Command) -> duct::Expression {
    let surroundings = command.clone();
    let expression = duct::cmd(&command.program, &command.arguments).unchecked();
    expression.before_spawn(move |prepared| surroundings.surround(prepared))
}
