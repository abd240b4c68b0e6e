//! The consumer is slower than the program: does the tail still arrive long after the program has ended?

use super::stimulus::{CONSUMER_SLOW, GATE};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static SLOW_CONSUMER: Experiment = Experiment {
    name: "slow-consumer",
    question: "Does the tail arrive when the consumer is slower than a program that has ended?",
    sources: &["docker/cli#4338", "moby#45689", "conmon 29d17be"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let lines = Lines::fast(&Stream::BOTH, size.pick(400, 250, 200), 10_000);
        let script = Script::new(size.seed, End::Exit(0));
        let script = script.then(Step::Wait { gate: GATE.into() }).then(Step::Lines(lines));
        vec![Case::new("tail", script).under(&CONSUMER_SLOW)]
    },
};
