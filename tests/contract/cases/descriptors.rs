//! What the container gets from its caller: descriptors, environment and identity.

use crate::case::{Act, Call, Case, out, script};
use crun_capture::script::{Step, Surroundings};
use serde_json::json;

pub(super) fn cases() -> Vec<Case> {
    [descriptors(), closed(), surroundings()].into_iter().flatten().collect()
}

fn describing(name: &'static str, what: Surroundings) -> Case {
    Case::new(name, script([Step::Describe { what }]))
}

fn redirected(name: &'static str, words: &'static str, redirections: &'static str) -> Case {
    describing(name, Surroundings::Descriptors).act(Act::Call(Call::new(words).redirect(redirections)))
}

const RUN: &str = "run --bundle bundle c1";

fn descriptors() -> Vec<Case> {
    let listening = |name, words, environment: &'static [(&'static str, &'static str)]| {
        describing(name, Surroundings::Descriptors)
            .act(Act::Call(Call::new(words).redirect("3</dev/null 4</ 5<rootfs").environment(environment)))
    };
    vec![
        redirected("three-descriptors", RUN, ""),
        redirected("stdin-is-a-file", RUN, "0<bundle/config.json"),
        redirected("a-fourth-descriptor-is-not-passed", RUN, "3</dev/null"),
        redirected("preserve-fds", "run --preserve-fds 1 --bundle bundle c1", "3</dev/null 4</"),
        redirected("preserve-fds-two", "run --preserve-fds=2 --bundle bundle c1", "3</dev/null 4</"),
        redirected("preserve-fds-with-a-gap", "run --preserve-fds=2 --bundle bundle c1", "4</"),
        redirected("preserve-fds-more-than-there-are", "run --preserve-fds=3 --bundle bundle c1", "3</"),
        redirected("preserve-fds-no-number", "run --preserve-fds=x --bundle bundle c1", "3</"),
        listening("listen-fds", RUN, &[("LISTEN_FDS", "1")]),
        listening("listen-fds-and-preserve-fds", "run --preserve-fds 1 --bundle bundle c1", &[("LISTEN_FDS", "1")]),
        listening("listen-fds-no-number", RUN, &[("LISTEN_FDS", "x")]),
        redirected("preserve-fds-at-create", "create --preserve-fds 1 --bundle bundle c1", "3</dev/null 4</")
            .call("start c1")
            .act(Act::WorkloadEnds),
    ]
}

/// With a log, the log would take the place of what is closed.
fn without_log(name: &'static str, redirections: &'static str) -> Case {
    let call = Call::new(RUN).global("--root SITE/state").redirect(redirections);
    describing(name, Surroundings::Descriptors).act(Act::Call(call))
}

/// The first file that crun opens and keeps is its log. So the container gets the log in place of a closed descriptor.
fn closed() -> Vec<Case> {
    vec![
        redirected("stdin-is-closed", RUN, "0<&-"),
        redirected("stdout-is-closed", RUN, "1>&-"),
        redirected("stderr-is-closed", RUN, "2>&-"),
        redirected("all-three-are-closed", RUN, "0<&- 1>&- 2>&-"),
        without_log("stdin-is-closed-without-a-log", "0<&-"),
        without_log("stdout-is-closed-without-a-log", "1>&-"),
        without_log("stderr-is-closed-without-a-log", "2>&-"),
        without_log("stdin-and-stdout-are-closed-without-a-log", "0<&- 1>&-"),
        without_log("stdin-and-stderr-are-closed-without-a-log", "0<&- 2>&-"),
        without_log("stdout-and-stderr-are-closed-without-a-log", "1>&- 2>&-"),
        without_log("all-three-are-closed-without-a-log", "0<&- 1>&- 2>&-"),
        redirected("stdout-is-closed-at-create", "create --bundle bundle c1", "1>&-"),
        redirected("stdout-is-closed-for-list", "list", "1>&-"),
        redirected("stderr-is-closed-for-an-error", "state nobody", "2>&-"),
        redirected("stdout-is-full", RUN, "1>/dev/full"),
    ]
}

fn surroundings() -> Vec<Case> {
    let environment = |name| describing(name, Surroundings::Environment).edit("/process/env", json!(["A=1"]));
    let identity = |name| describing(name, Surroundings::Identity);
    vec![
        environment("environment").run(),
        environment("environment-empty").edit("/process/env", json!([])).run(),
        environment("environment-with-home").edit("/process/env", json!(["HOME=/home/me", "TERM=dumb"])).run(),
        environment("environment-home-from-passwd").file("etc/passwd", "me:x:0:0::/home/me:/bin/sh\n", 0o644).run(),
        environment("environment-twice-the-same").edit("/process/env", json!(["A=1", "A=2"])).run(),
        environment("environment-without-a-value").edit("/process/env", json!(["A", "B="])).run(),
        environment("environment-listen-fds")
            .act(Act::Call(Call::new(RUN).redirect("3</dev/null").environment(&[("LISTEN_FDS", "1")]))),
        environment("environment-at-create").call("create --bundle bundle c1").call("start c1").act(Act::WorkloadEnds),
        identity("identity").run(),
        identity("identity-with-a-directory").edit("/process/cwd", "/proc").run(),
        identity("identity-of-another-user")
            .edit("/process/user", json!({"uid": 1000, "gid": 1001}))
            .edit("/root/readonly", false)
            .needs_root("give the streams to another user")
            .run()
            .act(Act::File("1.stdout"))
            .act(Act::File("1.stderr")),
        identity("identity-with-a-umask").edit("/process/user/umask", 0o77).run(),
        Case::new("hostname-is-set", script([out("ran")])).edit("/hostname", "another").run(),
    ]
}
