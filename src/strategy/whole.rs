//! What the strategies share that deliver after the exit, from bytes they have whole.

use crate::clock::now_ns;
use crate::command::{Command, PROTOCOL_VARIABLES};
use crate::outcome::Outcome;
use crate::sink::Sink;
use crate::stream::{Delivery, Ending, Origin, lines};
use std::io;

/// Delivers what was captured, cut into lines, with one receipt time: nothing was received before the exit.
/// An error of the consumer is noted in the outcome.
pub(super) fn deliver(sink: &dyn Sink, origin: Origin, captured: &[u8], outcome: &mut Outcome) {
    deliver_chunk(sink, origin, captured, true, outcome);
}

/// The same for a part of it. Unless it is the last, what has no line feed is a piece of a line that goes on.
pub(super) fn deliver_chunk(sink: &dyn Sink, origin: Origin, chunk: &[u8], last: bool, outcome: &mut Outcome) {
    // A consumer that is gone stays so, and was told of.
    if outcome.truncated {
        return;
    }
    if let Err(error) = deliver_lines(sink, origin, chunk, last) {
        outcome.truncated = true;
        outcome.errors.push(format!("consumer: {error}"));
    }
}

fn deliver_lines(sink: &dyn Sink, origin: Origin, chunk: &[u8], last: bool) -> io::Result<()> {
    let at_ns = now_ns();
    for (line, ending) in lines(chunk) {
        let (bytes, ending) = match line.strip_suffix(b"\r") {
            Some(bytes) if ending == Ending::Lf => (bytes, Ending::Crlf),
            _ if ending == Ending::None && !last => (line, Ending::Partial),
            _ => (line, ending),
        };
        sink.deliver(&Delivery { origin, bytes, ending, at_ns, offset: None })?;
    }
    sink.flush()
}

/// The command for duct, without input and without the variables of the capturer protocol.
pub(super) fn to_duct(command: &Command) -> duct::Expression {
    let expression = duct::cmd(&command.program, &command.arguments).stdin_null().unchecked();
    PROTOCOL_VARIABLES.iter().fold(expression, |expression, name| expression.env_remove(name))
}
