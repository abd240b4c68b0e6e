//! The program writes to stdout and stderr in turn, one write each: does the order survive?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

/// The pause between rounds. Where two readers of two pipes each take a whole round at once, the reader that wakes
/// first decides the order. After a pause that is decided anew, so the order of many rounds is not luck.
const ROUND_PAUSE_NS: u64 = 500_000;

pub(super) static INTERLEAVE: Experiment = Experiment {
    name: "interleave",
    question: "Do lines that are written to stdout and stderr in turn arrive in that order and with the right stream?",
    sources: &["moby#31706", "moby#26986", "buildpacks/pack#2330", "python-on-whales#226", "vector#19105"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let lines = Lines::fast(&Stream::BOTH, 20, 100);
        let rounds = size.pick(100, 20, 20);
        let script = (0..rounds).fold(Script::new(size.seed, End::Exit(0)), |script, _| {
            script.then(Step::Lines(lines.clone())).then(Step::Pause { duration_ns: ROUND_PAUSE_NS })
        });
        vec![Case::new("in-turn", script).tries(Capability::Apart).tries(Capability::Order)]
    },
};
