//! Cuts bytes into lines as they come, in bounded memory. Joined again, the lines are the bytes.

use crate::sink::Sink;
use crate::stream::{CaptureId, Delivery, Ending, Origin};
use std::io;

/// The size of the pieces of a longer line. Each but the last has the ending `partial`.
pub(crate) const PIECE_MAX_BYTES: usize = 64 << 10;

/// How long an unterminated line waits for another byte before it is delivered as a piece, in ns. It may be a prompt.
pub(crate) const QUIET_NS: u64 = 20_000_000;

/// How much of its buffer a stream keeps while nothing is in it, in bytes.
const IDLE_BYTES: usize = 4 << 10;

/// Cuts the bytes of one stream into lines, as every strategy of this crate does. It is for a reader of your own, such
/// as that of a FIFO.
///
/// A line of at most 64 KiB is one delivery. A longer one comes in pieces. A framer keeps at most 64 KiB.
///
/// Pass what you read to [`push`](Framer::push). Call [`release`](Framer::release) when
/// [`quiet_at_ns`](Framer::quiet_at_ns) is due, and [`end`](Framer::end) at the end of the stream.
#[derive(Debug)]
pub struct Framer {
    capture: CaptureId,
    origin: Origin,
    /// The part of a line that is not complete yet.
    open: Vec<u8>,
    /// How many bytes of the stream were delivered.
    offset: u64,
    /// When the open part counts as a prompt, in ns of CLOCK_MONOTONIC.
    quiet_at_ns: Option<u64>,
}

impl Framer {
    /// A framer for the lines of this origin. `offset` is how many bytes of the stream come before the first one that
    /// is pushed.
    pub fn new(origin: Origin, offset: u64) -> Framer {
        Framer { capture: CaptureId::ALONE, origin, open: Vec::new(), offset, quiet_at_ns: None }
    }

    /// The same framer, with the id of this capture in every delivery.
    pub(crate) fn of(self, capture: CaptureId) -> Framer {
        Framer { capture, ..self }
    }

    /// When [`release`](Framer::release) is due: 20 ms after the last byte of an unterminated line, in ns of
    /// CLOCK_MONOTONIC. None: there is no such line.
    pub fn quiet_at_ns(&self) -> Option<u64> {
        self.quiet_at_ns
    }

