//! Ends a container and sees that it is gone.
//!
//! No single step can be relied on: TERM is forwarded to a PID 1 that may ignore it (pid_namespaces(7)), crun 1.8.1 answers
//! a signal it does not know with 0 and does nothing, and a container outlives its front process. So each step has a
//! deadline and leaves its outcome, and the end is verified by the runtime's own word and by a pidfd of the init.

use crate::files::{read_regular, write_private};
use crate::process::{Family, VERB_DEADLINE, readable};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The file of a handle, in the directory that belongs to its container.
const FILE: &str = "container.json";

/// A container that was started, as far as the runtime's other verbs are concerned. It is kept on disk beside its bundle, so
/// that a later run can stop what a killed one has left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handle {
    /// The words before a verb: the runtime with its options, and what stands before it.
    pub words: Vec<OsString>,
    /// The runtime's state directory.
    pub state_root: PathBuf,
    /// The container's id.
    pub id: String,
}

/// How a container was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Its status when the stop began, by the runtime's own word: created, running, stopped; None where it gave none.
    pub status: Option<String>,
    /// What was done, in order.
    pub steps: Vec<Step>,
    /// Whether it is gone: the runtime does not know it any more, and its init has ended.
    pub gone: bool,
}

/// One step of a stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `state`, `kill TERM`, `grace`, `kill KILL`, `end`, `delete`, `gone`.
    pub name: String,
    /// How long it took.
    pub took_ns: u64,
    /// How it came out: `ok`, or what the runtime said.
    pub outcome: String,
}

impl Stop {
    /// What was left in spite of it, in words; None where it is gone.
    pub fn failure(&self, id: &str) -> Option<String> {
        let steps = || self.steps.iter().map(|step| format!("{}: {}", step.name, step.outcome)).collect::<Vec<_>>();
        (!self.gone).then(|| format!("container {id} cannot be stopped ({})", steps().join("; ")))
    }
}

impl Handle {
    /// Writes it into `directory`, before the container is started.
    ///
    /// # Errors
    /// It cannot be written, or there is one; with the path.
    pub fn save(&self, directory: &Path) -> std::io::Result<()> {
        write_private(&directory.join(FILE), &serde_json::to_vec(self)?)
    }

    /// The one in `directory`; None where there is none that is whole, or one of another container.
    pub fn read(directory: &Path) -> Option<Handle> {
        let handle: Handle = serde_json::from_slice(&read_regular(&directory.join(FILE)).ok()??).ok()?;
        let is_here = handle.state_root.parent() == Some(directory);
        (!handle.words.is_empty() && is_here).then_some(handle)
    }

    /// Whether the runtime keeps a state for it.
    pub fn has_state(&self) -> bool {
        self.state_root.join(&self.id).exists()
    }

    /// Stops it: TERM, `grace` to end by itself, KILL, `delete -f`; then sees that it is gone. Blocks for at most the grace
    /// and the deadlines of the steps, VERB_DEADLINE each.
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

/// A stop under way.
struct Stopping<'a> {
    handle: &'a Handle,
    family: &'a Family,
    steps: Vec<Step>,
}

impl Stopping<'_> {
    /// The status by the runtime's own word, and a descriptor of the init where that runs.
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

    /// The runtime's word decides, and an init of which there is a descriptor must have ended.
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

    /// Runs a verb; its output where it succeeded.
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
        self.steps.push(Step { name: name.to_owned(), took_ns, outcome: outcome.to_owned() });
    }
}
