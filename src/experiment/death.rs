//! A process dies in mid-stream: the capturer, the runtime's front process or the workload.

use super::stimulus::{
    CAPTURER_KILLED, CAPTURER_TERMINATED, FRONT_KILLED, FRONT_TERMINATED, GATE, WORKLOAD_KILLED, WORKLOAD_TERMINATED,
};
use super::{Case, Experiment};
use crate::bundle::Flaw;
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static DEATH: Experiment = Experiment {
    name: "death",
    question: "What survives and what is lost when the capturer, the runtime or the program is killed or terminated?",
    sources: &[
        "cri-o#3022",
        "nomad#5593",
        "hivecommons/hive#4888",
        "crun: pid file",
        "runc#440",
        "spike: finding 4, Kill process",
    ],
    measures_time: false,
    quick: true,
    cases: |size| {
        let some = || Step::Lines(Lines::fast(&Stream::BOTH, 100, 100));
        let wait = || Step::Wait { gate: GATE.into() };
        let script = |end| Script::new(size.seed, end);
        let twice = || script(End::Exit(0)).then(some()).then(wait()).then(some());
        // A program that handles SIGTERM and then ends by itself. Its last lines are the tail that gets lost.
        let farewell = || {
            let trapped = script(End::Exit(42)).then(Step::Trap { signals: vec![libc::SIGTERM] });
            trapped.then(some()).then(wait()).then(Step::AwaitSignal).then(some())
        };
        let survives = Capability::SurvivesDeath;
        // SIGPIPE does not reach the init of a pid namespace. Without a pid namespace, a program dies when it writes to
        // a pipe that has no reader.
        let outside = |name| Case { pid_namespace: false, ..Case::new(name, twice()) };
        vec![
            outside("capturer-killed").under(&CAPTURER_KILLED).tries(survives),
            outside("capturer-terminated").under(&CAPTURER_TERMINATED).tries(survives),
            Case::new("front-killed", twice()).under(&FRONT_KILLED),
            Case::new("front-terminated", farewell()).under(&FRONT_TERMINATED),
            Case::new("workload-killed", twice()).under(&WORKLOAD_KILLED),
            Case::new("workload-terminated", farewell()).under(&WORKLOAD_TERMINATED),
            // The runtime has failed. Its container goes on writing, and nobody knows of it.
            Case { flaw: Flaw::PidFile, ..Case::new("pid-file-unwritable", script(End::Exit(0)).then(some())) },
        ]
    },
};
