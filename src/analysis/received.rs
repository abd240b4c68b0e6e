//! The lines that arrived: their pieces are joined, and each line is identified by its stamp or its bytes.

use super::truth::Key;
use crate::script::line::{StampedLine, decode};
use crun_capture_reactor::{Delivered, Ending, Origin, lines};

/// One line that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReceivedLine {
    pub(super) origin: Origin,
    pub(super) key: Key,
    /// Content and terminator.
    pub(super) bytes: u64,
    pub(super) ending: Ending,
    /// When its last piece arrived at the harness.
    pub(super) at_ns: u64,
    /// The capturer's own stamp of its last piece.
    pub(super) stamped_ns: Option<u64>,
    pub(super) stamp: Option<StampedLine>,
}

/// All lines, in the order in which they were completed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) lines: Vec<ReceivedLine>,
}

impl Received {
    pub(super) fn of(deliveries: &[Delivered], stamps: &[Option<u64>], seed: u64) -> Received {
        let mut open: [Vec<u8>; 3] = Default::default();
        // The last piece of each origin: its place, its number and its time.
        let mut last: [(usize, usize, u64); 3] = Default::default();
        let mut received = Vec::with_capacity(deliveries.len());
        for (number, delivered) in deliveries.iter().enumerate() {
            let pieces = &mut open[delivered.origin as usize];
            let stamped_ns = stamps.get(number).copied().flatten();
            if delivered.ending == Ending::Partial {
                pieces.extend_from_slice(&delivered.bytes);
                last[delivered.origin as usize] = (received.len(), number, delivered.at_ns);
            } else if pieces.is_empty() {
                let own = line(delivered.origin, &delivered.bytes, delivered.ending, delivered.at_ns, seed);
                received.push(ReceivedLine { stamped_ns, ..own });
            } else {
                pieces.extend_from_slice(&delivered.bytes);
                let whole = std::mem::take(pieces);
                let own = line(delivered.origin, &whole, delivered.ending, delivered.at_ns, seed);
                received.push(ReceivedLine { stamped_ns, ..own });
            }
        }
        // These pieces were never completed: a line without a line feed, or a line that was cut when the capturer was
        // killed.
        let mut unfinished: Vec<Origin> =
            Origin::ALL.into_iter().filter(|&origin| !open[origin as usize].is_empty()).collect();
        unfinished.sort_by_key(|&origin| std::cmp::Reverse(last[origin as usize]));
        for origin in unfinished {
            let (place, _, at_ns) = last[origin as usize];
            received.insert(place, line(origin, &open[origin as usize], Ending::None, at_ns, seed));
        }
        Received { lines: received }
    }

    /// Removes the runtime's own messages. It prints the errors of its log on the container's stderr too, and they are
    /// not altered lines of the workload.
    pub(super) fn without(mut self, runtime_errors: &[String]) -> Received {
        let is_said = |bytes: &[u8]| {
            let said = |error: &String| !error.is_empty() && memchr::memmem::find(bytes, error.as_bytes()).is_some();
            runtime_errors.iter().any(said)
        };
        self.lines.retain(|line| !matches!(&line.key, Key::Raw(bytes) if is_said(bytes)));
        self
    }

    /// Removes these lines, and returns how many there were.
    pub(super) fn take_out(&mut self, lines: &[Vec<u8>]) -> u64 {
        let before = self.lines.len();
        self.lines.retain(|line| !matches!(&line.key, Key::Raw(bytes) if lines.contains(bytes)));
        (before - self.lines.len()) as u64
    }

    /// Whether the capturer could not tell the streams apart.
    pub(super) fn is_merged(&self) -> bool {
        self.lines.iter().any(|line| line.origin == Origin::Merged)
    }

    /// The lines of a file.
    pub(super) fn of_file(origin: Origin, bytes: &[u8], seed: u64) -> Received {
        let lines = lines(bytes).map(|(content, ending)| line(origin, content, ending, 0, seed));
        Received { lines: lines.collect() }
    }
}

fn line(origin: Origin, content: &[u8], ending: Ending, at_ns: u64, seed: u64) -> ReceivedLine {
    let bytes = (content.len() + ending.terminator().len()) as u64;
    // A carriage return belongs to the content, in whichever way the capturer reports it.
    let joined;
    let (content, ending) = match ending {
        Ending::Crlf => {
            joined = [content, b"\r"].concat();
            (joined.as_slice(), Ending::Lf)
        }
        _ => (content, ending),
    };
    let stamp = decode(content, seed);
    let key = stamp.map_or_else(|| Key::Raw(content.to_vec()), |stamp| Key::Stamped(stamp.sequence));
    ReceivedLine { origin, key, bytes, ending, at_ns, stamped_ns: None, stamp }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_unfinished_stands_where_its_last_piece_came() {
        let piece = |origin, bytes: &str, ending, at_ns| Delivered::new(origin, bytes, ending, at_ns);
        use Ending::{Lf, Partial};
        use Origin::{Stderr, Stdout};
        for [first, second] in [[Stdout, Stderr], [Stderr, Stdout]] {
            let deliveries = [
                piece(first, "a", Lf, 1),
                piece(first, "b", Partial, 2),
                piece(second, "c", Partial, 3),
                piece(first, "d", Partial, 4),
                piece(second, "e", Lf, 5),
                piece(second, "f", Partial, 6),
            ];
            let received = Received::of(&deliveries, &[], 7);
            let order: Vec<_> = received.lines.iter().map(|line| (line.key.clone(), line.at_ns)).collect();
            let raw = |bytes: &str| Key::Raw(bytes.into());
            assert_eq!(order, [(raw("a"), 1), (raw("bd"), 4), (raw("ce"), 5), (raw("f"), 6)]);
        }
    }
}
