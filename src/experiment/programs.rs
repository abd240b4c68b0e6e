//! Real programs: what they do with their streams by themselves.

use super::{Case, Experiment, Program};
use crate::script::{Data, End, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

static PYTHON_LINES: Program = Program {
    name: "python3",
    arguments: &["-c", "import sys\nfor i in range(500): print(i)\nprint('end', file=sys.stderr)"],
};

static PYTHON_300K: Program = Program {
    name: "python3",
    arguments: &["-c", "import sys\nsys.stdout.write(('x' * 9999 + '\\n') * 30)\nprint('end', file=sys.stderr)"],
};

static NODE_CONSOLE: Program =
    Program { name: "node", arguments: &["-e", "for (let i = 0; i < 500; i++) console.log(i); console.error('end')"] };

/// dd, which writes 1 MiB in one write(2).
static DD_1_MIB: Program = Program {
    name: "sh",
    arguments: &[
        "-c",
        "yes $(printf %08191d 0) 2>/dev/null | dd bs=1M count=1 iflag=fullblock status=none; echo end >&2",
    ],
};

static SH_REOPENS: Program =
    Program { name: "sh", arguments: &["-c", "echo one; echo two >/dev/stdout; echo three; echo end >/dev/stderr"] };

pub(super) static PROGRAMS: Experiment = Experiment {
    name: "programs",
    question: "Does the output of Python, Node.js, dd and a shell, each with its own way of writing, arrive whole?",
    sources: &["nodejs/node#6379", "moby#6880", "unix(7), EMSGSIZE"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let numbers: String = (0..500).map(|number| format!("{number}\n")).collect();
        let case = |name: &str, program, stdout: String| {
            let write = |stream, text: String| Step::Write { stream, data: Data::Text(text), piece_bytes: None };
            let script = Script::new(size.seed, End::Exit(0))
                .then(write(Stream::Stdout, stdout))
                .then(write(Stream::Stderr, "end\n".to_owned()));
            Case { program: Some(program), ..Case::new(name, script) }.tries(Capability::AnyProgram)
        };
        vec![
            case("python-lines", &PYTHON_LINES, numbers.clone()),
            case("python-300k", &PYTHON_300K, format!("{}\n", "x".repeat(9_999)).repeat(30)),
            case("node-console", &NODE_CONSOLE, numbers),
            case("dd-1-mib", &DD_1_MIB, format!("{}\n", "0".repeat(8_191)).repeat(128)),
            case("sh-reopens", &SH_REOPENS, "one\ntwo\nthree\n".to_owned()),
        ]
    },
};
