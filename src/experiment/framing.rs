//! How a program cuts what it writes: a byte at a time, a prompt, one enormous line, two writers at once.

use super::stimulus::{GATE, PROMPT};
use super::{Case, Experiment, Size};
use crate::script::{Data, End, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

/// A pipe takes so much at once or not at all, whoever else writes (pipe(7), PIPE_BUF).
const PIPE_BUF: usize = 4_096;

/// The smallest pipe, in which two writers meet for certain.
const SMALL_PIPE: usize = 4_096;

pub(super) static FRAMING: Experiment = Experiment {
    name: "framing",
    question: "Does what a program writes in odd pieces arrive as the lines that it wrote?",
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
        // A line of its own, or as much as --quick takes; and one after it.
        let length = if size.quick { 8 << 20 } else { 100 << 20 };
        let long = Data::Fill { byte: b'x', length_bytes: length };
        let long = script()
            .then(Step::Write { stream: Stream::Stdout, data: long, piece_bytes: Some(1 << 20) })
            .then(write("\nafter\n", None));
        vec![
            Case::new("byte-at-a-time", script().then(write(&bytes, Some(1)))),
            Case::new("prompt", prompt).under(&PROMPT).tries(Capability::Live),
            Case::new("line-100-mib", long).tries(Capability::AnyLine),
            Case { full_only: true, ..two_writers(size, PIPE_BUF - 1) },
            two_writers(size, PIPE_BUF),
            two_writers(size, PIPE_BUF + 1),
        ]
    },
};

/// Two processes write lines of so many bytes, line feed included, into a pipe that holds one of them.
fn two_writers(size: Size, bytes: usize) -> Case {
    let script = Script::new(size.seed, End::Exit(0))
        .then(Step::PipeSize { stream: Stream::Stdout, bytes: SMALL_PIPE })
        .then(Step::Pair { stream: Stream::Stdout, count: size.pick(500, 100, 50), length_bytes: bytes - 1 });
    let case = Case::new(format!("two-writers-{bytes}"), script);
    // What is larger the kernel may tear, and no capturer can mend it.
    let torn =
        vec!["altered_lines", "foreign_lines", "duplicated_lines", "file_altered_lines", "file_duplicated_lines"];
    if bytes <= PIPE_BUF {
        return case;
    }
    let excused_because =
        "writes longer than PIPE_BUF by two processes may be torn by the kernel (pipe(7)): nobody's fault";
    Case { excused: torn, excused_because, ..case }
}
