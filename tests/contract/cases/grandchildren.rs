//! Processes that the workload leaves behind.

use crate::case::{Act, Case, ending, out, wait};
use crun_capture::script::{End, Step};

pub(super) fn cases() -> Vec<Case> {
    vec![
        leaving("grandchild-dies-with-the-pid-namespace").run().act(Act::WorkloadEnds),
        leaving("grandchild-dies-with-the-pid-namespace-detached")
            .call("run --detach --bundle bundle c1")
            .act(Act::WorkloadEnds)
            .act(Act::Until("stopped")),
        // The front reaps the child, and waits for it.
        leaving("grandchild-is-waited-for")
            .without_pid_namespace()
            .spawn("run --bundle bundle c1")
            .act(Act::Reach("child"))
            .act(Act::Until("stopped"))
            .act(Act::Waits)
            .act(Act::Open("child"))
            .act(Act::Finish),
        leaving("grandchild-is-waited-for-without-subreaper-too")
            .without_pid_namespace()
            .spawn("run --no-subreaper --bundle bundle c1")
            .act(Act::Reach("child"))
            .act(Act::Until("stopped"))
            .act(Act::Waits)
            .act(Act::Open("child"))
            .act(Act::Finish),
        leaving("grandchild-lives-on-detached")
            .without_pid_namespace()
            .call("run --detach --bundle bundle c1")
            .act(Act::Until("stopped"))
            .act(Act::Reach("child"))
            .act(Act::Lives)
            .call("delete c1")
            .act(Act::Open("child"))
            .act(Act::WorkloadEnds),
    ]
}

/// The workload ends at once. Its child writes something only after the gate is opened.
fn leaving(name: &'static str) -> Case {
    let child = Step::Background { steps: vec![wait("child"), out("child")] };
    Case::new(name, ending([child, out("parent")], End::Exit(5)))
}
