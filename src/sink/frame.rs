//! Frames of the capturer protocol: `ORIGIN ENDING AT_NS|- LENGTH\n`, followed by LENGTH bytes.
//!
//! The last frame may be `outcome none - LENGTH\n`, followed by the outcome as JSON. Deliveries are stored on disk in
//! the same frames.

use crun_capture_reactor::{Delivered, Delivery, Ending, Origin, Sink};
use std::io::{self, Write};

/// The maximum length of a frame, without its header. It protects the reader from a capturer that writes something
/// else.
pub const LENGTH_MAX: usize = 256 << 20;

/// The maximum length of a header. Bytes that have no line feed up to there are not a frame.
const HEADER_MAX: usize = 80;

/// How many bytes may wait for a flush.
const BUFFER_BYTES: usize = 64 << 10;

/// Appends the frame of one delivery to `buffer`. `at_ns` is in ns of CLOCK_MONOTONIC. None: the reader stamps the
/// delivery on arrival.
pub fn encode(origin: Origin, ending: Ending, at_ns: Option<u64>, bytes: &[u8], buffer: &mut Vec<u8>) {
    let (origin, ending, length) = (origin.word(), ending.word(), bytes.len());
    match at_ns {
        Some(at_ns) => writeln!(buffer, "{origin} {ending} {at_ns} {length}"),
        None => writeln!(buffer, "{origin} {ending} - {length}"),
    }
    .expect("writing to a Vec cannot fail");
    buffer.extend_from_slice(bytes);
}

/// Appends the frame of an outcome to `buffer`.
pub fn encode_outcome(json: &[u8], buffer: &mut Vec<u8>) {
    writeln!(buffer, "outcome none - {}", json.len()).expect("writing to a Vec cannot fail");
    buffer.extend_from_slice(json);
}

/// A frame that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A delivery, and the stamp that its writer gave it. Without one, the delivery has the time of its arrival.
    Delivered(Delivered, Option<u64>),
    /// The capturer's own account of the capture, as JSON.
    Outcome(Vec<u8>),
}

/// The error for bytes that are not a frame. It holds the first of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a frame of the capturer protocol (ORIGIN ENDING AT_NS|- LENGTH): {0:?}")]
pub struct NotAFrame(pub String);

/// A decoder of frames. It takes bytes in pieces of any size, and returns whole frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > BUFFER_BYTES && self.start * 2 > self.buffer.len() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next whole frame. `arrived_ns` becomes the time of a delivery that has no stamp. Ok(None): the next
    /// frame is not whole yet.
    ///
    /// # Errors
    /// The bytes are not a frame. Nothing after them can be read.
    pub fn next(&mut self, arrived_ns: u64) -> Result<Option<Frame>, NotAFrame> {
        let rest = &self.buffer[self.start..];
        let Some(end) = memchr::memchr(b'\n', &rest[..rest.len().min(HEADER_MAX)]) else {
            return if rest.len() >= HEADER_MAX { Err(not_a_frame(rest)) } else { Ok(None) };
        };
        let (kind, length) = header(&rest[..end]).ok_or_else(|| not_a_frame(rest))?;
        let Some(bytes) = rest.get(end + 1..end + 1 + length) else { return Ok(None) };
        let frame = match kind {
            None => Frame::Outcome(bytes.to_vec()),
            Some((origin, ending, stamp)) => {
                Frame::Delivered(Delivered::new(origin, bytes, ending, stamp.unwrap_or(arrived_ns)), stamp)
            }
        };
        self.start += end + 1 + length;
        Ok(Some(frame))
    }

    /// The number of pushed bytes that do not belong to a whole frame yet.
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }
}

type Kind = Option<(Origin, Ending, Option<u64>)>;

fn header(line: &[u8]) -> Option<(Kind, usize)> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (origin, ending, at_ns, length) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let length = length.parse().ok().filter(|&length: &usize| length <= LENGTH_MAX)?;
    if words.next().is_some() {
        return None;
    }
    if origin == "outcome" {
        return Some((None, length));
    }
    let origin = Origin::ALL.into_iter().find(|candidate| candidate.word() == origin)?;
    let ending = Ending::ALL.into_iter().find(|candidate| candidate.word() == ending)?;
    let stamp = if at_ns == "-" { None } else { Some(at_ns.parse().ok()?) };
    Some((Some((origin, ending, stamp)), length))
}

