//! Three hundred lines at once, for a capturer that limits how many lines it takes a second.

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static RATE: Experiment = Experiment {
    name: "rate",
    question: "How many of three hundred lines does the capturer take a second, and how long is the program stalled?",
    sources: &["spike: Rate Limiting"],
    measures_time: false,
    quick: false,
    cases: |size| {
        // More than a pipe holds, so a reader that sleeps stalls the program.
        let lines = Lines::fast(&[Stream::Stdout], 300, 1_000);
        vec![Case::new("300-lines", Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines)))]
    },
};
