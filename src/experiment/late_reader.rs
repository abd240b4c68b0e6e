//! The program has ended before the reader reads: does the reader drain what is still in the pipes?

use super::stimulus::{GATE, SUSPENDED_TO_THE_END};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static LATE_READER: Experiment = Experiment {
    name: "late-reader",
    question: "Does what is still in the pipes arrive when the capturer first runs after the program has ended?",
    sources: &["mongodb/jasper#203", "pulumi#20242", "docker/cli#5957", "for-mac#7632", "golang/go#19685"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let script = |end| {
            Script::new(size.seed, end)
                .then(Step::Wait { gate: GATE.into() })
                // Less than a pipe holds, so that the program ends although nobody reads.
                .then(Step::Lines(Lines::fast(&Stream::BOTH, 400, 100)))
        };
        let case = |name, end| Case::new(name, script(end)).under(&SUSPENDED_TO_THE_END);
        vec![case("ended", End::Exit(0)), case("failed", End::Exit(7))]
    },
};