    /// Takes bytes that were read at `at_ns` (ns of CLOCK_MONOTONIC), and delivers every line that they complete.
    ///
    /// # Errors
    /// The error of the sink. The rest of `bytes` is then not delivered.
    pub fn push(&mut self, bytes: &[u8], at_ns: u64, sink: &mut dyn Sink) -> io::Result<()> {
        // An empty write must not make a prompt wait any longer.
        if bytes.is_empty() {
            return Ok(());
        }
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = &bytes[start..end];
            if self.open.is_empty() && line.len() <= PIECE_MAX_BYTES {
                self.deliver_line(line, at_ns, sink)?;
            } else {
                self.append(line, at_ns, sink)?;
                let mut line = std::mem::take(&mut self.open);
                let delivered = self.deliver_line(&line, at_ns, sink);
                line.clear();
                line.shrink_to(IDLE_BYTES);
                self.open = line;
                delivered?;
            }
            start = end + 1;
        }
        self.quiet_at_ns = None;
        if start < bytes.len() {
            self.append(&bytes[start..], at_ns, sink)?;
            self.quiet_at_ns = Some(at_ns + QUIET_NS);
        }
        Ok(())
    }

    /// Delivers the unterminated line so far as a piece, because nothing has followed it for a while.
    ///
    /// # Errors
    /// The error of the sink.
    pub fn release(&mut self, at_ns: u64, sink: &mut dyn Sink) -> io::Result<()> {
        self.deliver_open(Ending::Partial, self.open.len(), at_ns, sink)
    }

    /// Delivers what is left, and counts from 0 again, because the stream was emptied and begins anew.
    ///
    /// # Errors
    /// The error of the sink.
    pub(crate) fn restart(&mut self, at_ns: u64, sink: &mut dyn Sink) -> io::Result<()> {
        let delivered = self.end(at_ns, sink);
        self.offset = 0;
        delivered
    }

    /// Delivers what is left, at the end of the stream.
    ///
    /// # Errors
    /// The error of the sink.
    pub fn end(&mut self, at_ns: u64, sink: &mut dyn Sink) -> io::Result<()> {
        self.deliver_open(Ending::None, self.open.len(), at_ns, sink)
    }

    fn deliver_open(&mut self, ending: Ending, length: usize, at_ns: u64, sink: &mut dyn Sink) -> io::Result<()> {
        self.quiet_at_ns = None;
        if length == 0 {
            return Ok(());
        }
        let (capture, origin, offset) = (self.capture, self.origin, Some(self.offset));
        let delivered = sink.deliver(&Delivery { capture, origin, bytes: &self.open[..length], ending, at_ns, offset });
        self.offset += length as u64;
        self.open.drain(..length);
        self.open.shrink_to(IDLE_BYTES);
        delivered
    }

    /// Delivers a line that is complete, without its line feed.
    fn deliver_line(&mut self, line: &[u8], at_ns: u64, sink: &mut dyn Sink) -> io::Result<()> {
        let (bytes, ending) = match line.strip_suffix(b"\r") {
            Some(bytes) => (bytes, Ending::Crlf),
            None => (line, Ending::Lf),
        };
        let (capture, origin, offset) = (self.capture, self.origin, Some(self.offset));
        self.offset += line.len() as u64 + 1;
        sink.deliver(&Delivery { capture, origin, bytes, ending, at_ns, offset })
    }

    /// Adds to the open part, and delivers a piece of it whenever it is full.
    fn append(&mut self, mut bytes: &[u8], at_ns: u64, sink: &mut dyn Sink) -> io::Result<()> {
        while self.open.len() + bytes.len() > PIECE_MAX_BYTES {
            let (now, later) = bytes.split_at(PIECE_MAX_BYTES - self.open.len());
            self.open.extend_from_slice(now);
            bytes = later;
            // A line feed may follow. Then a carriage return belongs to the ending, so it waits for the line feed.
            let length = self.open.len() - usize::from(self.open.ends_with(b"\r"));
            self.deliver_open(Ending::Partial, length, at_ns, sink)?;
        }
        self.open.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::Memory;
    use crate::stream::Delivered;
    use proptest::prelude::*;

    /// The deliveries of these pieces, with a quiet time after those that are marked.
    fn frame(pieces: &[(Vec<u8>, bool)]) -> Vec<Delivered> {
        let (mut framer, mut sink) = (Framer::new(Origin::Stdout, 0), Memory::default());
        for (piece, quiet) in pieces {
            framer.push(piece, 1, &mut sink).unwrap();
            assert!(framer.open.len() <= PIECE_MAX_BYTES);
            if *quiet {
                framer.release(2, &mut sink).unwrap();
            }
        }
        framer.end(3, &mut sink).unwrap();
        sink.take()
    }

    fn joined(deliveries: &[Delivered]) -> Vec<u8> {
        deliveries.iter().flat_map(|one| [&one.bytes, one.ending.terminator()].concat()).collect()
    }

    #[test]
    fn a_prompt_is_a_piece_and_its_line_goes_on() {
        let deliveries = frame(&[(b"name: ".to_vec(), true), (b"x\r\nrest".to_vec(), false)]);
        let parts: Vec<_> = deliveries.iter().map(|one| (one.bytes.as_slice(), one.ending)).collect();
        let wanted: [(&[u8], Ending); 3] =
            [(b"name: ", Ending::Partial), (b"x", Ending::Crlf), (b"rest", Ending::None)];
        assert_eq!(parts, wanted);
    }

    #[test]
    fn a_long_line_comes_in_pieces_and_its_carriage_return_with_its_line_feed() {
        for length in [PIECE_MAX_BYTES - 1, PIECE_MAX_BYTES, PIECE_MAX_BYTES + 1, 3 * PIECE_MAX_BYTES + 5] {
            let mut line = vec![b'x'; length];
            line.extend_from_slice(b"\r\n");
            for at in [1, PIECE_MAX_BYTES - 1, PIECE_MAX_BYTES, length, length + 1] {
                let (head, tail) = line.split_at(at.min(length + 1));
                let deliveries = frame(&[(head.to_vec(), false), (tail.to_vec(), false)]);
                assert_eq!(joined(&deliveries), line);
                assert_eq!(deliveries.last().unwrap().ending, Ending::Crlf, "{length} cut at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_equals_what_went_in(
            pieces in prop::collection::vec((prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..300), any::<bool>()), 0..40),
            long in prop::option::of(PIECE_MAX_BYTES - 3..3 * PIECE_MAX_BYTES),
        ) {
            let mut pieces = pieces;
            pieces.extend(long.map(|length| (vec![b'y'; length], false)));
            let whole: Vec<u8> = pieces.iter().flat_map(|(piece, _)| piece.iter().copied()).collect();
            let deliveries = frame(&pieces);
            prop_assert_eq!(joined(&deliveries), whole);
            prop_assert!(deliveries.iter().all(|one| one.bytes.len() <= PIECE_MAX_BYTES));
            let lines = deliveries.iter().filter(|one| matches!(one.ending, Ending::Lf | Ending::Crlf));
            prop_assert!(lines.clone().all(|one| !one.bytes.contains(&b'\n')));
        }
    }

    #[test]
    fn every_delivery_carries_its_place() {
        #[derive(Default)]
        struct Places(Vec<(u64, Vec<u8>)>);
        impl Sink for Places {
            fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
                let bytes = [delivery.bytes, delivery.ending.terminator()].concat();
                self.0.push((delivery.offset.unwrap(), bytes));
                Ok(())
            }
        }
        let whole = [b"a\nbc\r\n".as_slice(), &vec![b'z'; 2 * PIECE_MAX_BYTES], b"\r\nend"].concat();
        let (mut framer, mut places) = (Framer::new(Origin::Stderr, 1_000), Places::default());
        whole.chunks(777).for_each(|chunk| framer.push(chunk, 1, &mut places).unwrap());
        framer.end(1, &mut places).unwrap();
        let places = places.0;
        for (offset, bytes) in &places {
            let at = (offset - 1_000) as usize;
            assert_eq!(&whole[at..at + bytes.len()], bytes.as_slice());
        }
        assert_eq!(places.last().unwrap().0 - 1_000 + 3, whole.len() as u64);
    }
}
