//! Limits of the kernel: small and large pipes, a capturer that does not run, busy CPUs.

use super::stimulus::{GATE, IDLE, LOADED_CPU, SUSPENDED};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

pub(super) static KERNEL: Experiment = Experiment {
    name: "kernel",
    question: "Does the capture work with the smallest pipe and a large one, when the capturer is stopped, on busy CPUs, and when \
               the program is silent for a while?",
    sources: &["pipe(7), F_SETPIPE_SZ", "containerd#9342", "containerd#7289", "conmon#87", "podman#15643"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let lines = |count| Step::Lines(Lines::fast(&Stream::BOTH, count, 1_000));
        let many = || lines(size.pick(2_000, 400, 200));
        let script = || Script::new(size.seed, End::Exit(0));
        let pipes = |bytes| {
            Stream::BOTH.into_iter().fold(script(), |script, stream| script.then(Step::PipeSize { stream, bytes }))
        };
        vec![
            Case::new("small-pipe", pipes(4_096).then(many())),
            Case::new("large-pipe", pipes(1 << 20).then(many())),
            Case::new("stopped", script().then(lines(10)).then(Step::Wait { gate: GATE.into() }).then(many()))
                .under(&SUSPENDED),
            Case::new("loaded", script().then(many())).under(&LOADED_CPU),
            Case::new("idle", script().then(lines(10)).then(Step::Wait { gate: GATE.into() }).then(lines(10)))
                .under(&IDLE),
        ]
    },
};
