//! The program writes lines as fast as it can and exits at once: does the tail arrive?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static BURST: Experiment = Experiment {
    name: "burst",
    question: "Does every line of a burst arrive when the program exits right after it?",
    sources: &["golang/go#19685", "golang/go#67649", "mongodb/jasper#203", "docker/cli#4338", "moby#45689"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let lines = Lines::fast(&Stream::BOTH, size.pick(20_000, 5_000, 500), 100);
        // One write of 1 MiB: 10,485 lines of 100 bytes, or longer lines for a capturer that syncs each line.
        let (count, length) = if size.syncs_each_line { (21, 49_930) } else { (10_485, 99) };
        let mebibyte = Lines { per_write: count, ..Lines::fast(&[Stream::Stdout], count, length) };
        let script = || Script::new(size.seed, End::Exit(0));
        vec![
            Case::new("exit-at-once", script().then(Step::Lines(lines))),
            Case::new("write-1-mib", script().then(Step::Lines(mebibyte))).tries(Capability::AnyWrite),
        ]
    },
};
