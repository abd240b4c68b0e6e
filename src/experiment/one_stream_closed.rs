//! A program closes one of its streams early and goes on with the other.

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static ONE_STREAM_CLOSED: Experiment = Experiment {
    name: "one-stream-closed",
    question: "Does the other stream still arrive when a program closes one early?",
    sources: &["containerd#3118", "nomad#11278", "nomad#8155", "conmon#563"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let case = |name, closed, open| {
            let script = Script::new(size.seed, End::Exit(0))
                .then(Step::Lines(Lines::fast(&Stream::BOTH, 20, 100)))
                .then(Step::Close { stream: closed })
                .then(Step::Lines(Lines::fast(&[open], size.pick(2_000, 500, 100), 100)));
            Case::new(name, script)
        };
        vec![
            case("stdout-closed", Stream::Stdout, Stream::Stderr),
            case("stderr-closed", Stream::Stderr, Stream::Stdout),
        ]
    },
};
