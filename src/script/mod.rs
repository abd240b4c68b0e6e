//! Scripts: the ground truth of what a workload writes, when, and how it ends.
//!
//! A script is data. The same script gives the same bytes, but for the stamps of its lines.

pub mod events;
pub mod journal;
pub mod line;

use crun_capture_reactor::Stream;
use serde::{Deserialize, Serialize};

/// What a workload does, step by step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Determines the payloads of stamped lines.
    pub seed: u64,
    /// How the workload buffers what it prints.
    #[serde(default)]
    pub buffering: Buffering,
    /// What SIGPIPE does to it.
    #[serde(default)]
    pub sigpipe: Sigpipe,
    /// What it does, in this order.
    pub steps: Vec<Step>,
    /// How it ends.
    pub end: End,
}

/// stdio-style buffering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Buffering {
    /// Every write goes to the kernel at once.
    #[default]
    None,
    /// Both streams by line.
    Line,
    /// Both streams by block of 4 KiB.
    Block,
    /// A C program's (setvbuf(3)): stdout by line on a terminal and by block of 4 KiB elsewhere, stderr at once.
    Auto,
}

/// What SIGPIPE does to the workload. Set explicitly, since it is inherited through exec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sigpipe {
    /// Kills it, as a C program.
    #[default]
    Default,
    /// Is ignored: the write fails with EPIPE, as in Python or Go on other descriptors than 1 and 2.
    Ignore,
}

/// One thing that a workload does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Writes bytes as they are.
    Write {
        /// Where to.
        stream: Stream,
        /// What.
        data: Data,
        /// Bytes a write(2); None: all in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        piece_bytes: Option<usize>,
    },
    /// Writes stamped lines, each with a line feed.
    Lines(Lines),
    /// Does nothing for a while.
    Pause {
        /// How long.
        duration_ns: u64,
    },
    /// Closes a stream for good.
    Close {
        /// Which.
        stream: Stream,
    },
    /// Waits until somebody opens the FIFO `gate-NAME` for writing, and writes a byte or closes it: a barrier instead of a
    /// sleep.
    Wait {
        /// The gate's name.
        gate: String,
    },
    /// Forks a child that plays these steps and then exits, while the workload goes on without waiting for it. The child
    /// holds the streams and the FIFO `alive` open as the workload does. Its writes are not in the journal, and not among
    /// the contents of the script: they are what a grandchild of the runtime says after its parent has gone.
    Background {
        /// What the child does.
        steps: Vec<Step>,
    },
    /// Forks until the kernel refuses, at most `most` times; the children end with the step. Where nothing refused, the
    /// workload exits with `UNLIMITED`, whatever its end was to be.
    Storm {
        /// How often at most.
        most: u32,
    },
    /// From here on these signals are kept for `AwaitSignal` instead of doing what they do by default.
    Trap {
        /// Their numbers.
        signals: Vec<i32>,
    },
    /// Waits for the next trapped signal and writes its number on a line to stdout: `signal 15`.
    AwaitSignal,
    /// Two processes write stamped lines to one stream at the same time, a write each: the workload, and a child that it
    /// waits for. Which of the two a line is from is not told, and the child's writes are not in the journal; where the child
    /// fails, the workload exits with `PAIR_FAILED`.
    Pair {
        /// Where to.
        stream: Stream,
        /// How many lines each of the two writes.
        count: u64,
        /// The length of each without its line feed, in bytes.
        length_bytes: usize,
    },
    /// Gives the pipe behind a stream this size (fcntl(2), F_SETPIPE_SZ), as far as the kernel lets it; anything else than a
    /// pipe stays as it is.
    PipeSize {
        /// Which.
        stream: Stream,
        /// The size.
        bytes: usize,
    },
    /// Opens `/proc/self/fd/N` as a shell does for `> /dev/stdout` (writing, emptied), and writes there from here on. Where that
    /// fails, it writes on as before and exits with `NOT_REOPENED`.
    Reopen {
        /// Which.
        stream: Stream,
    },
    /// Exchanges the numbers of the two descriptors (`3>&1 1>&2 2>&3`). What is written to a stream goes where it went
    /// before, by the other number.
    Exchange,
    /// Sets O_NONBLOCK on a stream, as Node.js does, and leaves it so.
    Nonblock {
        /// Which.
        stream: Stream,
    },
    /// Looks whether somebody has set O_NONBLOCK on the streams that it was given; then it exits with `NONBLOCKING`, whatever
    /// its end was to be.
    RequireBlocking,
    /// Writes what the workload finds around it to stdout: for tests of a runtime, since no script can know it.
    Describe {
        /// What.
        what: Surroundings,
    },
}

