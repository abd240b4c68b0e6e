//! How a program divides its output into writes: a byte at a time, a prompt, one enormous line, two writers at once.

use super::stimulus::{GATE, ONE_AT_A_TIME, PROMPT, STEPS};
use super::{Case, Experiment, Size};
use crate::finding::Finding;
use crate::script::{Data, End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

/// A pipe takes a write of up to this many bytes whole or not at all, whoever else writes (pipe(7), PIPE_BUF).
const PIPE_BUF: usize = 4_096;

/// The size of the smallest pipe, in which two writers are certain to meet.
const SMALL_PIPE: usize = 4_096;

pub(super) static FRAMING: Experiment = Experiment {
    name: "framing",
    question: "Do lines that a program writes in odd pieces arrive as it wrote them?",
    sources: &[
        "podman#16059",
        "conmon#335",
        "userver#1217",
        "httpd#54339",
        "podman#13779",
        "moby#36777",
        "spike: finding 2, Process each line immediately",
    ],
    measures_time: false,
    quick: true,
    cases: |size| {
        let write = |text: &str, piece_bytes| Step::Write {
            stream: Stream::Stdout,
            data: Data::Text(text.to_owned()),
            piece_bytes,
        };
        let script = || Script::new(size.seed, End::Exit(0));
        let bytes: String = (0..40).map(|line| format!("line {line} of forty, a byte a write\n")).collect();
        let prompt = script().then(write("name: ", None)).then(Step::Wait { gate: GATE.into() });
        let prompt = prompt.then(write("hello\n", None));
        // One line of 100 MiB, or 8 MiB with --quick, and another line after it.
        let length = if size.quick { 8 << 20 } else { 100 << 20 };
        let long = Data::Fill { byte: b'x', length_bytes: length };
        let long = script()
            .then(Step::Write { stream: Stream::Stdout, data: long, piece_bytes: Some(64 << 10) })
            .then(write("\nafter\n", None));
        vec![
            Case::new("byte-at-a-time", script().then(write(&bytes, Some(1)))),
            Case::new("one-at-a-time", one_at_a_time(size)).under(&ONE_AT_A_TIME).tries(Capability::Live),
            Case::new("prompt", prompt).under(&PROMPT).tries(Capability::Prompts),
            Case::new("line-100-mib", long).tries(Capability::AnyLine),
            Case { full_only: true, ..two_writers(size, PIPE_BUF - 1) },
            two_writers(size, PIPE_BUF),
            two_writers(size, PIPE_BUF + 1),
        ]
    },
};

/// A script that writes one line at a time, and waits for each to arrive. A capturer that keeps lines back until there
/// are more of them, or until the next one comes, never delivers one in time.
fn one_at_a_time(size: Size) -> Script {
    let line = Step::Lines(Lines::fast(&[Stream::Stdout], 1, 100));
    let wait = |gate: &str| Step::Wait { gate: gate.to_owned() };
    let pairs = STEPS
        .iter()
        .fold(Script::new(size.seed, End::Exit(0)), |script, gate| script.then(line.clone()).then(wait(gate)));
    pairs.then(line)
}

/// A case in which two processes write lines of `bytes` bytes, line feed included, into a pipe that holds one of them.
fn two_writers(size: Size, bytes: usize) -> Case {
    let script = Script::new(size.seed, End::Exit(0))
        .then(Step::PipeSize { stream: Stream::Stdout, bytes: SMALL_PIPE })
        .then(Step::Pair { stream: Stream::Stdout, count: size.pick(500, 100, 50), length_bytes: bytes - 1 });
    let case = Case::new(format!("two-writers-{bytes}"), script);
    // The kernel may tear a longer write, and no capturer can mend that.
    let torn = vec![
        Finding::AlteredLines,
        Finding::ForeignLines,
        Finding::DuplicatedLines,
        Finding::FileAlteredLines,
        Finding::FileDuplicatedLines,
    ];
    if bytes <= PIPE_BUF {
        return case;
    }
    let excused_because =
        "the kernel may tear writes of two processes that are longer than PIPE_BUF (pipe(7)), which is nobody's fault";
    Case { excused: torn, excused_because, ..case }
}
