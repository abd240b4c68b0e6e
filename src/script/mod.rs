//! Scripts: the ground truth of what a workload writes, when, and how it ends.
//!
//! A script is data. The same script produces the same bytes, except for the stamps of its lines.

pub mod events;
pub mod journal;
pub mod line;

use crun_capture_reactor::Stream;
use serde::{Deserialize, Serialize};

/// The steps that a workload takes, and its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The seed of the payloads of stamped lines.
    pub seed: u64,
    /// How the workload buffers what it prints.
    #[serde(default)]
    pub buffering: Buffering,
    /// What SIGPIPE does to it.
    #[serde(default)]
    pub sigpipe: Sigpipe,
    /// What the workload does, in this order.
    pub steps: Vec<Step>,
    /// How the workload ends.
    pub end: End,
}

/// The way in which a workload buffers what it prints, as in stdio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Buffering {
    /// Every write goes to the kernel at once.
    #[default]
    None,
    /// Both streams are buffered by line.
    Line,
    /// Both streams are buffered in blocks of 4 KiB.
    Block,
    /// Buffered as in a C program (setvbuf(3)): stdout by line on a terminal and in blocks of 4 KiB elsewhere, stderr
    /// not at all.
    Auto,
}

/// What SIGPIPE does to the workload. It is always set, because the disposition is inherited through exec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sigpipe {
    /// It kills the workload, as it does a C program.
    #[default]
    Default,
    /// It is ignored: the write fails with EPIPE. Python does this, and Go on descriptors other than 1 and 2.
    Ignore,
}

/// One step of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Writes bytes as they are.
    Write {
        /// The stream to write to.
        stream: Stream,
        /// The bytes to write.
        data: Data,
        /// How many bytes each write(2) takes. None: all of them in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        piece_bytes: Option<usize>,
    },
    /// Writes stamped lines, each with a line feed.
    Lines(Lines),
    /// Does nothing for a while.
    Pause {
        /// The duration of the pause.
        duration_ns: u64,
    },
    /// Closes a stream for good.
    Close {
        /// The stream to close.
        stream: Stream,
    },
    /// Waits at a gate: until somebody opens the FIFO `gate-NAME` for writing, and then writes a byte or closes it. A
    /// gate is a barrier, and replaces a sleep.
    Wait {
        /// The name of the gate.
        gate: String,
    },
    /// Forks a child that plays these steps and then exits. The workload goes on without waiting for it. The child
    /// holds the streams and the FIFO `alive` open, as the workload does. Its writes appear neither in the journal nor
    /// in the contents of the script: they stand for what a grandchild of the runtime writes after its parent has
    /// ended.
    Background {
        /// The steps of the child.
        steps: Vec<Step>,
    },
    /// Forks until the kernel refuses, at most `most` times. The children end with the step. If the kernel never
    /// refuses, the workload exits with `UNLIMITED` instead of its own end.
    Storm {
        /// The maximum number of forks.
        most: u32,
    },
    /// From this step on, keeps these signals for `AwaitSignal`, in place of their default action.
    Trap {
        /// The numbers of the signals.
        signals: Vec<i32>,
    },
    /// Waits for the next trapped signal, and writes its number to stdout as a line: `signal 15`.
    AwaitSignal,
    /// Two processes write stamped lines to one stream at the same time, one line per write: the workload, and a child
    /// that it waits for. A line does not show which of the two wrote it, and the child's writes are not in the
    /// journal. If the child fails, the workload exits with `PAIR_FAILED`.
    Pair {
        /// The stream to write to.
        stream: Stream,
        /// The number of lines that each of the two writes.
        count: u64,
        /// The length of each line without its line feed, in bytes.
        length_bytes: usize,
    },
    /// Sets the size of the pipe behind a stream (fcntl(2), F_SETPIPE_SZ), as far as the kernel allows. Has no effect
    /// on anything that is not a pipe.
    PipeSize {
        /// The stream.
        stream: Stream,
        /// The size in bytes.
        bytes: usize,
    },
    /// Opens `/proc/self/fd/N` for writing and truncates it, as a shell does for `> /dev/stdout`. From this step on,
    /// the stream's output goes there. If that fails, the journal has each later write to the stream as refused, with the
    /// error of open(2), because a shell goes on in the same way.
    Reopen {
        /// The stream to open again.
        stream: Stream,
    },
    /// Swaps the numbers of the two descriptors (`3>&1 1>&2 2>&3`). What is written to a stream still goes where it
    /// went before, through the other number.
    Exchange,
    /// Sets O_NONBLOCK on a stream, as Node.js does, and leaves it set.
    Nonblock {
        /// The stream.
        stream: Stream,
    },
    /// Checks whether somebody has set O_NONBLOCK on the streams that the workload was given. If so, it exits with
    /// `NONBLOCKING` instead of its own end.
    RequireBlocking,
    /// Writes what the workload finds around it to stdout. For tests of a runtime: no script can predict this output.
    Describe {
        /// The part of the surroundings to describe.
        what: Surroundings,
    },
}

