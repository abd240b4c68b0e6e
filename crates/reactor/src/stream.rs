//! The two streams of a command, and what is delivered of them.

/// One of the two streams that a command writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Stream {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

impl Stream {
    /// Both streams, stdout first.
    pub const BOTH: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

    /// Its descriptor number in the command: 1 or 2.
    pub fn descriptor(self) -> i32 {
        self.index() as i32 + 1
    }

    /// 0 for stdout, 1 for stderr.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// Where a delivery came from, as far as the strategy can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Origin {
    /// The command's stdout.
    Stdout,
    /// The command's stderr.
    Stderr,
    /// Either stream: the strategy cannot tell which. A terminal has one output.
    Merged,
}

impl Origin {
    /// All three origins.
    pub const ALL: [Origin; 3] = [Origin::Stdout, Origin::Stderr, Origin::Merged];

    /// The stream that it names; None for `Merged`.
    pub fn stream(self) -> Option<Stream> {
        match self {
            Origin::Stdout => Some(Stream::Stdout),
            Origin::Stderr => Some(Stream::Stderr),
            Origin::Merged => None,
        }
    }

    /// Its word in JSON: `stdout`, `stderr`, `merged`.
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

/// What followed the bytes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Ending {
    /// A line feed.
    Lf,
    /// A carriage return and a line feed.
    Crlf,
    /// The end of the stream: the last line has no line feed.
    None,
    /// More of the same line. The next delivery of this origin continues it.
    Partial,
}

impl Ending {
    /// All four endings.
    pub const ALL: [Ending; 4] = [Ending::Lf, Ending::Crlf, Ending::None, Ending::Partial];

    /// Its word in JSON: `lf`, `crlf`, `none`, `partial`.
    pub fn word(self) -> &'static str {
        match self {
            Ending::Lf => "lf",
            Ending::Crlf => "crlf",
            Ending::None => "none",
            Ending::Partial => "partial",
        }
    }

    /// The bytes that it stands for. A delivery's bytes and its terminator are what the command wrote.
    pub fn terminator(self) -> &'static [u8] {
        match self {
            Ending::Lf => b"\n",
            Ending::Crlf => b"\r\n",
            Ending::None | Ending::Partial => b"",
        }
    }
}

/// Names a capture. No two captures of one reactor ever have the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CaptureId(pub(crate) u64);

impl CaptureId {
    /// The id of a capture that runs outside a reactor, by itself.
    pub const ALONE: CaptureId = CaptureId(u64::MAX);
}

/// One line, or a piece of one, as a sink receives it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Delivery<'a> {
    /// The capture that it belongs to: one sink may serve many captures.
    pub capture: CaptureId,
    /// The stream that it came from.
    pub origin: Origin,
    /// Its bytes, without the terminator.
    pub bytes: &'a [u8],
    /// What followed the bytes.
    pub ending: Ending,
    /// When the bytes were read, in ns of CLOCK_MONOTONIC. The clock is read once per read(2) or batch of datagrams.
    pub at_ns: u64,
    /// How many bytes its origin had written before these. Offset, length and terminator together give the place from
    /// which a later capture can go on. None: the strategy changes bytes, or cannot know.
    pub offset: Option<u64>,
}

impl<'a> Delivery<'a> {
    /// A delivery of a capture that runs by itself, without an offset.
    pub fn new(origin: Origin, bytes: &'a [u8], ending: Ending, at_ns: u64) -> Delivery<'a> {
        Delivery { capture: CaptureId::ALONE, origin, bytes, ending, at_ns, offset: None }
    }
}

/// A delivery that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The capture that it belongs to.
    pub capture: CaptureId,
    /// The stream that it came from.
    pub origin: Origin,
    /// Its bytes, without the terminator.
    pub bytes: Vec<u8>,
    /// What followed the bytes.
    pub ending: Ending,
    /// When the bytes were read, in ns of CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// How many bytes its origin had written before these, as in [`Delivery::offset`].
    pub offset: Option<u64>,
}

impl Delivered {
    /// A delivery of a capture that runs by itself, without an offset.
    pub fn new(origin: Origin, bytes: impl Into<Vec<u8>>, ending: Ending, at_ns: u64) -> Delivered {
        Delivered { capture: CaptureId::ALONE, origin, bytes: bytes.into(), ending, at_ns, offset: None }
    }
}

impl From<&Delivery<'_>> for Delivered {
    fn from(delivery: &Delivery<'_>) -> Delivered {
        let &Delivery { capture, origin, bytes, ending, at_ns, offset } = delivery;
        Delivered { capture, origin, bytes: bytes.to_vec(), ending, at_ns, offset }
    }
}

/// Cuts `bytes` into lines. Each item is a line without its line feed, and `Lf`; or the unterminated rest, and `None`.
/// A carriage return stays part of the line, so joining the items gives the same bytes again.
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
