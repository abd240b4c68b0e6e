//! The truth: the lines of the script, and what became of each according to the journal.

use crate::script::journal::{Journal, Write};
use crate::script::{Content, Script};
use crun_capture_reactor::{Ending, Stream};

/// The error after which a write is repeated with the same bytes (EINTR).
const TRIED_AGAIN: i32 = libc::EINTR;

/// The identity of a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// A stamped line, by its sequence number.
    Stamped(u64),
    /// Any other line, by its bytes, a carriage return included.
    Raw(Vec<u8>),
}

/// One line that the script means to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TruthLine {
    pub(super) stream: Stream,
    pub(super) key: Key,
    /// The length, with its line feed.
    pub(super) bytes: u64,
    pub(super) ending: Ending,
    /// Whether the kernel accepted all of it.
    pub(super) accepted: bool,
    /// Whether the kernel accepted a part of it, or may have. Then neither its delivery nor its absence is a fault.
    pub(super) cut: bool,
    /// Whether a write of it was refused, although a pipe would have taken it.
    pub(super) refused: bool,
    /// When the write that carried its last byte began.
    pub(super) written_ns: Option<u64>,
    /// The place of that write among all writes.
    pub(super) write: usize,
}

/// All lines, in the order in which they were completed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Truth {
    pub(super) seed: u64,
    pub(super) lines: Vec<TruthLine>,
    /// Whether all lines are stamped, so that each differs from every other.
    pub(super) stamped: bool,
    /// Bytes that the kernel accepted, for each stream.
    pub(super) accepted_bytes: [u64; 2],
    /// When the first write began.
    pub(super) first_write_ns: Option<u64>,
}

impl Truth {
    /// `forced`: the errors with which the case itself makes the kernel refuse a write.
    pub(super) fn of(script: &Script, journal: Option<&Journal>, forced: &[i32]) -> Truth {
        let mut truth = Truth { seed: script.seed, stamped: true, ..Truth::default() };
        for stream in Stream::BOTH {
            truth.lines.extend(lines_of(script, stream));
        }
        truth.stamped = truth.lines.iter().all(|line| matches!(line.key, Key::Stamped(_)));
        let writes = journal.map_or(&[][..], |journal| &journal.writes);
        truth.first_write_ns = writes.first().map(|write| write.before_ns);
        for stream in Stream::BOTH {
            let coverage = Coverage::of(writes, stream, forced);
            truth.accepted_bytes[stream.index()] = coverage.ranges.iter().map(|range| range.to - range.from).sum();
            let mut from = 0;
            for line in truth.lines.iter_mut().filter(|line| line.stream == stream) {
                coverage.settle(line, from);
                from += line.bytes;
            }
        }
        truth.lines.extend(second_writers(script, journal));
        truth.lines.sort_by_key(|line| line.write);
        truth
    }

    /// The truth for a reader that cannot tell the streams apart: the bytes in the order of the writes, cut into lines.
    /// None: it makes no difference, because stamped lines are written whole, and so is what stands between them.
    pub(super) fn merged(&self, script: &Script, journal: Option<&Journal>) -> Option<Truth> {
        if self.lines.iter().any(|line| matches!(line.key, Key::Stamped(_))) {
            return None;
        }
        let (mut open, mut lines) = (Vec::new(), Vec::new());
        for (index, write, bytes) in accepted_writes(script, journal.map_or(&[][..], |journal| &journal.writes)) {
            cut(&mut open, &bytes, |content| lines.push(merged_line(content, Ending::Lf, index, &write)));
        }
        if let (false, Some(journal)) = (open.is_empty(), journal)
            && let Some(last) = journal.writes.last()
        {
            lines.push(merged_line(open, Ending::None, journal.writes.len() - 1, last));
        }
        Some(Truth { lines, ..*self })
    }

    /// The lines that must be delivered.
    pub(super) fn accepted(&self) -> impl Iterator<Item = (usize, &TruthLine)> {
        self.lines.iter().enumerate().filter(|(_, line)| line.accepted)
    }
}

/// The lines of the second writers. Their writes are in no journal. If the workload played to its end, it has seen them
/// succeed.
fn second_writers(script: &Script, journal: Option<&Journal>) -> Vec<TruthLine> {
    let played = journal.is_some_and(|journal| journal.ended_ns != 0);
    let writers = script.second_writers().into_iter();
    let lines = writers.flat_map(|(stream, first, count, length)| {
        (first..first + count).map(move |sequence| TruthLine {
            stream,
            key: Key::Stamped(sequence),
            bytes: length as u64 + 1,
            ending: Ending::Lf,
            accepted: played,
            cut: !played,
            refused: false,
            written_ns: None,
            write: usize::MAX,
        })
    });
    lines.collect()
}

