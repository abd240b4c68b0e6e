//! Stops a container and verifies that it is gone.
//!
//! No single step is reliable. TERM is forwarded to a PID 1 that may ignore it (pid_namespaces(7)). crun 1.8.1 returns
//! 0 for a signal that it does not know, and does nothing. A container may outlive its front process. So each step has
//! a deadline and records its outcome, and both the runtime's own word and a pidfd of the init must confirm the end.

use crate::files::{read_regular, write_private};
use crate::process::{Family, VERB_DEADLINE, readable};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The name of a handle's file, in the directory of its container.
const FILE: &str = "container.json";

/// What the runtime's other verbs need to reach a container that was started. It is kept on disk beside the bundle, so
/// that a later run can stop what a killed run has left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handle {
    /// The command line before a verb: the runtime with its options, after anything that stands before it.
    pub words: Vec<OsString>,
    /// The runtime's state directory.
    pub state_root: PathBuf,
    /// The container's id.
    pub id: String,
}

/// The way in which a container was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// The status when the stop began, as the runtime reports it: created, running, stopped. None: it reported none.
    pub status: Option<String>,
    /// The steps, in order.
    pub steps: Vec<StopStep>,
    /// Whether the container is gone: the runtime no longer knows it, and its init has ended.
    pub gone: bool,
}

/// One step of a stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopStep {
    /// The step's name: `state`, `kill TERM`, `grace`, `kill KILL`, `end`, `delete`, `gone`.
    pub name: String,
    /// How long the step took, in ns.
    pub took_ns: u64,
    /// The result: `ok`, or what the runtime said.
    pub outcome: String,
}

impl Stop {
    /// The failure in words. None: the container is gone.
    pub fn failure(&self, id: &str) -> Option<String> {
        let steps = || self.steps.iter().map(|step| format!("{}: {}", step.name, step.outcome)).collect::<Vec<_>>();
        (!self.gone).then(|| format!("container {id} cannot be stopped ({})", steps().join("; ")))
    }
}

impl Handle {
    /// Writes the handle into `directory`. This happens before the container is started.
    ///
    /// # Errors
    /// The file cannot be written, or already exists. The error names its path.
    pub fn save(&self, directory: &Path) -> std::io::Result<()> {
        write_private(&directory.join(FILE), &serde_json::to_vec(self)?)
    }

    /// Reads the handle in `directory`. None: there is none, it is incomplete, or it belongs to another container.
    pub fn read(directory: &Path) -> Option<Handle> {
        let handle: Handle = serde_json::from_slice(&read_regular(&directory.join(FILE)).ok()??).ok()?;
        let is_here = handle.state_root.parent() == Some(directory);
        (!handle.words.is_empty() && is_here).then_some(handle)
    }

    /// Whether the runtime keeps a state for the container.
    pub fn has_state(&self) -> bool {
        self.state_root.join(&self.id).exists()
    }

    /// Stops the container: TERM, `grace` for it to end by itself, KILL, `delete -f`. Then verifies that it is gone.
    /// Blocks for at most the grace and the deadlines of the steps, VERB_DEADLINE each.
    pub fn stop(&self, family: &Family, grace: Duration) -> Stop {
        let mut stopping = Stopping { handle: self, family, steps: Vec::new() };
        let (status, init) = stopping.state();
        if let Some(init) = init.filter(|init| !readable(init.as_fd(), Duration::ZERO)) {
            stopping.verb("kill TERM", &["kill", &self.id, "TERM"]);
            if !stopping.ended("grace", &init, grace) {
                stopping.verb("kill KILL", &["kill", &self.id, "KILL"]);
                stopping.ended("end", &init, VERB_DEADLINE);
            }
            stopping.verb("delete", &["delete", "-f", &self.id]);
            let gone = stopping.gone(Some(&init));
            return Stop { status, steps: stopping.steps, gone };
        }
        stopping.verb("delete", &["delete", "-f", &self.id]);
        let gone = stopping.gone(None);
        Stop { status, steps: stopping.steps, gone }
    }
}

/// A stop in progress.
struct Stopping<'a> {
    handle: &'a Handle,
    family: &'a Family,
    steps: Vec<StopStep>,
}

impl Stopping<'_> {
    /// The status that the runtime reports, and a pidfd of the init if it runs.
    fn state(&mut self) -> (Option<String>, Option<OwnedFd>) {
        let Some(output) = self.verb("state", &["state", &self.handle.id]) else { return (None, None) };
        let state: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let pid = state["pid"].as_i64().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        let init = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        (state["status"].as_str().map(str::to_owned), init)
    }

    /// Whether the init ends within this time.
    fn ended(&mut self, name: &str, init: &OwnedFd, within: Duration) -> bool {
        let started = Instant::now();
        let ended = readable(init.as_fd(), within);
        self.note(name, started, if ended { "ok" } else { "it still runs" });
        ended
    }

    /// Whether the container is gone. The runtime must not know it any more, and if there is a pidfd of the init, that
    /// must have ended.
    fn gone(&mut self, init: Option<&OwnedFd>) -> bool {
        let started = Instant::now();
        let unknown =
            !self.handle.has_state() && self.run(&["state", &self.handle.id]).is_ok_and(|it| !it.status.success());
        let ended = init.is_none_or(|init| readable(init.as_fd(), Duration::ZERO));
        let outcome = match (unknown, ended) {
            (true, true) => "ok",
            (false, _) => "the runtime still knows it",
            (true, false) => "its init still runs",
        };
        self.note("gone", started, outcome);
        unknown && ended
    }

    /// Runs a verb. Returns its output if it succeeded.
    fn verb(&mut self, name: &str, arguments: &[&str]) -> Option<Output> {
        let started = Instant::now();
        match self.run(arguments) {
            Ok(output) if output.status.success() => {
                self.note(name, started, "ok");
                Some(output)
            }
            Ok(output) => {
                let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                self.note(name, started, &format!("{}: {text}", output.status));
                None
            }
            Err(error) => {
                self.note(name, started, &error.to_string());
                None
            }
        }
    }

    fn run(&self, arguments: &[&str]) -> std::io::Result<Output> {
        let mut command = Command::new(&self.handle.words[0]);
        self.family.output(command.args(&self.handle.words[1..]).args(arguments), VERB_DEADLINE)
    }

    fn note(&mut self, name: &str, started: Instant, outcome: &str) {
        let took_ns = started.elapsed().as_nanos() as u64;
        self.steps.push(StopStep { name: name.to_owned(), took_ns, outcome: outcome.to_owned() });
    }
}
