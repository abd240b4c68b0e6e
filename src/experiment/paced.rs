//! Lines at a steady pace: how long does each take from the write to the consumer?

use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static PACED: Experiment = Experiment {
    name: "paced",
    question: "How long does a line take from write(2) to its delivery, at one line every 200 us and at one every 1 ms?",
    sources: &["moby#20951", "nomad#6931", "spike: finding 2, real-time streaming works"],
    measures_time: true,
    quick: true,
    cases: |size| {
        let case = |name, interval_ns, count| {
            let lines = Lines { interval_ns, ..Lines::fast(&Stream::BOTH, count, 100) };
            let script = Script::new(size.seed, End::Exit(0)).then(Step::Lines(lines));
            Case::new(name, script).tries(Capability::Live).tries(Capability::File)
        };
        vec![case("200us", 200_000, size.pick(5_000, 500, 5_000)), case("1ms", 1_000_000, size.pick(1_000, 100, 1_000))]
    },
};
