//! The life of a container: created, running, stopped, gone; with every command in each of these states.

use crate::case::{Act, Case, ending, out, script, wait};
use crun_capture::script::{End, Step};

const CREATE: &str = "create --bundle bundle c1";
const DETACH: &str = "run --detach --bundle bundle c1";

pub(super) fn cases() -> Vec<Case> {
    [sequences(), of_nobody(), kills(), lists()].into_iter().flatten().collect()
}

/// A container that waits at a gate.
fn held(name: &'static str) -> Case {
    Case::new(name, script([out("started"), wait("go"), out("ended")]))
}

fn created(name: &'static str) -> Case {
    held(name).call(CREATE)
}

fn running(name: &'static str) -> Case {
    held(name).call(DETACH).act(Act::Reach("go"))
}

fn stopped(name: &'static str) -> Case {
    Case::new(name, script([out("ran")])).call(DETACH).act(Act::WorkloadEnds).act(Act::Until("stopped"))
}

fn sequences() -> Vec<Case> {
    vec![
        created("create-start-delete")
            .call("state c1")
            .call("start c1")
            .act(Act::Reach("go"))
            .call("state c1")
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds)
            .act(Act::Until("stopped"))
            .call("state c1")
            .call("delete c1")
            .call("state c1"),
        created("created-and-deleted").call("delete c1").act(Act::Lives),
        created("created-and-deleted-by-force").call("delete -f c1").act(Act::Lives),
        created("create-twice").call(CREATE),
        created("created-and-run").call("run --bundle bundle c1"),
        running("run-twice").call("run --bundle bundle c1"),
        running("running-and-started").call("start c1"),
        running("running-and-deleted").call("delete c1").call("state c1"),
        running("running-and-deleted-by-force").call("delete --force c1").act(Act::WorkloadEnds).call("state c1"),
        created("started-twice").call("start c1").act(Act::Reach("go")).call("start c1"),
        stopped("stopped-and-started").call("start c1"),
        stopped("stopped-and-run-again").call("run --bundle bundle c1"),
        stopped("stopped-and-deleted-twice").call("delete c1").call("delete c1"),
        stopped("stopped-and-deleted-by-force").call("delete -f c1"),
        held("run-state-seen-from-outside")
            .spawn("run --bundle bundle c1")
            .act(Act::Reach("go"))
            .act(Act::Until("running"))
            .call("state c1")
            .act(Act::Open("go"))
            .act(Act::Finish)
            .call("state c1"),
        Case::new("run-twice-in-turn", ending([out("ran")], End::Exit(3))).run().run(),
    ]
}

fn of_nobody() -> Vec<Case> {
    let call = |name, words| Case::new(name, script([])).call(words);
    vec![
        call("unknown-state", "state nobody"),
        call("unknown-start", "start nobody"),
        call("unknown-kill", "kill nobody"),
        call("unknown-kill-all", "kill --all nobody"),
        call("unknown-delete", "delete nobody"),
        call("unknown-delete-by-force", "delete --force nobody"),
        call("unknown-delete-by-pattern", "delete --regex no.*"),
        call("unknown-kill-by-pattern", "kill --regex no.*"),
        Case::new("unknown-state-beside-another", script([])).call(CREATE).call("state nobody"),
    ]
}

fn kills() -> Vec<Case> {
    let trapping = |name, words| {
        let trap = Step::Trap { signals: vec![libc::SIGTERM, libc::SIGUSR1, libc::SIGHUP, libc::SIGINT] };
        Case::new(name, script([trap, wait("go"), Step::AwaitSignal]))
            .call(DETACH)
            .act(Act::Reach("go"))
            .call(words)
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds)
    };
    let deadly =
        |name, words| running(name).call(words).act(Act::WorkloadEnds).act(Act::Until("stopped")).call("state c1");
    let harmless = |name, words| running(name).call(words).call("state c1").act(Act::Open("go")).act(Act::WorkloadEnds);
    vec![
        trapping("kill-by-default", "kill c1"),
        trapping("kill-by-name", "kill c1 USR1"),
        trapping("kill-by-full-name", "kill c1 SIGUSR1"),
        trapping("kill-by-number", "kill c1 10"),
        deadly("kill-with-kill", "kill c1 KILL"),
        deadly("kill-with-9", "kill c1 9"),
        deadly("kill-by-pattern", "kill --regex c. KILL"),
        harmless("kill-with-term-without-a-handler", "kill c1 TERM"),
        // `kill --all` works through the cgroup, and there is none.
        harmless("kill-all", "kill --all c1 KILL"),
        harmless("kill-by-small-letters", "kill c1 term"),
        harmless("kill-by-wrong-name", "kill c1 FROB"),
        harmless("kill-by-wrong-number", "kill c1 99"),
        harmless("kill-with-0", "kill c1 0"),
        harmless("kill-by-pattern-of-nobody", "kill --regex x.* KILL"),
        harmless("kill-by-broken-pattern", "kill --regex a( KILL"),
        harmless("delete-by-pattern-while-running", "delete --regex c."),
        held("kill-without-pid-namespace")
            .without_pid_namespace()
            .call(DETACH)
            .act(Act::Reach("go"))
            .call("kill c1 TERM")
            .act(Act::WorkloadEnds)
            .act(Act::Until("stopped")),
        created("kill-before-the-start").call("kill c1 KILL").act(Act::Until("stopped")).call("start c1"),
        created("kill-before-the-start-with-term")
            .call("kill c1 TERM")
            .call("state c1")
            .call("start c1")
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds),
        stopped("kill-after-the-end").call("kill c1 KILL"),
        stopped("kill-all-after-the-end").call("kill --all c1 KILL"),
        stopped("delete-by-pattern").call("delete --regex c.").call("state c1"),
        running("delete-by-pattern-by-force")
            .call("delete --force --regex ^c1$")
            .act(Act::WorkloadEnds)
            .call("state c1"),
        stopped("delete-by-pattern-part").call("delete -r 1").call("state c1"),
    ]
}

fn lists() -> Vec<Case> {
    let none = |name, words| Case::new(name, script([])).call(words);
    let one = |name, words| running(name).call(words);
    vec![
        none("list-of-none", "list"),
        none("list-of-none-in-json", "list --format json"),
        none("list-of-none-quiet", "list --quiet"),
        none("list-in-xml", "list --format xml"),
        one("list-as-table", "list"),
        one("list-in-json", "list -f json"),
        one("list-quiet", "list -q"),
        one("list-quiet-in-json", "list -q --format=json"),
        one("list-as-named-table", "list --format table"),
        stopped("list-of-stopped").call("list").call("list -f json"),
        created("list-of-created").call("list"),
        created("list-of-two")
            .call("create --bundle bundle container-with-a-long-name")
            .call("list")
            .call("list -q")
            .call("delete -f container-with-a-long-name"),
    ]
}
