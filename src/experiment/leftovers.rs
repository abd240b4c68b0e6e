//! A few lines, while nothing else of the harness runs: does the capturer leave anything where it was given nothing?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static LEFTOVERS: Experiment = Experiment {
    name: "leftovers",
    question: "Does the capturer leave a file, a System V object or a hidden process in a place that it was not given?",
    sources: &[
        "sysvipc(7)",
        "shm_overview(7)",
        "credentials(7): a child may clear its environment and leave its session",
    ],
    // Whatever is new when only this cell runs is the cell's.
    measures_time: true,
    quick: true,
    cases: |size| {
        let script = Script::new(size.seed, End::Exit(0)).then(Step::Lines(Lines::fast(&Stream::BOTH, 3, 100)));
        vec![Case { looks_elsewhere: true, ..Case::new("elsewhere", script) }]
    },
};
