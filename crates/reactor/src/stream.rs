//! What is captured: streams, where a delivery came from, and how it ended.

/// One of the two streams that a workload writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// Both, in the order of their descriptors.
    pub const BOTH: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

    /// Its descriptor in the container.
    pub fn descriptor(self) -> i32 {
        self.index() as i32 + 1
    }

    /// 0 for stdout, 1 for stderr.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// The stream a delivery is said to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Origin {
    /// The workload's stdout.
    Stdout,
    /// The workload's stderr.
    Stderr,
    /// The strategy cannot tell.
    Merged,
}

impl Origin {
    /// All three.
    pub const ALL: [Origin; 3] = [Origin::Stdout, Origin::Stderr, Origin::Merged];

    /// The stream it names; None for `Merged`.
    pub fn stream(self) -> Option<Stream> {
        match self {
            Origin::Stdout => Some(Stream::Stdout),
            Origin::Stderr => Some(Stream::Stderr),
            Origin::Merged => None,
        }
    }

    /// The word for it in frames and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Origin::Stdout => "stdout",
            Origin::Stderr => "stderr",
            Origin::Merged => "merged",
        }
    }
}

impl From<Stream> for Origin {
    fn from(stream: Stream) -> Origin {
        match stream {
            Stream::Stdout => Origin::Stdout,
            Stream::Stderr => Origin::Stderr,
        }
    }
}

/// What stood behind the bytes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Ending {
    /// A line feed.
    Lf,
    /// Carriage return and line feed.
    Crlf,
    /// The end of the stream.
    None,
    /// More of the same line: the next delivery of this origin continues it.
    Partial,
}

impl Ending {
    /// All of them.
    pub const ALL: [Ending; 4] = [Ending::Lf, Ending::Crlf, Ending::None, Ending::Partial];

    /// The word for it in frames and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Ending::Lf => "lf",
            Ending::Crlf => "crlf",
            Ending::None => "none",
            Ending::Partial => "partial",
        }
    }

    /// The bytes it stands for.
    pub fn terminator(self) -> &'static [u8] {
        match self {
            Ending::Lf => b"\n",
            Ending::Crlf => b"\r\n",
            Ending::None | Ending::Partial => b"",
        }
    }
}

/// One line or piece, as it is handed to a sink.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Where it came from.
    pub origin: Origin,
    /// Its bytes, without the terminator.
    pub bytes: &'a [u8],
    /// What stood behind them.
    pub ending: Ending,
    /// When they were read, CLOCK_MONOTONIC ns: one clock read per read(2) or batch.
    pub at_ns: u64,
    /// The place of their first in what its origin has written, in bytes from 0. The place after the last delivery's terminator is
    /// the checkpoint to go on from. None: the strategy changes bytes, or cannot know.
    pub offset: Option<u64>,
}

/// A delivery that was kept. Its arrival number is its place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Where it came from.
    pub origin: Origin,
    /// Its bytes, without the terminator.
    pub bytes: Vec<u8>,
    /// What stood behind them.
    pub ending: Ending,
    /// When they were read, CLOCK_MONOTONIC ns.
    pub at_ns: u64,
}

/// Cuts `bytes` into lines: the content without its line feed, and `Lf`, or `None` for an unterminated rest.
/// A carriage return stays part of the content, so nothing is lost by cutting.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (&[u8], Ending)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (line, ending, after) = match memchr::memchr(b'\n', rest) {
            Some(at) => (&rest[..at], Ending::Lf, &rest[at + 1..]),
            None => (rest, Ending::None, &rest[rest.len()..]),
        };
        rest = after;
        Some((line, ending))
    })
}
