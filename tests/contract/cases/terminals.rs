//! `process.terminal` and `--console-socket`.

use crate::case::{Act, Bundle, Case, out, script, wait};
use crun_capture::script::{Step, Surroundings};
use serde_json::json;

/// A container with a terminal of its own. Its devpts has the options that an unprivileged user may use too.
fn terminal(name: &'static str) -> Case {
    without_devpts(name).edit(
        "/mounts/-",
        json!({
            "destination": "/dev/pts", "type": "devpts", "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        }),
    )
}

fn silent(name: &'static str) -> Case {
    Case { bundle: Bundle { script: script([]), ..terminal(name).bundle }, ..terminal(name) }
}

fn without_devpts(name: &'static str) -> Case {
    Case::new(name, script([out("hello"), Step::Describe { what: Surroundings::Descriptors }]))
        .edit("/process/terminal", true)
}

pub(super) fn cases() -> Vec<Case> {
    const RUN: &str = "run --console-socket SITE/console --bundle bundle c1";
    vec![
        // What a workload writes to its terminal may reach the output or not, so this one writes nothing.
        silent("terminal-without-tty-and-socket").run(),
        terminal("terminal-without-tty-and-socket-detached").call("run --detach --bundle bundle c1"),
        terminal("terminal-without-socket-at-create").call("create --bundle bundle c1"),
        terminal("console-socket").act(Act::Listen).spawn(RUN).act(Act::Terminal).act(Act::Finish),
        terminal("console-socket-relative")
            .act(Act::Listen)
            .spawn("run --console-socket ../console --bundle bundle c1")
            .act(Act::Terminal)
            .act(Act::Finish),
        terminal("console-socket-detached")
            .act(Act::Listen)
            .call("run --detach --console-socket SITE/console --bundle bundle c1")
            .act(Act::Terminal)
            .act(Act::WorkloadEnds),
        Case::new("console-socket-at-create", script([wait("go"), out("hello")]))
            .edit("/process/terminal", true)
            .edit(
                "/mounts/-",
                json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance", "ptmxmode=0666"]}),
            )
            .act(Act::Listen)
            .call("create --console-socket SITE/console --bundle bundle c1")
            .call("start c1")
            .act(Act::Open("go"))
            .act(Act::Terminal)
            .act(Act::WorkloadEnds),
        terminal("console-socket-missing").call(RUN),
        terminal("console-socket-is-a-file").call("run --console-socket SITE/bundle/config.json --bundle bundle c1"),
        terminal("console-socket-without-a-terminal").edit("/process/terminal", false).act(Act::Listen).call(RUN),
        terminal("console-socket-path-too-long").call(
            "run --console-socket /a-path-that-is-much-longer-than-the-one-hundred-and-eight-bytes-which-a-socket-address-has-room-for-in-linux --bundle bundle c1",
        ),
        without_devpts("console-socket-without-devpts").act(Act::Listen).call(RUN),
    ]
}