/// The lines of one stream, in the order of the script.
fn lines_of(script: &Script, stream: Stream) -> Vec<TruthLine> {
    let mut lines = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let line = |key, bytes: usize, ending| TruthLine {
        stream,
        key,
        bytes: bytes as u64,
        ending,
        accepted: false,
        cut: false,
        refused: false,
        written_ns: None,
        write: usize::MAX,
    };
    for (_, content) in script.contents().into_iter().filter(|(of, _)| *of == stream) {
        match content {
            Content::Lines { first, count, length } => {
                lines.extend((first..first + count).map(|at| line(Key::Stamped(at), length + 1, Ending::Lf)));
            }
            Content::Raw(bytes) => cut(&mut open, &bytes, |content| {
                let bytes = content.len() + 1;
                lines.push(line(Key::Raw(content), bytes, Ending::Lf));
            }),
        }
    }
    if !open.is_empty() {
        let bytes = open.len();
        lines.push(line(Key::Raw(open), bytes, Ending::None));
    }
    lines
}

/// Cuts `bytes`, which follow the content of `open`, into lines. What has no line feed yet stays in `open`.
fn cut(open: &mut Vec<u8>, mut bytes: &[u8], mut line: impl FnMut(Vec<u8>)) {
    while let Some(end) = memchr::memchr(b'\n', bytes) {
        let mut content = std::mem::take(open);
        content.extend_from_slice(&bytes[..end]);
        line(content);
        bytes = &bytes[end + 1..];
    }
    open.extend_from_slice(bytes);
}

/// Each write of a script of raw bytes that the kernel accepted: its place, the write, and the bytes.
fn accepted_writes(script: &Script, writes: &[Write]) -> Vec<(usize, Write, Vec<u8>)> {
    let mut streams: [Vec<u8>; 2] = Default::default();
    for (stream, content) in script.contents() {
        if let Content::Raw(bytes) = content {
            streams[stream.index()].extend_from_slice(&bytes);
        }
    }
    let mut at = [0; 2];
    let mut accepted = Vec::new();
    for (index, write) in writes.iter().enumerate() {
        let (bytes, from) = (&streams[write.stream.index()], &mut at[write.stream.index()]);
        let length = advance(write);
        let to = (*from + write.accepted as usize).min(bytes.len());
        accepted.push((index, *write, bytes[(*from).min(to)..to].to_vec()));
        *from += length as usize;
    }
    accepted
}

/// Whether the kernel refused a write that a pipe would have taken.
pub(super) fn is_refused(write: &Write, forced: &[i32]) -> bool {
    !matches!(write.errno, 0 | TRIED_AGAIN) && !forced.contains(&write.errno)
}

/// How far a write advances its stream. The workload drops what the kernel refuses, unless it repeats the write.
fn advance(write: &Write) -> u64 {
    match (write.accepted, write.errno) {
        (0, 0 | TRIED_AGAIN) => 0,
        (0, _) => write.offered,
        (accepted, _) => accepted,
    }
}

fn merged_line(content: Vec<u8>, ending: Ending, index: usize, write: &Write) -> TruthLine {
    TruthLine {
        stream: write.stream,
        bytes: (content.len() + ending.terminator().len()) as u64,
        key: Key::Raw(content),
        ending,
        accepted: true,
        cut: false,
        refused: false,
        written_ns: Some(write.before_ns),
        write: index,
    }
}

/// A range of a stream's bytes that the kernel accepted in one write.
struct Range {
    from: u64,
    to: u64,
    before_ns: u64,
    write: usize,
}

struct Coverage {
    ranges: Vec<Range>,
    /// The bytes that were refused, although a pipe would have taken them.
    refused: Vec<(u64, u64)>,
    /// The bytes of a write that had not returned at the end. The kernel may have accepted any part of them.
    pending: Option<(u64, u64)>,
}

impl Coverage {
    fn of(writes: &[Write], stream: Stream, forced: &[i32]) -> Coverage {
        let mut at = 0;
        let (mut ranges, mut refused, mut pending) = (Vec::new(), Vec::new(), None);
        for (index, write) in writes.iter().enumerate().filter(|(_, write)| write.stream == stream) {
            if write.accepted > 0 {
                let to = at + write.accepted;
                ranges.push(Range { from: at, to, before_ns: write.before_ns, write: index });
            }
            if write.accepted == 0 && is_refused(write, forced) {
                refused.push((at, at + write.offered));
            }
            if write.after_ns == 0 {
                pending = Some((at, at + write.offered));
            }
            at += advance(write);
        }
        Coverage { ranges, refused, pending }
    }

    fn settle(&self, line: &mut TruthLine, from: u64) {
        let to = from + line.bytes;
        // The ranges are sorted, and a line is covered by few of them.
        let first = self.ranges.partition_point(|range| range.to <= from);
        let covering = self.ranges[first..].iter().take_while(|range| range.from < to);
        let mut covered = 0;
        for range in covering {
            covered += range.to.min(to) - range.from.max(from);
            if range.to >= to {
                line.written_ns = Some(range.before_ns);
                line.write = range.write;
            }
        }
        line.accepted = covered == line.bytes;
        let pending = self.pending.is_some_and(|(begin, end)| begin < to && from < end);
        line.cut = !line.accepted && (covered > 0 || pending);
        let first = self.refused.partition_point(|(_, end)| *end <= from);
        line.refused = !line.accepted && self.refused.get(first).is_some_and(|(begin, _)| *begin < to);
    }
}