fn not_a_frame(bytes: &[u8]) -> NotAFrame {
    NotAFrame(String::from_utf8_lossy(&bytes[..bytes.len().min(HEADER_MAX)]).into_owned())
}

/// A sink that writes frames. It blocks while nobody reads the pipe.
pub struct Frames<W: Write + Send> {
    writer: W,
    buffer: Vec<u8>,
}

impl<W: Write + Send> Frames<W> {
    /// Makes a sink that writes its frames to `writer`.
    pub fn new(writer: W) -> Frames<W> {
        Frames { writer, buffer: Vec::with_capacity(BUFFER_BYTES) }
    }

    /// Writes what is in the buffer, and then the outcome as the last frame. Blocks while nobody reads the pipe.
    ///
    /// # Errors
    /// The writer fails, for example because nobody reads the pipe any more.
    pub fn finish(&mut self, outcome_json: &[u8]) -> io::Result<()> {
        encode_outcome(outcome_json, &mut self.buffer);
        self.flush()
    }
}

impl<W: Write + Send> Sink for Frames<W> {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        encode(delivery.origin, delivery.ending, Some(delivery.at_ns), delivery.bytes, &mut self.buffer);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.writer.write_all(&self.buffer);
        self.buffer.clear();
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_delivered() -> impl Strategy<Value = Delivered> {
        (0..3_usize, 0..4_usize, any::<u64>(), any::<Vec<u8>>()).prop_map(|(origin, ending, at_ns, bytes)| {
            Delivered::new(Origin::ALL[origin], bytes, Ending::ALL[ending], at_ns)
        })
    }

    proptest! {
        #[test]
        fn frames_survive_any_split(
            deliveries in prop::collection::vec(any_delivered(), 0..20),
            sizes in prop::collection::vec(1..50_usize, 1..20),
        ) {
            let mut bytes = Vec::new();
            for delivered in &deliveries {
                encode(delivered.origin, delivered.ending, Some(delivered.at_ns), &delivered.bytes, &mut bytes);
            }
            encode_outcome(b"{}", &mut bytes);
            let (mut decoder, mut frames, mut rest) = (Decoder::default(), Vec::new(), &bytes[..]);
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*size).min(rest.len()));
                decoder.push(piece);
                while let Some(frame) = decoder.next(0).unwrap() {
                    frames.push(frame);
                }
                rest = after;
            }
            prop_assert_eq!(frames.pop(), Some(Frame::Outcome(b"{}".to_vec())));
            let stamped = |delivered: Delivered| (delivered.at_ns, delivered);
            let expected = deliveries.into_iter().map(stamped).map(|(at_ns, one)| Frame::Delivered(one, Some(at_ns)));
            prop_assert_eq!(frames, expected.collect::<Vec<_>>());
            prop_assert_eq!(decoder.pending(), 0);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next(0) {}
        }
    }

    #[test]
    fn a_frame_without_a_stamp_is_stamped_on_arrival() {
        let mut decoder = Decoder::default();
        decoder.push(b"stderr partial - 2\nab");
        let Some(Frame::Delivered(delivered, None)) = decoder.next(99).unwrap() else { panic!("no delivery") };
        assert_eq!((delivered.at_ns, delivered.bytes.as_slice()), (99, b"ab".as_slice()));
    }

    #[test]
    fn what_is_no_frame_is_an_error_and_not_a_wait() {
        for bytes in ["hello\n", "stdout lf 1\n", "stdout lf 1 2 3\n", "stdin lf 1 2\n", "stdout lf 1 99999999999\n"] {
            let mut decoder = Decoder::default();
            decoder.push(bytes.as_bytes());
            assert!(decoder.next(0).is_err(), "{bytes:?}");
        }
        let mut decoder = Decoder::default();
        decoder.push(&[b'x'; 200]);
        assert!(decoder.next(0).is_err());
    }
}
