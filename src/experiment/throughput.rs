//! Lines in writes of 64 KiB, as fast as the capturer takes them: what does the capturer cost?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

/// How many lines of 100 bytes, line feed included, fit into 64 KiB.
const LINES_PER_WRITE: u64 = 655;

pub(super) static THROUGHPUT: Experiment = Experiment {
    name: "throughput",
    question: "How much output a second does the capturer take, and what does that cost it?",
    sources: &["nomad#9858", "nomad#7619", "conmon-rs#2611"],
    measures_time: true,
    quick: true,
    cases: |size| {
        let count = size.pick(1_000 * LINES_PER_WRITE, 100 * LINES_PER_WRITE, LINES_PER_WRITE);
        let lines = Lines { per_write: LINES_PER_WRITE, ..Lines::fast(&[Stream::Stdout], count, 99) };
        let script = Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines));
        vec![Case { measures_cost: true, ..Case::new("64k-writes", script) }]
    },
};