/// A part of what a runtime gives to the workload's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Surroundings {
    /// The descriptors that it was given, one per line: number, kind, and `nonblock` if that is set.
    Descriptors,
    /// Its environment, one variable per line, sorted.
    Environment,
    /// Its user, group, working directory and umask, on one line.
    Identity,
}

/// A series of stamped lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lines {
    /// The streams that the writes go to, in turn: write 0 to the first, write 1 to the second, …
    pub streams: Vec<Stream>,
    /// The number of lines, over all streams.
    pub count: u64,
    /// The length of each line without its line feed, in bytes.
    pub length_bytes: usize,
    /// The number of lines in each write(2).
    #[serde(default = "one")]
    pub per_write: u64,
    /// The number of parts in which each write is printed. Without buffering, each part is a write(2) of its own.
    #[serde(default = "one")]
    pub parts: u64,
    /// The time from one write to the next, by the absolute clock. 0: as fast as possible.
    #[serde(default)]
    pub interval_ns: u64,
}

fn one() -> u64 {
    1
}

/// The bytes of a raw write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// UTF-8 text.
    Text(String),
    /// Any bytes, as two hex digits each.
    Hex(String),
    /// One byte, repeated.
    Fill {
        /// The byte to repeat.
        byte: u8,
        /// The number of repetitions.
        length_bytes: usize,
    },
}

impl Data {
    /// Makes `Text` of these bytes if they are UTF-8, and `Hex` otherwise.
    pub fn bytes(bytes: &[u8]) -> Data {
        match std::str::from_utf8(bytes) {
            Ok(text) => Data::Text(text.to_owned()),
            Err(_) => Data::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    /// The bytes that this data stands for. None: the hex digits are invalid, or their number is odd.
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
    /// It exits with this code.
    Exit(u8),
    /// It sends itself this signal. PID 1 of a pid namespace survives that (pid_namespaces(7)), and then exits with
    /// `SURVIVED`.
    Signal(i32),
    /// It calls abort(3), which kills even PID 1, but with another signal than SIGABRT.
    Abort,
}

/// The exit code of a workload that survived the signal that it sent itself.
pub const SURVIVED: u8 = 113;

/// The exit code of a workload whose `Storm` of processes the kernel did not stop.
pub const UNLIMITED: u8 = 114;

/// The exit code of a workload that was given a descriptor with O_NONBLOCK.
pub const NONBLOCKING: u8 = 116;

/// The exit code of a workload whose `Pair` step failed: its second writer could not be started, or could not write.
pub const PAIR_FAILED: u8 = 117;

/// The reason why a script cannot be played.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ScriptError {
    /// A stamped line cannot be this short.
    #[error("step {step}: a stamped line has at least {} bytes, not {length}", line::LENGTH_MIN)]
    LineTooShort {
        /// The index of the step, from 0.
        step: usize,
        /// The length that the step asks for, in bytes.
        length: usize,
    },
    /// A `Lines` step has no stream, or no line or no part per write.
    #[error("step {step}: lines need at least one stream and one line a write")]
    NoStream {
        /// The index of the step, from 0.
        step: usize,
    },
    /// A `Hex` has an odd number of digits, or invalid ones.
    #[error("step {step}: odd or invalid hex digits")]
    Hex {
        /// The index of the step, from 0.
        step: usize,
    },
    /// The name of a gate is not a plain file name.
    #[error("step {step}: a gate's name is made of letters, digits and dashes")]
    Gate {
        /// The index of the step, from 0.
        step: usize,
    },
}

/// The intended content of one write(2), without the stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Raw(Vec<u8>),
    /// Stamped lines with these consecutive numbers.
    Lines {
        /// The number of the first line.
        first: u64,
        /// The number of lines.
        count: u64,
        /// The length of each line without its line feed, in bytes.
        length: usize,
    },
}

