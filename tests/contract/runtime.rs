//! The two programs that play the cases: the fake and the installed crun, each with what it needs to run here.

use crate::case::Call;
use crate::case_directory::CaseDirectory;
use crun_capture::machine::{CgroupMode, cgroup_mode, is_root};
use std::fs::File;
use std::io;
use std::process::{Command, Stdio};

/// The version of crun whose contract the fake keeps.
pub(crate) const CONTRACT: &str = "1.8.1";

/// A program that plays the cases.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// The fake of this crate.
    Fake,
    /// The crun in PATH.
    Crun,
}

/// The shell command that opens and closes descriptors as the call asks, and becomes the runtime.
const SHELL: &str = r#"exec "$@""#;

impl Runtime {
    /// The name in trials.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fake => "fake",
            Self::Crun => "crun",
        }
    }

    /// Whether the bundles must be made for a user namespace around the runtime.
    pub(crate) fn user_namespace() -> bool {
        !is_root()
    }

    /// The version, or why the program cannot be used here.
    pub(crate) fn version(self) -> Result<String, String> {
        let output = Command::new(self.program()).arg("--version").output();
        let output = output.map_err(|error| format!("{} cannot be run: {error}", self.program()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if self == Self::Fake {
            let namespaces = text.lines().any(|line| line == "mode: namespaces");
            return if namespaces { Ok(CONTRACT.to_owned()) } else { Err("no namespaces here".to_owned()) };
        }
        let version = text.lines().next().and_then(|line| line.strip_prefix("crun version "));
        version.map(str::to_owned).ok_or_else(|| "crun does not tell its version".to_owned())
    }

    /// The command for a call. Its log and its streams are files in the directory of the case, named after `number`.
    pub(crate) fn command(self, directory: &CaseDirectory, call: &Call, number: usize) -> io::Result<Command> {
        let path = |ending: &str| directory.path(&format!("{number}.{ending}"));
        let here = directory.root().to_string_lossy();
        let global = match call.global {
            Some(words) => words.to_owned(),
            None => format!("--root SITE/state --log {} --log-format json", path("log").display()),
        };
        let words = format!("{global} --cgroup-manager=disabled {}", call.words).replace("SITE", &here);
        let mut line: Vec<String> = self.front(call);
        line.extend(
            ["/bin/sh", "-c", &format!("{SHELL} {}", call.redirections), "sh", self.program()].map(str::to_owned),
        );
        line.extend(words.split_whitespace().map(str::to_owned));
        let (name, value) = directory.mark.split_once('=').unwrap_or_default();
        let mut command = Command::new(&line[0]);
        command.args(&line[1..]).current_dir(directory.root()).env(name, value);
        // The descriptors and variables of whoever runs the tests must not show.
        command.env_remove("LISTEN_FDS").env_remove("LISTEN_PID").env_remove("NOTIFY_SOCKET");
        command.envs(call.environment.iter().copied());
        command.stdin(Stdio::null()).stdout(File::create(path("stdout"))?).stderr(File::create(path("stderr"))?);
        Ok(command)
    }

    fn program(self) -> &'static str {
        match self {
            Self::Fake => env!("CARGO_BIN_EXE_fake-crun"),
            Self::Crun => "crun",
        }
    }

    /// On a host with hybrid cgroups crun starts a container only in a private view of the cgroups, and for an
    /// unprivileged user only in a user namespace.
    fn front(self, call: &Call) -> Vec<String> {
        let starts = ["run", "create"].iter().any(|verb| call.words.starts_with(verb));
        let view = starts && cgroup_mode() == CgroupMode::Hybrid || !is_root();
        if self == Self::Fake || !view {
            return Vec::new();
        }
        let mut words = vec![env!("CARGO_BIN_EXE_crun-capture"), "front", "--cgroup-view"];
        words.extend((!is_root()).then_some("--user-namespace"));
        words.push("--");
        words.into_iter().map(str::to_owned).collect()
    }
}
