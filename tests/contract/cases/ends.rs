//! How a container ends, and the exit code of the runtime.

use crate::case::{Act, Call, Case, ending, err, out, script};
use crun_capture::script::End;

pub(super) fn cases() -> Vec<Case> {
    let exits = [
        ("exit-0", 0),
        ("exit-1", 1),
        ("exit-2", 2),
        ("exit-125", 125),
        ("exit-126", 126),
        ("exit-127", 127),
        ("exit-137", 137),
        ("exit-255", 255),
    ];
    let signals = [
        ("death-by-term", libc::SIGTERM),
        ("death-by-int", libc::SIGINT),
        ("death-by-kill", libc::SIGKILL),
        ("death-by-segv", libc::SIGSEGV),
        ("death-by-abrt", libc::SIGABRT),
        ("death-by-pipe", libc::SIGPIPE),
    ];
    // PID 1 of a pid namespace cannot kill itself with these signals.
    let survived = [("own-term-is-survived", libc::SIGTERM), ("own-kill-is-survived", libc::SIGKILL)];
    let exits = exits.map(|(name, code)| Case::new(name, ending([out("out"), err("err")], End::Exit(code))).run());
    let signals =
        signals.map(|(name, signal)| Case::new(name, ending([], End::Signal(signal))).without_pid_namespace().run());
    let survived = survived.map(|(name, signal)| Case::new(name, ending([], End::Signal(signal))).run());
    let others = [
        Case::new("abort", ending([], End::Abort)).run(),
        Case::new("abort-without-pid-namespace", ending([], End::Abort)).without_pid_namespace().run(),
        Case::new("no-output", script([])).run(),
        Case::new("both-streams-in-one-file", script([out("1"), err("2"), out("3"), err("4")]))
            .act(Act::Call(Call::new("run --bundle bundle c1").redirect("2>&1"))),
        Case::new("detached-exit-7", ending([out("out")], End::Exit(7)))
            .call("run --detach --bundle bundle c1")
            .act(Act::WorkloadEnds)
            .act(Act::Until("stopped"))
            .call("state c1")
            .call("delete c1"),
    ];
    exits.into_iter().chain(signals).chain(survived).chain(others).collect()
}