/// What a workload can tell of the process that a runtime made for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surroundings {
    /// The descriptors it was given, a line each: number, kind, and `nonblock` where that is set.
    Descriptors,
    /// Its environment, a line each, sorted.
    Environment,
    /// Its user, group, working directory and umask, on one line.
    Identity,
}

/// Stamped lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// The streams they go to, in turn: write 0 to the first, write 1 to the second, …
    pub streams: Vec<Stream>,
    /// How many, over all streams.
    pub count: u64,
    /// The length of each without its line feed, in bytes.
    pub length_bytes: usize,
    /// Lines a write(2).
    #[serde(default = "one")]
    pub per_write: u64,
    /// In how many parts each write is printed: without buffering, each is a write(2) of its own.
    #[serde(default = "one")]
    pub parts: u64,
    /// From one write to the next, by the absolute clock; 0: as fast as it can.
    #[serde(default)]
    pub interval_ns: u64,
}

fn one() -> u64 {
    1
}

/// Bytes of a raw write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// UTF-8 text.
    Text(String),
    /// Any bytes, two hex digits each.
    Hex(String),
    /// One byte many times.
    Fill {
        /// The byte.
        byte: u8,
        /// How often.
        length_bytes: usize,
    },
}

impl Data {
    /// Any bytes at all.
    pub fn bytes(bytes: &[u8]) -> Data {
        match std::str::from_utf8(bytes) {
            Ok(text) => Data::Text(text.to_owned()),
            Err(_) => Data::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    /// The bytes it stands for. None when the hex digits are not hex digits.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Data::Text(text) => Some(text.clone().into_bytes()),
            Data::Fill { byte, length_bytes } => Some(vec![*byte; *length_bytes]),
            Data::Hex(digits) if digits.is_ascii() && digits.len() % 2 == 0 => {
                let pairs = digits.as_bytes().chunks_exact(2);
                pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
            }
            Data::Hex(_) => None,
        }
    }
}

/// How a workload ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// It exits.
    Exit(u8),
    /// It sends itself a signal. PID 1 of a pid namespace survives that (pid_namespaces(7)); it then exits with `SURVIVED`.
    Signal(i32),
    /// It calls abort(3), which kills even PID 1, with another signal than SIGABRT.
    Abort,
}

/// The exit code of a workload that outlived the signal it sent itself.
pub const SURVIVED: u8 = 113;

/// The exit code of a workload whose storm of processes nobody stopped.
pub const UNLIMITED: u8 = 114;

/// The exit code of a workload that could not open its stream again.
pub const NOT_REOPENED: u8 = 115;

/// The exit code of a workload that was given a descriptor with O_NONBLOCK.
pub const NONBLOCKING: u8 = 116;

/// The exit code of a workload whose second writer could not write.
pub const PAIR_FAILED: u8 = 117;

/// What is wrong with a script.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScriptError {
    /// A line cannot be so short.
    #[error("step {step}: a stamped line has at least {} bytes, not {length}", line::LENGTH_MIN)]
    LineTooShort {
        /// Which step, from 0.
        step: usize,
        /// What it asked for.
        length: usize,
    },
    /// There is nothing to take turns with, or nothing to put into a write.
    #[error("step {step}: lines need at least one stream and one line a write")]
    NoStream {
        /// Which step, from 0.
        step: usize,
    },
    /// The digits are no bytes.
    #[error("step {step}: odd or invalid hex digits")]
    Hex {
        /// Which step, from 0.
        step: usize,
    },
    /// A gate's name must be a plain file name.
    #[error("step {step}: a gate's name is made of letters, digits and dashes")]
    Gate {
        /// Which step, from 0.
        step: usize,
    },
}

/// What a script intends to write with one write(2), without the stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// Stamped lines with these consecutive numbers.
    Lines {
        /// The first one's.
        first: u64,
        /// How many.
        count: u64,
        /// The length of each without its line feed.
        length: usize,
    },
}

impl Script {
    /// A script without steps.
    pub fn new(seed: u64, end: End) -> Script {
        Script { seed, buffering: Buffering::None, sigpipe: Sigpipe::Default, steps: Vec::new(), end }
    }

    /// The script with one more step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }

