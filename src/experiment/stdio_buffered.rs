//! A C program prints a line now and then. A pipe makes its stdio buffer 4 KiB, whichever strategy captures.

use super::{Case, Experiment};
use crate::script::{Buffering, End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static STDIO_BUFFERED: Experiment = Experiment {
    name: "stdio-buffered",
    question: "How late are the lines of a program that buffers its output unless it sees a terminal?",
    sources: &["setbuf(3)", "spike: Buffering Strategy", "nomad#6931"],
    measures_time: false,
    quick: true,
    cases: |size| {
        // Fewer lines than fill a block of stdout. Where a block ends within a line, the program itself tears that
        // line, and a capturer that merges the streams would get the blame.
        let lines = Lines { interval_ns: 2_000_000, ..Lines::fast(&Stream::BOTH, size.pick(80, 50, 80), 100) };
        let script = Script { buffering: Buffering::Auto, ..Script::new(size.seed, End::Exit(0)) };
        vec![Case::new("auto", script.then(Step::Lines(lines)))]
    },
};
