//! What runs a bundle.

mod bare;
pub mod cgroup_view;
mod crun;
pub mod detached;
mod fake;
mod find;
pub mod pids_limit;
mod runc;
mod stage;
mod stop;
mod wanted;
mod youki;

pub use find::{Found, Mode, Programs, Unusable, find, new_id, probe};
pub use pids_limit::PidsLimit;
pub use stage::{Parents, Play, Stage};
pub use stop::{Handle, Step, Stop};
pub use wanted::{Sought, Wanted};

use crate::process::Stranger;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// All runtimes: the real ones first, each followed by its detached kind. The order is that of every report.
pub static ALL: &[&dyn Runtime] = &[
    &crun::Crun { detached: false },
    &crun::Crun { detached: true },
    &runc::Runc { detached: false },
    &runc::Runc { detached: true },
    &youki::Youki { detached: false },
    &youki::Youki { detached: true },
    &fake::Fake,
    &bare::Bare,
];

/// One way of running a bundle.
pub trait Runtime: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it is, in one line.
    fn summary(&self) -> &'static str;

    /// Whether it is a real OCI runtime, so that its rows come first and its absence is said loudly.
    fn is_real(&self) -> bool {
        true
    }

    /// Whether `compare` uses it when none is named.
    fn by_default(&self) -> bool {
        false
    }

    /// The program to look for in PATH; None for a runtime that comes with the harness.
    fn program(&self) -> Option<&'static str>;

    /// The command that installs it here; None where none is known.
    fn install_command(&self) -> Option<String> {
        crate::machine::install_command(self.program()?)
    }

    /// Whether it runs bundles at all: `bare` starts the workload itself.
    fn is_oci(&self) -> bool {
        true
    }

    /// Whether `run` gets `--detach`, and a subreaper of ours waits for the container.
    fn detached(&self) -> bool {
        false
    }

    /// Whether it starts on a hybrid cgroup host only in a private cgroup2 view.
    fn needs_cgroup_view(&self) -> bool {
        false
    }

    /// Whether it leaves its container running when it cannot write the pid file, and fails.
    fn runs_on_without_pid_file(&self) -> bool {
        false
    }

    /// What it exits with when it fails itself.
    fn failure_code(&self) -> i32 {
        1
    }

    /// Whether it keeps `linux.resources.pids` of config.json.
    fn limits_pids(&self) -> bool {
        false
    }

    /// Options before the verb, besides `--root` and `--log`.
    fn global_options(&self) -> &'static [&'static str] {
        &[]
    }
}

/// The errors in a runtime's log, which is JSON lines. crun and runc write `level` and `msg`; youki writes the level in
/// capitals, and `message`, with the cause in `err`.
pub fn errors_in_log(text: &str) -> Vec<String> {
    let is_error = |level: &str| ["error", "fatal"].iter().any(|one| one.eq_ignore_ascii_case(level));
    let entries = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let errors = entries.filter(|entry| entry["level"].as_str().is_some_and(is_error));
    let message = |entry: serde_json::Value| {
        let message = entry["msg"].as_str().or(entry["message"].as_str())?;
        let cause = entry["err"].as_str().map(|cause| format!(": {cause}")).unwrap_or_default();
        Some(format!("{message}{cause}"))
    };
    errors.filter_map(message).collect()
}

/// A container to be.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// Its id: unique and random.
    pub id: &'a str,
    /// Its bundle.
    pub bundle: &'a Path,
    /// The runtime's state directory.
    pub state_root: &'a Path,
    /// Where the runtime writes the pid of the container's init.
    pub pid_file: &'a Path,
    /// The runtime's own log, as JSON lines.
    pub log: &'a Path,
    /// The directory that is `/exchange` in the container.
    pub exchange: &'a Path,
}

