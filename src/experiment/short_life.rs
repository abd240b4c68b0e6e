//! Several containers at once, each of which lives for less than a millisecond: does its one line arrive?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static SHORT_LIFE: Experiment = Experiment {
    name: "short-life",
    question: "Does the one line of a container that ends at once arrive when several such containers run together?",
    sources: &["cri-o#8483", "moby#20951", "nomad#6931", "nomad#2457", "nomad#17277", "nomad#10910"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let line = Step::Lines(Lines::fast(&[Stream::Stdout], 1, 100));
        vec![Case { at_once: size.crowd(), ..Case::new("one-line", Script::new(size.seed, End::Exit(0)).then(line)) }]
    },
};
