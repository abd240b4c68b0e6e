//! Runtimes: the programs that run a bundle.

mod bare;
pub mod cgroup_view;
mod crun;
pub mod detached;
mod fake;
mod find;
mod id;
pub mod pids_limit;
mod probe;
mod runc;
mod stage;
mod stop;
mod wanted;
mod youki;

pub use find::{Found, Mode, Programs, Unusable, find};
pub use id::new_id;
pub use pids_limit::PidsLimit;
pub use probe::probe;
pub use stage::{Parents, Play, Stage};
pub use stop::{Handle, Stop, StopStep};
pub use wanted::{Sought, Wanted};

use crate::process::Stranger;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// All runtimes, in the order of every report: the real ones first, each followed by its detached variant.
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

/// A way to run a bundle.
pub trait Runtime: Sync {
    /// The runtime's name.
    fn name(&self) -> &'static str;

    /// One line that says what it is.
    fn summary(&self) -> &'static str;

    /// Whether it is a real OCI runtime. Real runtimes come first in reports, and the harness warns if one is missing.
    fn is_real(&self) -> bool {
        true
    }

    /// Whether `compare` uses it when no runtime is named.
    fn by_default(&self) -> bool {
        false
    }

    /// The name of the program to look for in PATH. None: the runtime comes with the harness.
    fn program(&self) -> Option<&'static str>;

    /// The command that installs it on this system. None: no such command is known.
    fn install_command(&self) -> Option<String> {
        crate::machine::install_command(self.program()?)
    }

    /// Whether it runs bundles. `bare` does not: it starts the workload itself.
    fn is_oci(&self) -> bool {
        true
    }

    /// Whether `run` gets `--detach`, so that the harness's subreaper waits for the container.
    fn detached(&self) -> bool {
        false
    }

    /// Whether it needs a private cgroup2 view to start on a hybrid cgroup host.
    fn needs_cgroup_view(&self) -> bool {
        false
    }

    /// Whether it fails but leaves its container running when it cannot write the pid file.
    fn runs_on_without_pid_file(&self) -> bool {
        false
    }

    /// The exit code of the runtime when it fails itself.
    fn failure_code(&self) -> i32 {
        1
    }

    /// Whether it enforces `linux.resources.pids` of config.json.
    fn limits_pids(&self) -> bool {
        false
    }

    /// Further options before the verb, besides `--root` and `--log`.
    fn global_options(&self) -> &'static [&'static str] {
        &[]
    }
}

/// Returns the errors in a runtime's log, which is JSON: one value after the other, on a line each or, from crun 1.28 on,
/// over several lines. crun and runc write `level` and `msg`. youki writes the level in capitals, the text as `message`,
/// and its cause as `err`.
pub fn errors_in_log(text: &str) -> Vec<String> {
    let is_error = |level: &str| ["error", "fatal"].iter().any(|one| one.eq_ignore_ascii_case(level));
    let errors = json_values(text).into_iter().filter(|entry| entry["level"].as_str().is_some_and(is_error));
    let message = |entry: serde_json::Value| {
        let message = entry["msg"].as_str().or(entry["message"].as_str())?;
        let cause = entry["err"].as_str().map(|cause| format!(": {cause}")).unwrap_or_default();
        Some(format!("{message}{cause}"))
    };
    errors.filter_map(message).collect()
}

/// The JSON values of a text, one after the other. What is none is skipped to the end of its line: a runtime that was
/// killed leaves half a value, and another one's message may stand in between.
fn json_values(text: &str) -> Vec<serde_json::Value> {
    let (mut values, mut from) = (Vec::new(), 0);
    while from < text.len() {
        let mut found = serde_json::Deserializer::from_str(&text[from..]).into_iter();
        values.extend(found.by_ref().map_while(Result::ok));
        let rest = &text[from + found.byte_offset()..];
        let begins = text.len() - rest.trim_start().len();
        from = text[begins..].find('\n').map_or(text.len(), |end| begins + end);
    }
    values
}

/// A container that a runtime is to run.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The container's id, which is unique and random.
    pub id: &'a str,
    /// The directory of its bundle.
    pub bundle: &'a Path,
    /// The runtime's state directory.
    pub state_root: &'a Path,
    /// The file to which the runtime writes the pid of the container's init.
    pub pid_file: &'a Path,
    /// The runtime's log, as JSON lines.
    pub log: &'a Path,
    /// The directory that is mounted on `/exchange` in the container.
    pub exchange: &'a Path,
}

impl Found {
    /// The command line that runs `container` to its end with the caller's own descriptors. A container with a terminal
    /// always runs detached; whoever gives it the terminal creates and starts it.
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

    /// What limits the processes of its containers. None: nothing does.
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

    /// The cgroup that the harness makes for the container `id`. None: it makes none.
    fn pids_group(&self, id: &str) -> Option<PathBuf> {
        let parent = self.pids_parent.as_ref().filter(|_| self.pids_limit() == Some(PidsLimit::Cgroup))?;
        Some(parent.join(id))
    }

    /// Makes the cgroup of the container `id`, if it needs one.
    ///
    /// # Errors
    /// The cgroup cannot be made.
    pub fn make_pids_group(&self, id: &str) -> io::Result<()> {
        match &self.pids_parent {
            Some(parent) if self.pids_group(id).is_some() => pids_limit::make(parent, id),
            _ => Ok(()),
        }
    }

    /// The processes in the cgroup of the container `id`.
    pub fn in_pids_group(&self, id: &str) -> Vec<Stranger> {
        self.pids_group(id).map(|group| pids_limit::members(&group)).unwrap_or_default()
    }

    /// Removes the cgroup of the container `id`, whose processes must have ended. Blocks for at most a second.
    ///
    /// # Errors
    /// The cgroup is still in use.
    pub fn remove_pids_group(&self, id: &str) -> io::Result<()> {
        self.pids_group(id).map_or(Ok(()), |group| pids_limit::remove(&group))
    }

    /// The handle by which the other verbs (kill, delete, state) reach `container`. None: the runtime runs no bundles.
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

    /// The words before the runtime. Empty if the runtime needs no view and no limit, and nobody has to wait for its
    /// container.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_json_on_one_line_or_on_several_and_may_be_cut() {
        // As crun 1.8.1 and 1.21, crun 1.28, and youki write it.
        let one = r#"{"msg":"no such file","level":"error","time":"2026-11-26T05:55:58.808673Z"}"#;
        let several = "{\n  \"msg\": \"no such\\nfile\",\n  \"level\": \"error\",\n  \"time\": \"x\"\n}\n";
        let youki = r#"{"level":"ERROR","message":"failed","err":"no such file"}"#;
        let told = r#"{"msg":"it runs","level":"info"}"#;
        assert_eq!(errors_in_log(&format!("{one}\n")), ["no such file"]);
        assert_eq!(errors_in_log(&format!("{told}\n{several}{several}")), ["no such\nfile", "no such\nfile"]);
        assert_eq!(
            errors_in_log(&format!("not JSON {{\n{youki}\n  and more\n{one}")),
            ["failed: no such file", "no such file"]
        );
        assert_eq!(errors_in_log(&several[..30]), [""; 0], "cut, because the runtime was killed");
        assert_eq!(errors_in_log(&format!("{}\n{one}", &several[..30])), ["no such file"]);
        assert_eq!(errors_in_log(""), [""; 0]);
    }
}
