//! What the strategies share that deliver after the exit, from bytes they have whole.

use crate::clock::now_ns;
use crate::outcome::Outcome;
use crate::sink::Sink;
use crate::stream::{Delivery, Ending, Origin, lines};
use std::io;

/// Delivers what was captured, cut into lines, with one receipt time: nothing was received before the exit.
/// An error of the consumer is noted in the outcome.
pub(super) fn deliver(sink: &dyn Sink, origin: Origin, captured: &[u8], outcome: &mut Outcome) {
    if let Err(error) = deliver_lines(sink, origin, captured) {
        outcome.truncated = true;
        outcome.errors.push(format!("consumer: {error}"));
    }
}

fn deliver_lines(sink: &dyn Sink, origin: Origin, captured: &[u8]) -> io::Result<()> {
    let at_ns = now_ns();
    for (line, ending) in lines(captured) {
        let (bytes, ending) = match line.strip_suffix(b"\r") {
            Some(bytes) if ending == Ending::Lf => (bytes, Ending::Crlf),
            _ => (line, ending),
        };
        sink.deliver(&Delivery { origin, bytes, ending, at_ns })?;
    }
    sink.flush()
}
