//! Passes deliveries on as they come: raw, each stream to its own, or as JSON lines.

use super::Sink;
use crate::stream::{Delivery, Origin};
use serde::Serialize;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Raw bytes: stdout and merged to one writer, stderr to the other.
pub struct Raw<O: Write + Send, E: Write + Send> {
    writers: Mutex<(O, E)>,
}

impl<O: Write + Send, E: Write + Send> Raw<O, E> {
    /// To these two.
    pub fn new(stdout: O, stderr: E) -> Raw<O, E> {
        Raw { writers: Mutex::new((stdout, stderr)) }
    }
}

impl<O: Write + Send, E: Write + Send> Sink for Raw<O, E> {
    fn deliver(&self, delivery: &Delivery<'_>) -> io::Result<()> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let writer: &mut dyn Write = if delivery.origin == Origin::Stderr { &mut writers.1 } else { &mut writers.0 };
        writer.write_all(delivery.bytes)?;
        writer.write_all(delivery.ending.terminator())
    }

    fn flush(&self) -> io::Result<()> {
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.0.flush()?;
        writers.1.flush()
    }
}

/// One JSON object a delivery.
pub struct Json<W: Write + Send> {
    inner: Mutex<(W, u64)>,
}

#[derive(Serialize)]
struct Object<'a> {
    origin: Origin,
    /// The bytes, where they are UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    /// The bytes, where they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    ending: &'static str,
    at_ns: u64,
    arrival: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
}

impl<W: Write + Send> Json<W> {
    /// To this writer.
    pub fn new(writer: W) -> Json<W> {
        Json { inner: Mutex::new((writer, 0)) }
    }
}

impl<W: Write + Send> Sink for Json<W> {
    fn deliver(&self, delivery: &Delivery<'_>) -> io::Result<()> {
        use base64::Engine;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let line = std::str::from_utf8(delivery.bytes).ok();
        let object = Object {
            origin: delivery.origin,
            line,
            base64: line.is_none().then(|| base64::engine::general_purpose::STANDARD.encode(delivery.bytes)),
            ending: delivery.ending.word(),
            at_ns: delivery.at_ns,
            arrival: inner.1,
            offset: delivery.offset,
        };
        inner.1 += 1;
        serde_json::to_writer(&mut inner.0, &object)?;
        inner.0.write_all(b"\n")
    }

    fn flush(&self) -> io::Result<()> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Ending;

    fn delivery(origin: Origin, bytes: &[u8], ending: Ending) -> Delivery<'_> {
        Delivery { origin, bytes, ending, at_ns: 5, offset: Some(9).filter(|_| origin == Origin::Stderr) }
    }

    #[test]
    fn raw_keeps_the_streams_apart_and_the_bytes_exact() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let raw = Raw::new(&mut out, &mut err);
        raw.deliver(&delivery(Origin::Stdout, b"a\xff", Ending::Crlf)).unwrap();
        raw.deliver(&delivery(Origin::Stderr, b"b", Ending::None)).unwrap();
        raw.deliver(&delivery(Origin::Merged, b"c", Ending::Partial)).unwrap();
        assert_eq!((out.as_slice(), err.as_slice()), (b"a\xff\r\nc".as_slice(), b"b".as_slice()));
    }

    #[test]
    fn json_names_the_arrival_and_keeps_bytes_that_are_no_text() {
        let mut out = Vec::new();
        let json = Json::new(&mut out);
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
