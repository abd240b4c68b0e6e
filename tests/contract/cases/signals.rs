//! Signals to the front process, and its death.

use crate::case::{Act, Case, out, script, wait};
use crun_capture::script::Step;

const RUN: &str = "run --bundle bundle c1";

pub(super) fn cases() -> Vec<Case> {
    let handled = [
        ("front-gets-term", libc::SIGTERM),
        ("front-gets-int", libc::SIGINT),
        ("front-gets-quit", libc::SIGQUIT),
        ("front-gets-hup", libc::SIGHUP),
        ("front-gets-usr1", libc::SIGUSR1),
        ("front-gets-usr2", libc::SIGUSR2),
        ("front-gets-pipe", libc::SIGPIPE),
        ("front-gets-cont", libc::SIGCONT),
        ("front-gets-realtime", 40),
    ];
    let handled = handled.map(|(name, signal)| {
        Case::new(name, script([Step::Trap { signals: vec![signal] }, wait("go"), Step::AwaitSignal]))
            .spawn(RUN)
            .act(Act::Reach("go"))
            .act(Act::Signal(signal))
            .act(Act::Open("go"))
            .act(Act::Finish)
    });
    let others = [
        // crun forwards SIGWINCH too if there is no terminal. Of two pending signals, the kernel delivers the one with
        // the smaller number first, and the workload reports it first: 30 would show that 28 was kept back.
        Case::new(
            "front-gets-winch",
            script([Step::Trap { signals: vec![libc::SIGWINCH, libc::SIGPWR] }, wait("go"), Step::AwaitSignal]),
        )
        .spawn(RUN)
        .act(Act::Reach("go"))
        .act(Act::Signal(libc::SIGWINCH))
        .act(Act::Signal(libc::SIGPWR))
        .act(Act::Open("go"))
        .act(Act::Finish),
        held("front-gets-term-without-a-handler")
            .act(Act::Signal(libc::SIGTERM))
            .act(Act::Signal(libc::SIGINT))
            .act(Act::Open("go"))
            .act(Act::Finish),
        held_outside("front-gets-term-without-pid-namespace").act(Act::Signal(libc::SIGTERM)).act(Act::Finish),
        held_outside("front-gets-usr1-without-pid-namespace").act(Act::Signal(libc::SIGUSR1)).act(Act::Finish),
        held("front-is-killed")
            .act(Act::Signal(libc::SIGKILL))
            .act(Act::Finish)
            .act(Act::Lives)
            .call("state c1")
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds)
            .act(Act::Until("stopped"))
            .call("delete c1"),
        held("front-is-killed-and-the-container-deleted")
            .act(Act::Signal(libc::SIGKILL))
            .act(Act::Finish)
            .call("delete --force c1")
            .act(Act::WorkloadEnds)
            .act(Act::Lives),
        held("container-is-killed-under-the-front").call("kill c1 KILL").act(Act::Finish),
    ];
    handled.into_iter().chain(others).collect()
}

fn held(name: &'static str) -> Case {
    let case = Case::new(name, script([out("started"), wait("go"), out("ended")])).spawn(RUN);
    // The workload may run before crun writes its state.
    case.act(Act::Reach("go")).act(Act::Until("running"))
}

fn held_outside(name: &'static str) -> Case {
    held(name).without_pid_namespace()
}
