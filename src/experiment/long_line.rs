//! A line around or over 64 KiB, then normal lines: is any of it lost, and does the program go on?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

/// The number of normal lines. They fill a pipe of 64 KiB when nobody reads it, so a reader that stopped blocks the
/// program.
const LINES_AFTER: u64 = 1_000;

/// A write of this many bytes is more than some channels take at once.
const LARGE_WRITE: usize = 1 << 20;

pub(super) static LONG_LINE: Experiment = Experiment {
    name: "long-line",
    question: "Does a line around or over 64 KiB arrive, and do the lines after it?",
    sources: &["golang/go#11242", "golang/go#9568", "golang/go#65257", "of-watchdog#105", "logexec#2"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let case = |length: usize| {
            let script = Script::new(size.seed, End::Exit(0))
                .then(Step::Lines(Lines::fast(&[Stream::Stdout], 1, length)))
                .then(Step::Lines(Lines::fast(&[Stream::Stderr], 10, 100)))
                .then(Step::Lines(Lines::fast(&[Stream::Stdout], LINES_AFTER, 100)));
            let case = Case::new(length.to_string(), script).tries(Capability::AnyLine);
            // The workload writes each line with one write(2).
            if length < LARGE_WRITE { case } else { case.tries(Capability::AnyWrite) }
        };
        [65_535, 65_536, 65_537, 1 << 20].map(case).to_vec()
    },
};
