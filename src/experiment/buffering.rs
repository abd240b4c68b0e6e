//! A program that buffers by line, by block or not at all: latency and overhead against each other.

use super::{Case, Experiment, Size};
use crate::script::{Buffering, End, Lines, Script, Step};
use crun_capture_reactor::Stream;

/// A program prints a line in as many parts: a time, a level, a name, a message, a line feed.
const PARTS: u64 = 5;

pub(super) static BUFFERING: Experiment = Experiment {
    name: "buffering",
    question: "What does the program's own buffering cost in latency, and in writes?",
    sources: &["setvbuf(3)", "spike: Buffering Strategy"],
    measures_time: true,
    quick: false,
    cases: |size| {
        let kinds =
            [("unbuffered", Buffering::None), ("line", Buffering::Line), ("block", Buffering::Block)].into_iter();
        let cases = kinds.flat_map(|(name, buffering)| {
            let paced = script(size, buffering, size.pick(400, 100, 100), 1_000_000);
            let fast = script(size, buffering, size.pick(100_000, 20_000, 200), 0);
            // Whoever passes lines on is slower than any program writes them: for the throughput they are counted.
            let fast = Case { measures_cost: true, ..Case::new(format!("{name}-fast"), fast) };
            [Case::new(format!("{name}-paced"), paced), fast]
        });
        cases.collect()
    },
};

fn script(size: Size, buffering: Buffering, count: u64, interval_ns: u64) -> Script {
    let lines = Lines { interval_ns, parts: PARTS, ..Lines::fast(&[Stream::Stdout], count, 99) };
    Script { buffering, ..Script::new(size.seed, End::Exit(0)) }.then(Step::Lines(lines))
}
