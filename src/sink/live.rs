//! Sinks that pass deliveries on as they come: as raw bytes, each stream to its own writer, or as JSON lines.

use crun_capture_reactor::{Delivery, Origin, Sink};
use serde::Serialize;
use std::io::{self, Write};

/// A sink that writes raw bytes: stdout and merged to one writer, stderr to the other.
pub struct Raw<O: Write + Send, E: Write + Send> {
    stdout: O,
    stderr: E,
}

impl<O: Write + Send, E: Write + Send> Raw<O, E> {
    /// Makes a sink with these two writers.
    pub fn new(stdout: O, stderr: E) -> Raw<O, E> {
        Raw { stdout, stderr }
    }
}

impl<O: Write + Send, E: Write + Send> Sink for Raw<O, E> {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        let writer: &mut dyn Write =
            if delivery.origin == Origin::Stderr { &mut self.stderr } else { &mut self.stdout };
        writer.write_all(delivery.bytes)?;
        writer.write_all(delivery.ending.terminator())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stdout.flush()?;
        self.stderr.flush()
    }
}

/// A sink that writes one JSON object per delivery, each on its own line.
pub struct Json<W: Write + Send> {
    writer: W,
    arrival: u64,
}

#[derive(Serialize)]
struct Object<'a> {
    origin: Origin,
    /// The bytes, if they are UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    /// The bytes in base64, if they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    ending: &'static str,
    at_ns: u64,
    arrival: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl<W: Write + Send> Json<W> {
    /// Makes a sink that writes to this writer.
    pub fn new(writer: W) -> Json<W> {
        Json { writer, arrival: 0 }
    }
}

impl<W: Write + Send> Sink for Json<W> {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        use base64::Engine;
        let line = std::str::from_utf8(delivery.bytes).ok();
        let object = Object {
            origin: delivery.origin,
            line,
            base64: line.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(delivery.bytes)),
            ending: delivery.ending.word(),
            at_ns: delivery.at_ns,
            arrival: self.arrival,
            offset: delivery.offset,
        };
        self.arrival += 1;
        serde_json::to_writer(&mut self.writer, &object)?;
        self.writer.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crun_capture_reactor::Ending;

    fn delivery(origin: Origin, bytes: &[u8], ending: Ending) -> Delivery<'_> {
        let mut delivery = Delivery::new(origin, bytes, ending, 5);
        delivery.offset = Some(9).filter(|_| origin == Origin::Stderr);
        delivery
    }

    #[test]
    fn raw_keeps_the_streams_apart_and_the_bytes_exact() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut raw = Raw::new(&mut out, &mut err);
        raw.deliver(&delivery(Origin::Stdout, b"a\xff", Ending::Crlf)).unwrap();
        raw.deliver(&delivery(Origin::Stderr, b"b", Ending::None)).unwrap();
        raw.deliver(&delivery(Origin::Merged, b"c", Ending::Partial)).unwrap();
        assert_eq!((out.as_slice(), err.as_slice()), (b"a\xff\r\nc".as_slice(), b"b".as_slice()));
    }

    #[test]
    fn json_names_the_arrival_and_keeps_bytes_that_are_no_text() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        json.deliver(&delivery(Origin::Stdout, b"a\x1b[1m", Ending::Lf)).unwrap();
        json.deliver(&delivery(Origin::Stderr, b"\xff\xfe", Ending::None)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "{\"origin\":\"stdout\",\"line\":\"a\\u001b[1m\",\"ending\":\"lf\",\"at_ns\":5,\"arrival\":0}\n\
             {\"origin\":\"stderr\",\"base64\":\"//4=\",\"ending\":\"none\",\"at_ns\":5,\"arrival\":1,\"offset\":9}\n"
        );
    }
}
