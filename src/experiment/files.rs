//! What can go wrong with the files that a capturer writes.

use super::stimulus::{
    DISK_FULL, FIFO, FIFO_READ, FILE_CONTINUED, FILE_DIRECTORY, FILE_READ_ONLY, FILE_REMOVED, FILE_RENAMED,
    FILE_TRUNCATED, FILE_UNWRITABLE, GATE,
};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static FILES: Experiment = Experiment {
    name: "files",
    question: "Does a file that fails, disappears or is not a regular file break the live stream or the program?",
    sources: &[
        "containerd#12462",
        "kubernetes#64760",
        "nomad#28446",
        "nomad#28439",
        "containerd#13952",
        "conmon#689",
        "setrlimit(2), RLIMIT_FSIZE",
        "spike: finding 3, simultaneous file and stream output",
    ],
    measures_time: false,
    quick: true,
    cases: |size| {
        // More than the disk and the pipe hold together, so a capturer that stops reading blocks the program.
        let plenty = Script::new(size.seed, End::Exit(0)).then(Step::Lines(Lines::fast(&Stream::BOTH, 60, 10_000)));
        let lines = Script::new(size.seed, End::Exit(0)).then(Step::Lines(Lines::fast(&Stream::BOTH, 4_000, 100)));
        let few = Script::new(size.seed, End::Exit(0)).then(Step::Lines(Lines::fast(&Stream::BOTH, 2, 100)));
        let some = || Step::Lines(Lines::fast(&Stream::BOTH, 20, 1_000));
        let twice = Script::new(size.seed, End::Exit(0)).then(some());
        let twice = twice.then(Step::Wait { gate: GATE.into() }).then(some());
        let paced = Lines { interval_ns: 1_000_000, ..Lines::fast(&Stream::BOTH, 100, 100) };
        let paced = Script::new(size.seed, End::Exit(0)).then(Step::Lines(paced));
        let other_user = Case::new("other-user", Script::new(size.seed, End::Exit(0)).then(some()));
        vec![
            Case::new("disk-full", plenty.clone()).under(&DISK_FULL).tries(Capability::IndependentSinks),
            // Line by line: a capturer that reports each failed write makes thousands of reports.
            Case { full_only: true, ..Case::new("disk-full-lines", lines) }
                .under(&DISK_FULL)
                .tries(Capability::IndependentSinks),
            Case::new("unwritable", plenty.clone()).under(&FILE_UNWRITABLE),
            Case::new("directory", plenty.clone()).under(&FILE_DIRECTORY),
            Case::new("read-only", plenty.clone()).under(&FILE_READ_ONLY),
            Case::new("continued", few).under(&FILE_CONTINUED).tries(Capability::File),
            Case::new("removed", twice.clone()).under(&FILE_REMOVED),
            Case::new("renamed", twice.clone()).under(&FILE_RENAMED),
            Case::new("truncated", twice).under(&FILE_TRUNCATED),
            Case::new("fifo-without-reader", plenty).under(&FIFO),
            Case::new("fifo-with-reader", paced).under(&FIFO_READ),
            Case { user: 1_000, ..other_user },
        ]
    },
};
