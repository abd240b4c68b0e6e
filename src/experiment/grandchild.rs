//! A child of the program outlives it and keeps its streams open: does the capture end?

use super::stimulus::{CHILD_GATE, HELD_STREAMS};
use super::{Case, Experiment};
use crate::script::{Data, End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static GRANDCHILD: Experiment = Experiment {
    name: "grandchild",
    question: "Does the capture end soon after the program even when a child of the program keeps the streams open?",
    sources: &[
        "golang/go#7378",
        "golang/go#18874",
        "golang/go#23019",
        "golang/go#24050",
        "golang/go#60309",
        "cpython#76116",
        "cpython#82388",
        "PatchMon#992",
        "hivecommons/hive#4888",
        "nextest#1891",
        "nextest#1469",
        "conmon#632",
        "conmon#114",
        "stemdeckapp/stemdeck#583",
    ],
    measures_time: false,
    quick: true,
    cases: |size| {
        let lines = Step::Lines(Lines::fast(&Stream::BOTH, 10, 100));
        let held = || vec![Step::Wait { gate: CHILD_GATE.into() }];
        let script = |steps, end| Script::new(size.seed, end).then(Step::Background { steps }).then(lines.clone());
        let outside = |name, script| Case { pid_namespace: false, ..Case::new(name, script) }.under(&HELD_STREAMS);
        let inside = |name, script| Case { needs_pid_namespace: true, ..Case::new(name, script) }.under(&HELD_STREAMS);
        let prompt = Capability::PromptDespiteGrandchild;
        vec![
            outside("silent", script(held(), End::Exit(0))).tries(prompt),
            outside("chatty", script(chatter(), End::Exit(0))).tries(prompt),
            outside("failing", script(held(), End::Exit(7))).tries(prompt),
            outside("killed", script(held(), End::Signal(libc::SIGKILL))).tries(prompt),
            // The child ends before any drain deadline, so a capturer that reports a truncation raises a false alarm.
            Case {
                pid_namespace: false,
                ..Case::new("brief", script(vec![Step::Pause { duration_ns: 20_000_000 }], End::Exit(0)))
            },
            // The kernel kills the child with the init of its pid namespace (pid_namespaces(7)), so all processes end
            // at once.
            inside("pid-namespace", script(held(), End::Exit(0))).tries(prompt),
            inside("chatty-pid-namespace", script(chatter(), End::Exit(0))).tries(prompt),
        ]
    },
};

/// A child that writes a line every 50 ms for as long as anybody waits. A drain deadline that restarts with every byte
/// never expires.
fn chatter() -> Vec<Step> {
    let say = Step::Write { stream: Stream::Stdout, data: Data::Text("still here\n".to_owned()), piece_bytes: None };
    let chatter = (0..48).flat_map(|_| [say.clone(), Step::Pause { duration_ns: 50_000_000 }]);
    chatter.chain([Step::Wait { gate: CHILD_GATE.into() }]).collect()
}
