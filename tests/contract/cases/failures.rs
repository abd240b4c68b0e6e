//! Failures before the workload runs: the message, the log, the exit code, and that nothing is left.

use crate::case::{Act, Call, Case, script};
use crun_capture::bundle::Flaw;
use serde_json::{Value, json};

pub(super) fn cases() -> Vec<Case> {
    [configurations(), programs(), calls()].into_iter().flatten().collect()
}

fn case(name: &'static str) -> Case {
    Case::new(name, script([]))
}

/// Errors in the bundle.
fn configurations() -> Vec<Case> {
    vec![
        case("config-missing").flaw(Flaw::MissingConfig).run(),
        case("config-cut-short").flaw(Flaw::InvalidJson).run(),
        case("config-empty")
            .flaw(Flaw::MissingConfig)
            .call("run --bundle bundle --config SITE/rootfs/empty c1")
            .file("empty", "", 0o644),
        case("config-garbage")
            .flaw(Flaw::MissingConfig)
            .file("text", "hello\n", 0o644)
            .call("run --bundle bundle --config SITE/rootfs/text c1"),
        case("config-is-a-list").file("list", "[]\n", 0o644).call("run --bundle bundle --config SITE/rootfs/list c1"),
        case("bundle-missing").call("run --bundle nowhere c1"),
        case("rootfs-missing").edit("/root/path", "nowhere").run(),
        case("rootfs-missing-absolute").edit("/root/path", "/no/such/rootfs").run(),
        case("root-missing").edit("/root", Value::Null).run(),
        case("version-missing").edit("/ociVersion", Value::Null).run(),
        case("version-unknown").edit("/ociVersion", "2.0.0").run(),
        case("version-1-1").edit("/ociVersion", "1.1.0").run(),
        case("process-missing").edit("/process", Value::Null).run(),
        case("cwd-undefined").edit("/process/cwd", Value::Null).run(),
        case("cwd-missing").edit("/process/cwd", "/made/for/it").run().act(Act::File("rootfs/made/for/it")),
        case("cwd-is-a-file").edit("/process/cwd", "/crun-capture-emit").run(),
        case("namespace-unknown").edit("/linux/namespaces/-", json!({"type": "frob"})).run(),
        case("mount-source-missing")
            .edit("/mounts/-", json!({"destination": "/x", "type": "bind", "source": "/no/such", "options": ["bind"]}))
            .run(),
        hook("hook-fails", "/bin/false"),
        hook("hook-missing", "/no/such/hook"),
        hook("hook-succeeds", "/bin/true"),
    ]
}

/// Seen once in some 30 rootless runs of all cases: exit code -33 instead of that of the hook, and a broken pipe.
fn hook(name: &'static str, path: &str) -> Case {
    let case = case(name).edit("/hooks", json!({"createRuntime": [{"path": path}]})).run();
    case.races("the child that is to become the hook may be gone before crun has written the state to it")
}

/// Errors of the program.
fn programs() -> Vec<Case> {
    let args = "/process/args";
    vec![
        case("program-not-found").edit(args, json!(["/nope"])).run(),
        case("program-not-in-path").edit(args, json!(["nope"])).run(),
        case("program-found-in-path")
            .edit(args, json!(["crun-capture-emit", "/exchange"]))
            .edit("/process/env/-", "PATH=/bin:/")
            .run(),
        case("program-not-executable").edit(args, json!(["/text"])).file("text", "hello", 0o644).run(),
        case("program-is-a-directory").edit(args, json!(["/proc"])).run(),
        case("program-undefined").edit(args, Value::Null).run(),
        case("program-empty-list").edit(args, json!([])).run(),
        case("program-bad-interpreter").edit(args, json!(["/script"])).file("script", "#!/no/such\n", 0o755).run(),
        case("program-is-text").edit(args, json!(["/text"])).file("text", "hello world\n", 0o755).run(),
        case("program-is-empty").edit(args, json!(["/text"])).file("text", "", 0o755).run(),
        case("program-is-cut-short").edit(args, json!(["/elf"])).file("elf", "\x7fELF garbage", 0o755).run(),
        case("program-not-found-at-create").edit(args, json!(["/nope"])).call("create --bundle bundle c1"),
    ]
}

/// Errors in the call.
fn calls() -> Vec<Case> {
    let call = |name, words| case(name).call(words);
    vec![
        call("id-missing", "run --bundle bundle"),
        call("id-missing-for-state", "state"),
        call("id-with-a-slash", "run --bundle bundle a/b"),
        call("id-after-id", "run --bundle bundle c1 c2"),
        call("id-after-id-for-start", "start c1 c2"),
        call("id-after-id-for-kill", "kill c1 TERM c2"),
        call("id-for-list", "list c1"),
        call("command-missing", ""),
        call("command-unknown", "frobnicate"),
        call("flag-unknown", "run --frob --bundle bundle c1"),
        call("flag-unknown-with-a-value", "run --frob=1 --bundle bundle c1"),
        call("flag-unknown-letter", "run -x --bundle bundle c1"),
        call("flag-unknown-for-kill", "kill --frob c1"),
        call("flag-detach-for-create", "create --detach --bundle bundle c1"),
        call("flag-value-missing", "run --bundle"),
        call("flag-value-missing-letter", "run -b"),
        call("flag-value-too-many", "run --no-pivot=yes --bundle bundle c1"),
        call("flag-ambiguous", "run --no --bundle bundle c1"),
        call("flag-after-id", "run --bundle bundle c1 --frob"),
        case("global-flag-unknown").act(Act::Call(Call::new("list").global("--root SITE/state --frob"))),
        case("global-flag-log-level").act(Act::Call(Call::new("list").global("--root SITE/state --log-level=debug"))),
        case("global-flag-after-the-command").call("list --root SITE/state"),
        case("log-format-unknown")
            .act(Act::Call(Call::new("list").global("--root SITE/state --log SITE/1.log --log-format xml"))),
        case("log-cannot-be-made")
            .act(Act::Call(Call::new("list").global("--root SITE/state --log /no/such/directory/log"))),
        case("log-as-text").edit("/process/args", json!(["/nope"])).act(Act::Call(
            Call::new("run --bundle bundle c1").global("--root SITE/state --log SITE/rootfs/log --log-format text"),
        )),
    ]
}