impl Found {
    /// The command line that runs `container` to its end with the caller's own descriptors. One with a terminal is created and started
    /// by who gives it that, and detached in any case.
    pub fn run_command(&self, container: &Container<'_>, terminal: bool) -> Vec<OsString> {
        if !self.runtime.is_oci() {
            return vec![self.emit.clone().into(), container.exchange.into()];
        }
        let detached = self.runtime.detached() && !terminal;
        let wait_for = detached.then_some(container.pid_file);
        let mut command = self.front(wait_for, self.pids_group(container.id).as_deref());
        command.push(self.program.clone().into());
        command.extend(["--root".into(), container.state_root.into()]);
        command.extend(["--log".into(), container.log.into(), "--log-format".into(), "json".into()]);
        command.extend(self.runtime.global_options().iter().map(OsString::from));
        command.push("run".into());
        command.extend(detached.then(|| "--detach".into()));
        command.extend(["--bundle".into(), container.bundle.into()]);
        command.extend(["--pid-file".into(), container.pid_file.into(), container.id.into()]);
        command
    }

    /// What limits the processes of its containers; None where nothing does.
    pub fn pids_limit(&self) -> Option<PidsLimit> {
        if !self.runtime.is_oci() {
            None
        } else if self.mode.rootless {
            Some(PidsLimit::Rlimit)
        } else if self.runtime.limits_pids() {
            Some(PidsLimit::Runtime)
        } else {
            self.pids_parent.as_ref().map(|_| PidsLimit::Cgroup)
        }
    }

    /// The control group of the container `id`; None where it has none of the harness's.
    fn pids_group(&self, id: &str) -> Option<PathBuf> {
        let parent = self.pids_parent.as_ref().filter(|_| self.pids_limit() == Some(PidsLimit::Cgroup))?;
        Some(parent.join(id))
    }

    /// Makes the control group of the container `id`, where it is to have one.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_pids_group(&self, id: &str) -> io::Result<()> {
        match &self.pids_parent {
            Some(parent) if self.pids_group(id).is_some() => pids_limit::make(parent, id),
            _ => Ok(()),
        }
    }

    /// The processes in it.
    pub fn in_pids_group(&self, id: &str) -> Vec<Stranger> {
        self.pids_group(id).map(|group| pids_limit::members(&group)).unwrap_or_default()
    }

    /// Removes it, when its processes have ended.
    ///
    /// # Errors
    /// It is still in use.
    pub fn remove_pids_group(&self, id: &str) -> io::Result<()> {
        self.pids_group(id).map_or(Ok(()), |group| pids_limit::remove(&group))
    }

    /// What reaches `container` by the other verbs: kill, delete, state. None where nothing runs bundles.
    pub fn handle(&self, container: &Container<'_>) -> Option<Handle> {
        if !self.runtime.is_oci() {
            return None;
        }
        let mut words = if self.mode.rootless { self.front(None, None) } else { Vec::new() };
        words.push(self.program.clone().into());
        words.extend(["--root".into(), container.state_root.into()]);
        words.extend(self.runtime.global_options().iter().map(OsString::from));
        Some(Handle { words, state_root: container.state_root.to_owned(), id: container.id.to_owned() })
    }

    /// What stands before the runtime: nothing, where it needs no view, no limit, and nobody to wait for its container.
    fn front(&self, wait_for: Option<&Path>, pids_group: Option<&Path>) -> Vec<OsString> {
        let mut options: Vec<OsString> = Vec::new();
        if let Some(group) = pids_group {
            options.extend(["--pids-group".into(), group.into()]);
        }
        options.extend(self.mode.user_namespace.then(|| "--user-namespace".into()));
        options.extend(self.mode.cgroup_view.then(|| "--cgroup-view".into()));
        if let Some(pid_file) = wait_for {
            options.extend(["--wait-for".into(), pid_file.into()]);
        }
        if options.is_empty() {
            return Vec::new();
        }
        let mut front = vec![self.crun_capture.clone().into(), "front".into()];
        front.append(&mut options);
        front.push("--".into());
        front
    }
}
