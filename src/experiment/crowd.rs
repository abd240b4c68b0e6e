//! Several containers (eight, or four with --quick) each write a burst at the same time: does CPU pressure cut any of
//! them short?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static CROWD: Experiment = Experiment {
    name: "crowd",
    question: "Does each burst arrive whole when several containers write one at the same time?",
    sources: &["containerd#7289", "nextest#1469"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let lines = Lines::fast(&Stream::BOTH, size.pick(2_000, 400, 200), 1_000);
        vec![Case {
            at_once: size.crowd(),
            ..Case::new("bursts", Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines)))
        }]
    },
};
