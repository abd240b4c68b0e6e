//! Three hundred lines at once, for who limits how many lines a second it takes.

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static RATE: Experiment = Experiment {
    name: "rate",
    question: "How many lines a second are taken of three hundred, and how long is the program stalled?",
    sources: &["spike: Rate Limiting"],
    measures_time: false,
    quick: false,
    cases: |size| {
        // More than a pipe holds: a reader that sleeps is felt.
        let lines = Lines::fast(&[Stream::Stdout], 300, 1_000);
        vec![Case::new("300-lines", Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines)))]
    },
};
