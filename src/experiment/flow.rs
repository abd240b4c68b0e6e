//! A consumer stops reading, never reads or dies: is the program stalled or killed?

use super::stimulus::{CONSUMER_GONE, CONSUMER_NEVER, CONSUMER_STOPS, GATE};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static FLOW: Experiment = Experiment {
    name: "flow",
    question: "Does the program go on when the consumer stops reading, never reads, or dies?",
    sources: &[
        "containerd#9342",
        "kata#2590",
        "moby#22502",
        "moby#41827",
        "cri-o#7945",
        "moby#34582",
        "conmon-rs#2611",
        "containerd/rust-extensions#240",
        "containerd#4168",
    ],
    measures_time: false,
    quick: true,
    cases: |size| {
        // More than the pipes of the workload and of the consumer hold together.
        let lines = |count| Step::Lines(Lines::fast(&Stream::BOTH, count, 10_000));
        let script = Script::new(size.seed, End::Exit(0))
            .then(lines(10))
            .then(Step::Wait { gate: GATE.into() })
            .then(lines(size.pick(400, 200, 200)));
        let much = Script::new(size.seed, End::Exit(0)).then(Step::Wait { gate: GATE.into() });
        let much = much.then(Step::Lines(Lines::fast(&Stream::BOTH, size.pick(1_000, 420, 420), 60_000)));
        vec![
            Case::new("stops", script.clone()).under(&CONSUMER_STOPS).tries(Capability::FreeFlow),
            Case::new("never-reads", script.clone()).under(&CONSUMER_NEVER).tries(Capability::FreeFlow),
            // More than any bounded queue holds.
            Case { full_only: true, ..Case::new("never-reads-much", much) }
                .under(&CONSUMER_NEVER)
                .tries(Capability::BoundedMemory),
            Case::new("gone", script).under(&CONSUMER_GONE).tries(Capability::IndependentSinks),
        ]
    },
};
