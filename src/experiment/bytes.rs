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
            on_both(size, "every-byte", &every_byte(), &every_byte()),
            on_both(size, "edges", &edged(size.seed), &edged(size.seed >> 16)),
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

/// A line for each byte value but the line feed: the value first, in the middle, twice, and last.
fn every_byte() -> Vec<u8> {
    let values = (0..=u8::MAX).filter(|&value| value != b'\n');
    values.flat_map(|value| [value, b'a', value, value, b'b', value, b'\n']).collect()
}

/// Three lines whose first and last bytes, those of the stream, are values that the seed picks.
fn edged(seed: u64) -> Vec<u8> {
    let [first, last, ..] = seed.to_le_bytes();
    [&[first][..], b"first\nmiddle\nlast", &[last]].concat()
}

/// A case that writes the bytes to each stream, in one write each.
fn on_both(size: Size, name: &str, stdout: &[u8], stderr: &[u8]) -> Case {
    let write = |stream, bytes: &[u8]| Step::Write { stream, data: Data::bytes(bytes), piece_bytes: None };
    let script = Script::new(size.seed, End::Exit(0));
    let script = script.then(write(Stream::Stdout, stdout)).then(write(Stream::Stderr, stderr));
    Case::new(name, script).tries(Capability::ExactBytes)
}

/// A case that writes the bytes to stdout in one write, and a line to stderr.
fn case(size: Size, name: &str, bytes: &[u8]) -> Case {
    on_both(size, name, bytes, b"stderr\n")
}