    /// Whether it can be played.
    ///
    /// # Errors
    /// The first step that cannot.
    pub fn check(&self) -> Result<(), ScriptError> {
        check(&self.steps)
    }

    /// The names of all gates that it waits at, those of its children too.
    pub fn gates(&self) -> Vec<&str> {
        gates(&self.steps)
    }

    /// Whether it paces its lines and does not buffer them, so that they are there to be delivered before its end.
    pub fn is_paced(&self) -> bool {
        let paced = |step: &Step| matches!(step, Step::Lines(lines) if lines.interval_ns > 0);
        self.buffering == Buffering::None && self.steps.iter().any(paced)
    }

    /// Everything that it means to write, in order: one item a write(2) of an unbuffered workload.
    pub fn contents(&self) -> Vec<(Stream, Content)> {
        let mut contents = Vec::new();
        let mut sequence = 0;
        let mut trapped: &[i32] = &[];
        for step in &self.steps {
            match step {
                Step::Write { stream, data, piece_bytes } => {
                    let bytes = data.to_bytes().unwrap_or_default();
                    let size = piece_bytes.unwrap_or(bytes.len()).max(1);
                    contents.extend(bytes.chunks(size).map(|piece| (*stream, Content::Raw(piece.to_vec()))));
                }
                Step::Lines(lines) => {
                    for (stream, first, count) in lines.writes(sequence) {
                        contents.push((stream, Content::Lines { first, count, length: lines.length_bytes }));
                    }
                    sequence += lines.count;
                }
                Step::Pair { stream, count, length_bytes } => {
                    let writes = (sequence..sequence + count)
                        .map(|first| (*stream, Content::Lines { first, count: 1, length: *length_bytes }));
                    contents.extend(writes);
                    sequence += 2 * count;
                }
                Step::Trap { signals } => trapped = signals,
                Step::AwaitSignal => {
                    // With several, nobody can know which one comes.
                    if let [signal] = trapped {
                        contents.push((Stream::Stdout, Content::Raw(format!("signal {signal}\n").into_bytes())));
                    }
                }
                _ => {}
            }
        }
        contents
    }

    /// What the second writers of `Pair` steps write, in no order: stream, first number, lines, and their length.
    pub fn second_writers(&self) -> Vec<(Stream, u64, u64, usize)> {
        let (mut all, mut sequence) = (Vec::new(), 0);
        for step in &self.steps {
            match step {
                Step::Lines(lines) => sequence += lines.count,
                Step::Pair { stream, count, length_bytes } => {
                    all.push((*stream, sequence + count, *count, *length_bytes));
                    sequence += 2 * count;
                }
                _ => {}
            }
        }
        all
    }

    /// Whether a child of the workload may write on after its end.
    pub fn has_background(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Background { .. }))
    }

    /// The raw lines, without their line feeds, that children in the background may write at any time.
    pub fn background_lines(&self) -> Vec<Vec<u8>> {
        let children = self.steps.iter().filter_map(|step| match step {
            Step::Background { steps } => Some(steps),
            _ => None,
        });
        let data = children.flatten().filter_map(|step| match step {
            Step::Write { data, .. } => data.to_bytes(),
            _ => None,
        });
        data.flat_map(|bytes| bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>())
            .filter(|line| !line.is_empty())
            .collect()
    }

    /// At most how many write(2) calls it takes, but for those that the kernel cuts short.
    pub fn writes_max(&self) -> usize {
        self.steps
            .iter()
            .map(|step| match step {
                Step::Write { data, piece_bytes, .. } => {
                    let length = match data {
                        Data::Text(text) => text.len(),
                        Data::Hex(digits) => digits.len() / 2,
                        Data::Fill { length_bytes, .. } => *length_bytes,
                    };
                    piece_bytes.map_or(1, |size| length.div_ceil(size.max(1)))
                }
                Step::Lines(lines) => {
                    let writes = (lines.count.div_ceil(lines.per_write.max(1)) * lines.parts.max(1)) as usize;
                    writes.max(lines.bytes() as usize / 4096 + 2)
                }
                // A pipe takes what is more than its PIPE_BUF in parts.
                Step::Pair { count, length_bytes, .. } => *count as usize * (length_bytes / 4096 + 2),
                _ => 1,
            })
            .sum()
    }
}

