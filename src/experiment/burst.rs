//! As many lines as fit, and an immediate exit: is the tail there?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::stream::Stream;

pub(super) static BURST: Experiment = Experiment {
    name: "burst",
    question: "Does every line of a burst arrive when the program exits right after it?",
    sources: &["golang/go#19685", "golang/go#67649", "mongodb/jasper#203", "docker/cli#4338", "moby#45689"],
    measures_time: false,
    cases: |size| {
        let lines = Lines::fast(&Stream::BOTH, size.pick(20_000, 5_000, 500), 100);
        vec![Case::new("exit-at-once", Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines)))]
    },
};
