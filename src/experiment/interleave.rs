//! stdout and stderr in turn, a write each: does the order survive?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::stream::Stream;

pub(super) static INTERLEAVE: Experiment = Experiment {
    name: "interleave",
    question: "Do lines that are written to stdout and stderr in turn arrive in that order, and with the right origin?",
    sources: &["moby#31706", "moby#26986", "buildpacks/pack#2330", "python-on-whales#226", "vector#19105"],
    measures_time: false,
    cases: |size| {
        let lines = Lines {
            streams: Stream::BOTH.to_vec(),
            count: size.pick(2_000, 400, 400),
            length_bytes: 100,
            per_write: 1,
            interval_ns: 0,
        };
        vec![Case::new("in-turn", Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines)))]
    },
};
