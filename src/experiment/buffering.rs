//! A program buffers by line, by block or not at all: how do latency and overhead compare?

use super::{Case, Experiment, Size};
use crate::script::{Buffering, End, Lines, Script, Step};
use crun_capture_reactor::Stream;

/// The parts in which a program prints a line: a time, a level, a name, a message and a line feed.
const PARTS: u64 = 5;

pub(super) static BUFFERING: Experiment = Experiment {
    name: "buffering",
    question: "What does the program's own buffering cost in latency and in writes?",
    sources: &["setvbuf(3)", "spike: Buffering Strategy"],
    measures_time: true,
    quick: false,
    cases: |size| {
        let kinds =
            [("unbuffered", Buffering::None), ("line", Buffering::Line), ("block", Buffering::Block)].into_iter();
        let cases = kinds.flat_map(|(name, buffering)| {
            let paced = script(size, buffering, size.pick(400, 100, 100), 1_000_000);
            let fast = script(size, buffering, size.pick(100_000, 20_000, 200), 0);
            // Passing lines on is slower than writing them, so for the throughput the capturer only counts them.
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
