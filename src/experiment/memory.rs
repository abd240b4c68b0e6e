//! The program writes much output: does the capturer need more memory for it?

use super::stimulus::{GATE, IDLE};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

/// The length of a line. It is below the 64 KiB of bufio.Scanner, and long enough that a capturer that syncs each line
/// finishes in time.
const LENGTH: usize = 60_000;

pub(super) static MEMORY: Experiment = Experiment {
    name: "memory",
    question: "Does the capturer's memory grow with the output?",
    sources: &["nomad#9858", "conmon-rs#2611", "spike: Memory Management"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let lines = |count| Step::Lines(Lines::fast(&[Stream::Stdout], count, LENGTH));
        let count = size.pick(1_100, 400, 400);
        // The capturer has taken the first part when it passes the gate. Then the second part must not cost it more.
        let script = Script::new(size.seed, End::Exit(0)).then(lines(count / 3));
        let script = script.then(Step::Wait { gate: GATE.into() }).then(lines(count - count / 3));
        let case = Case { measures_cost: true, ..Case::new("24-mb", script) };
        vec![case.under(&IDLE).tries(Capability::BoundedMemory)]
    },
};