impl Script {
    /// Makes a script without steps.
    pub fn new(seed: u64, end: End) -> Script {
        Script { seed, buffering: Buffering::None, sigpipe: Sigpipe::Default, steps: Vec::new(), end }
    }

    /// Adds one step at the end.
    #[must_use]
    pub fn then(mut self, step: Step) -> Script {
        self.steps.push(step);
        self
    }

    /// Checks whether the script can be played.
    ///
    /// # Errors
    /// The first step that cannot be played.
    pub fn check(&self) -> Result<(), ScriptError> {
        check(&self.steps)
    }

    /// The names of all gates at which the workload and its children wait.
    pub fn gates(&self) -> Vec<&str> {
        gates(&self.steps)
    }

    /// Whether the script paces its lines and does not buffer them, so that they can be delivered before its end.
    pub fn is_paced(&self) -> bool {
        let paced = |step: &Step| matches!(step, Step::Lines(lines) if lines.interval_ns > 0);
        self.buffering == Buffering::None && self.steps.iter().any(paced)
    }

    /// Whether the script writes one line at a time, and waits at a gate after each but the last.
    pub fn is_one_at_a_time(&self) -> bool {
        let line = |step: &Step| matches!(step, Step::Lines(lines) if lines.count == 1);
        let waits = |step: &Step| matches!(step, Step::Wait { .. });
        self.steps.len() > 2
            && self.steps.iter().enumerate().all(|(at, step)| if at % 2 == 0 { line(step) } else { waits(step) })
    }

    /// Everything that the script intends to write, in order. Each item is one write(2) of an unbuffered workload.
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
                    // If several signals are trapped, nobody can know which one comes.
                    if let [signal] = trapped {
                        contents.push((Stream::Stdout, Content::Raw(format!("signal {signal}\n").into_bytes())));
                    }
                }
                _ => {}
            }
        }
        contents
    }

    /// What the second writers of `Pair` steps write, in no particular order: the stream, the number of the first line,
    /// the number of lines, and their length in bytes.
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

    /// Whether a child of the workload may still write after the workload's end.
    pub fn has_background(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Background { .. }))
    }

    /// The raw lines, without their line feeds, that background children may write at any time.
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

    /// The maximum number of write(2) calls, if the kernel cuts none of them short.
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
                // A pipe may take a write of more than PIPE_BUF bytes in several parts.
                Step::Pair { count, length_bytes, .. } => *count as usize * (length_bytes / 4096 + 2),
                _ => 1,
            })
            .sum()
    }
}

/// Returns the error of the first step that cannot be played.
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
    /// Makes lines that are written as fast as possible, one per write.
    pub fn fast(streams: &[Stream], count: u64, length_bytes: usize) -> Lines {
        Lines { streams: streams.to_vec(), count, length_bytes, per_write: 1, parts: 1, interval_ns: 0 }
    }

    /// The writes of these lines: stream, number of the first line, number of lines. `start` is the number of the very
    /// first line.
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
