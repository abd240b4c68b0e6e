//! A case: a bundle, and the steps that are taken with it. Data only.

use crun_capture::bundle::Flaw;
use crun_capture::script::{Data, End, Script, Step};
use crun_capture_reactor::Stream;
use serde_json::Value;

/// One thing that crun does, shown with a container of its own.
pub(crate) struct Case {
    /// The name of the case and of its fixture.
    pub(crate) name: &'static str,
    /// The bundle of the container.
    pub(crate) bundle: Bundle,
    /// The steps, in their order.
    pub(crate) acts: Vec<Act>,
    /// Why only root can do it. None: anybody can.
    pub(crate) needs_root: Option<&'static str>,
    /// A race in crun that it may lose. The case is then played again. None: crun answers the same each time.
    pub(crate) race: Option<&'static str>,
}

/// The bundle of a container.
pub(crate) struct Bundle {
    pub(crate) script: Script,
    pub(crate) pid_namespace: bool,
    pub(crate) flaw: Flaw,
    /// The places in config.json to edit, and the values for them. The places are JSON pointers, and `/-` at the end
    /// appends. The value null removes.
    pub(crate) edits: Vec<(&'static str, Value)>,
    /// Further files in the rootfs: path, content, mode.
    pub(crate) files: Vec<(&'static str, &'static str, u32)>,
}

/// One step of a case.
pub(crate) enum Act {
    /// Runs the runtime and waits for it.
    Call(Call),
    /// Starts the runtime and goes on.
    Spawn(Call),
    /// Waits for the runtime that `Spawn` started.
    Finish,
    /// Sends a signal to the runtime that `Spawn` started.
    Signal(i32),
    /// Waits until the workload waits at this gate, which stays shut.
    Reach(&'static str),
    /// Waits until the workload waits at this gate, and lets it through.
    Open(&'static str),
    /// Asks for the state until it is this one.
    Until(&'static str),
    /// Waits until a file has content.
    Appears(&'static str),
    /// Notes whether the runtime that `Spawn` started still runs.
    Waits,
    /// Waits until no process of the container is left.
    WorkloadEnds,
    /// Notes whether a process of the container lives.
    Lives,
    /// Notes the mode and content of a file. Digits that are the container's pid are marked as such.
    File(&'static str),
    /// Makes the socket on which a terminal is to be received.
    Listen,
    /// Receives the terminal and everything written to it until its end.
    Terminal,
}

/// A command line of the runtime.
#[derive(Clone)]
pub(crate) struct Call {
    /// The words, separated by spaces. `SITE` stands for the directory of the case.
    pub(crate) words: &'static str,
    /// The global options, before the words. None: `--root`, and a log of its own in JSON.
    pub(crate) global: Option<&'static str>,
    /// Redirections, as a shell writes them. They are made just before the runtime starts.
    pub(crate) redirections: &'static str,
    /// Further environment variables.
    pub(crate) environment: &'static [(&'static str, &'static str)],
}

impl Case {
    /// The same case, in which crun has a race.
    pub(crate) fn races(mut self, race: &'static str) -> Case {
        self.race = Some(race);
        self
    }

    /// A case with a container that plays this script, in a pid namespace of its own.
    pub(crate) fn new(name: &'static str, script: Script) -> Case {
        let bundle = Bundle { script, pid_namespace: true, flaw: Flaw::None, edits: Vec::new(), files: Vec::new() };
        Case { name, bundle, acts: Vec::new(), needs_root: None, race: None }
    }

    pub(crate) fn without_pid_namespace(mut self) -> Case {
        self.bundle.pid_namespace = false;
        self
    }

    pub(crate) fn flaw(mut self, flaw: Flaw) -> Case {
        self.bundle.flaw = flaw;
        self
    }

    pub(crate) fn edit(mut self, pointer: &'static str, value: impl Into<Value>) -> Case {
        self.bundle.edits.push((pointer, value.into()));
        self
    }

    pub(crate) fn file(mut self, path: &'static str, content: &'static str, mode: u32) -> Case {
        self.bundle.files.push((path, content, mode));
        self
    }

    pub(crate) fn needs_root(mut self, why: &'static str) -> Case {
        self.needs_root = Some(why);
        self
    }

    pub(crate) fn act(mut self, act: Act) -> Case {
        self.acts.push(act);
        self
    }

    /// Runs the runtime with these words and waits for it.
    pub(crate) fn call(self, words: &'static str) -> Case {
        self.act(Act::Call(Call::new(words)))
    }

    /// Starts the runtime with these words and goes on.
    pub(crate) fn spawn(self, words: &'static str) -> Case {
        self.act(Act::Spawn(Call::new(words)))
    }

    /// Makes the usual call: in the foreground, from the bundle.
    pub(crate) fn run(self) -> Case {
        self.call("run --bundle bundle c1")
    }
}

impl Call {
    pub(crate) fn new(words: &'static str) -> Call {
        Call { words, global: None, redirections: "", environment: &[] }
    }

    pub(crate) fn redirect(self, redirections: &'static str) -> Call {
        Call { redirections, ..self }
    }

    pub(crate) fn environment(self, environment: &'static [(&'static str, &'static str)]) -> Call {
        Call { environment, ..self }
    }

    pub(crate) fn global(self, words: &'static str) -> Call {
        Call { global: Some(words), ..self }
    }
}

/// A script of these steps that ends with exit code 0.
pub(crate) fn script<const N: usize>(steps: [Step; N]) -> Script {
    ending(steps, End::Exit(0))
}

/// A script of these steps with this end.
pub(crate) fn ending<const N: usize>(steps: [Step; N], end: End) -> Script {
    Script { steps: steps.into(), ..Script::new(1, end) }
}

/// Writes a line to stdout.
pub(crate) fn out(text: &str) -> Step {
    Step::Write { stream: Stream::Stdout, data: Data::Text(format!("{text}\n")), piece_bytes: None }
}

/// Writes a line to stderr.
pub(crate) fn err(text: &str) -> Step {
    Step::Write { stream: Stream::Stderr, data: Data::Text(format!("{text}\n")), piece_bytes: None }
}

/// Waits at a gate.
pub(crate) fn wait(gate: &str) -> Step {
    Step::Wait { gate: gate.into() }
}
