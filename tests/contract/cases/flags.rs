//! Flags, whether they change how a container is made or not.

use crate::case::{Act, Call, Case, out, script, wait};
use serde_json::json;

pub(super) fn cases() -> Vec<Case> {
    let run = |name, words| Case::new(name, script([out("ran")])).call(words);
    let held = |name| Case::new(name, script([wait("go")]));
    vec![
        run("bundle-letter", "run -b bundle c1"),
        run("bundle-letter-glued", "run -bbundle c1"),
        run("bundle-with-equals", "run --bundle=bundle c1"),
        run("bundle-shortened", "run --bund bundle c1"),
        run("bundle-twice", "run --bundle nowhere --bundle bundle c1"),
        run("flags-end-at-two-dashes", "run --bundle bundle -- c1"),
        run("config-by-letter", "run --bundle bundle -f config.json c1"),
        run("config-relative-to-the-caller", "run --bundle rootfs --config bundle/config.json c1"),
        run("config-not-in-the-bundle", "run --bundle bundle --config other.json c1"),
        run("no-new-keyring", "run --no-new-keyring --bundle bundle c1"),
        run("no-pivot", "run --no-pivot --bundle bundle c1"),
        run("no-subreaper", "run --no-subreaper --bundle bundle c1"),
        run("all-at-once", "run --no-new-keyring --no-pivot --no-subreaper --preserve-fds 0 --bundle bundle c1"),
        Case::new("bundle-is-the-working-directory", script([out("ran")])).call("run --bundle SITE/bundle c1"),
        Case::new("root-has-a-name", script([out("ran")])).edit("/root/readonly", false).run(),
        Case::new("rootless-flag", script([out("ran")])).act(Act::Call(
            Call::new("run --bundle bundle c1")
                .global("--root SITE/state --log SITE/1.log --log-format json --rootless=auto"),
        )),
        // Both paths are relative to the bundle, not to the directory of the caller.
        Case::new("root-and-log-relative", script([]))
            .edit("/process/args", json!(["/nope"]))
            .act(Act::Call(Call::new("run --bundle bundle c1").global("--root root --log log")))
            .act(Act::File("bundle/log")),
        Case::new("version", script([])).act(Act::Call(Call::new("").global("--version"))),
        Case::new("log-in-json-by-default-format", script([]))
            .edit("/process/args", json!(["/nope"]))
            .act(Act::Call(Call::new("run --bundle bundle c1").global("--root SITE/state --log SITE/rootfs/log")))
            .act(Act::File("rootfs/log")),
        held("pid-file-relative")
            .spawn("run --bundle bundle --pid-file pid c1")
            .act(Act::Reach("go"))
            .act(Act::Appears("bundle/pid"))
            .act(Act::File("bundle/pid"))
            .act(Act::Open("go"))
            .act(Act::Finish),
        held("pid-file-absolute-at-create")
            .call("create --bundle bundle --pid-file SITE/pid c1")
            .act(Act::File("pid"))
            .call("start c1")
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds),
        held("pid-file-is-overwritten")
            .file("pid", "a long text that was there before\n", 0o644)
            .call("run --detach --bundle bundle --pid-file SITE/rootfs/pid c1")
            .act(Act::File("rootfs/pid"))
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds),
        // The trap: the runtime reports an error and removes the state, but the container lives.
        held("pid-file-cannot-be-made")
            .call("run --bundle bundle --pid-file nowhere/pid c1")
            .act(Act::Reach("go"))
            .act(Act::Lives)
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds)
            .act(Act::Lives),
        held("pid-file-cannot-be-made-detached")
            .call("run --detach --bundle bundle --pid-file nowhere/pid c1")
            .act(Act::Reach("go"))
            .act(Act::Lives)
            .act(Act::Open("go"))
            .act(Act::WorkloadEnds),
        held("pid-file-cannot-be-made-at-create").call("create --bundle bundle --pid-file nowhere/pid c1"),
    ]
}
