//! The files are on a disk or in memory: what does the file system cost each line?

use super::stimulus::{FILES_IN_MEMORY, FILES_ON_DISK};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static FILE_SYSTEM: Experiment = Experiment {
    name: "file-system",
    question: "How long does a line take when the files are on a disk, and how long when they are in memory?",
    sources: &["fsync(2)", "conmon a500cbd", "spike: finding 3, Write each line to a file immediately"],
    measures_time: true,
    quick: false,
    cases: |size| {
        let lines = Lines { interval_ns: 2_000_000, ..Lines::fast(&[Stream::Stdout], size.pick(300, 100, 300), 99) };
        let script = Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines));
        vec![
            Case::new("disk", script.clone()).under(&FILES_ON_DISK),
            Case::new("memory", script).under(&FILES_IN_MEMORY),
        ]
    },
};