/// The first of these steps that cannot be played.
fn check(steps: &[Step]) -> Result<(), ScriptError> {
    for (step, action) in steps.iter().enumerate() {
        match action {
            Step::Lines(lines) if lines.streams.is_empty() || lines.per_write == 0 || lines.parts == 0 => {
                return Err(ScriptError::NoStream { step });
            }
            Step::Lines(lines) if lines.length_bytes < line::LENGTH_MIN => {
                return Err(ScriptError::LineTooShort { step, length: lines.length_bytes });
            }
            Step::Pair { length_bytes, .. } if *length_bytes < line::LENGTH_MIN => {
                return Err(ScriptError::LineTooShort { step, length: *length_bytes });
            }
            Step::Write { data, .. } if data.to_bytes().is_none() => return Err(ScriptError::Hex { step }),
            Step::Wait { gate } if gate.is_empty() || !gate.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
                return Err(ScriptError::Gate { step });
            }
            Step::Background { steps } => check(steps)?,
            _ => {}
        }
    }
    Ok(())
}

fn gates<'a>(steps: &'a [Step]) -> Vec<&'a str> {
    let of_step = |step: &'a Step| match step {
        Step::Wait { gate } => vec![gate.as_str()],
        Step::Background { steps } => gates(steps),
        _ => Vec::new(),
    };
    steps.iter().flat_map(of_step).collect()
}

impl Lines {
    /// Lines as fast as the workload can, a write each.
    pub fn fast(streams: &[Stream], count: u64, length_bytes: usize) -> Lines {
        Lines { streams: streams.to_vec(), count, length_bytes, per_write: 1, parts: 1, interval_ns: 0 }
    }

    /// The writes: stream, first sequence number, lines.
    pub fn writes(&self, start: u64) -> impl Iterator<Item = (Stream, u64, u64)> {
        let per_write = self.per_write.max(1);
        (0..self.count.div_ceil(per_write)).map(move |write| {
            let first = write * per_write;
            let stream = self.streams[write as usize % self.streams.len()];
            (stream, start + first, per_write.min(self.count - first))
        })
    }

    fn bytes(&self) -> u64 {
        self.count * (self.length_bytes as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: u64, per_write: u64) -> Lines {
        Lines { per_write, ..Lines::fast(&Stream::BOTH, count, 100) }
    }

    #[test]
    fn lines_take_turns_by_write() {
        let writes: Vec<_> = lines(5, 2).writes(10).collect();
        assert_eq!(writes, [(Stream::Stdout, 10, 2), (Stream::Stderr, 12, 2), (Stream::Stdout, 14, 1)]);
    }

    #[test]
    fn a_script_survives_json() {
        let script = Script::new(7, End::Signal(15))
            .then(Step::Lines(lines(3, 1)))
            .then(Step::Write { stream: Stream::Stderr, data: Data::bytes(&[0xff, 0]), piece_bytes: Some(1) })
            .then(Step::Close { stream: Stream::Stdout })
            .then(Step::Wait { gate: "go-1".into() })
            .then(Step::Background { steps: vec![Step::Wait { gate: "go-2".into() }] })
            .then(Step::Trap { signals: vec![15] })
            .then(Step::AwaitSignal)
            .then(Step::Describe { what: Surroundings::Identity });
        assert_eq!(script.gates(), ["go-1", "go-2"]);
        let json = serde_json::to_string(&script).unwrap();
        assert_eq!(serde_json::from_str::<Script>(&json).unwrap(), script);
        assert_eq!(script.check(), Ok(()));
        assert_eq!(script.contents().len(), 6, "a trapped signal that can be no other is known, too");
        assert!(script.writes_max() >= 5);
    }

    #[test]
    fn what_cannot_be_played_is_refused() {
        let refused = |step| Script::new(1, End::Exit(0)).then(step).check().unwrap_err();
        let short = Lines { length_bytes: 3, ..lines(1, 1) };
        assert_eq!(refused(Step::Lines(short)), ScriptError::LineTooShort { step: 0, length: 3 });
        assert_eq!(refused(Step::Lines(lines(1, 0))), ScriptError::NoStream { step: 0 });
        let hex = Step::Write { stream: Stream::Stdout, data: Data::Hex("abc".into()), piece_bytes: None };
        assert_eq!(refused(hex), ScriptError::Hex { step: 0 });
        let gate = Step::Wait { gate: "../x".into() };
        assert_eq!(refused(Step::Background { steps: vec![gate.clone()] }), ScriptError::Gate { step: 0 });
        assert_eq!(refused(gate), ScriptError::Gate { step: 0 });
    }
}
