//! One stream is flooded while the other is silent, or both at once. A capturer that reads one stream to its end first
//! never ends.

use super::stimulus::{GATE, SUSPENDED};
use super::{Case, Experiment, Size};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static FLOOD: Experiment = Experiment {
    name: "flood",
    question: "Do ten megabytes arrive on one stream while the other is silent, and on both at once?",
    sources: &["rust-lang/rust#39842", "zeroclaw#6910", "nomad#7619"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let flood = |streams: &[Stream]| Step::Lines(Lines::fast(streams, lines(size), 10_000));
        let one = |stream| Step::Lines(Lines::fast(&[stream], 1, 100));
        let script = || Script::new(size.seed, End::Exit(0));
        let wait = Step::Wait { gate: GATE.into() };
        let (stdout, stderr) = (Stream::Stdout, Stream::Stderr);
        vec![
            Case::new("stderr-first", script().then(flood(&[stderr])).then(one(stdout))),
            Case::new("stdout-first", script().then(flood(&[stdout])).then(one(stderr))),
            Case::new("both", script().then(flood(&Stream::BOTH)).then(flood(&Stream::BOTH))),
            // The capturer gets SIGSTOP first, so both pipes are full before it reads either.
            Case::new("before-any-read", script().then(wait).then(flood(&Stream::BOTH)).then(flood(&Stream::BOTH)))
                .under(&SUSPENDED),
        ]
    },
};

fn lines(size: Size) -> u64 {
    size.pick(1_000, 200, 100)
}
