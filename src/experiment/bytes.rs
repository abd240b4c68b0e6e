//! Bytes that line readers get wrong: do they arrive as they were written?

use super::{Case, Experiment, Size};
use crate::script::{Data, End, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static BYTES: Experiment = Experiment {
    name: "bytes",
    question: "Do odd line ends, control bytes and lines around the usual buffer sizes arrive as they were written?",
    sources: &[
        "conmon#252",
        "containerd#4813",
        "kubernetes#44976",
        "systemd#4863",
        "systemd#6838",
        "moby#32923",
        "moby#34855",
        "bufio.ScanLines",
    ],
    measures_time: false,
    quick: true,
    cases: |size| {
        let long = |length: usize| [vec![b'x'; length], b"\nafter\n".to_vec()].concat();
        vec![
            case(size, "no-final-newline", b"one\ntwo"),
            case(size, "empty-lines", b"\n\none\n\n\ntwo\n\n"),
            case(size, "crlf", b"one\r\ntwo\r\n\r\nthree\r\n"),
            case(size, "lone-cr", b"10%\r20%\r\r100%\ndone\n"),
            case(size, "nul", b"a\0b\n\0\n\0\0c\n"),
            case(size, "invalid-utf8", b"\xff\xfe\n\xc3(\n\xe2\x82\nok\n"),
            Case { full_only: true, ..case(size, "line-4095", &long(4095)) },
            case(size, "line-4096", &long(4096)),
            Case { full_only: true, ..case(size, "line-4097", &long(4097)) },
            Case { full_only: true, ..case(size, "line-8193", &long(8193)) },
            Case { full_only: true, ..case(size, "line-16385", &long(16_385)) },
            case(size, "line-49153", &long(49_153)),
        ]
    },
};

/// A case that writes the bytes to stdout in one write, and a line to stderr.
fn case(size: Size, name: &str, bytes: &[u8]) -> Case {
    let write = |stream, bytes| Step::Write { stream, data: Data::bytes(bytes), piece_bytes: None };
    let script = Script::new(size.seed, End::Exit(0));
    let case = Case::new(name, script.then(write(Stream::Stdout, bytes)).then(write(Stream::Stderr, b"stderr\n")));
    case.tries(Capability::ExactBytes)
}
