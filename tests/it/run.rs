//! `Run`: a call of the CLI in a directory of its own. It shows all mismatches at once.

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A call of `crun-capture`.
#[must_use]
pub(crate) struct Run {
    directory: TempDir,
    command: Command,
}

/// The result of a call.
pub(crate) struct Ended {
    pub(crate) directory: TempDir,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_crun-capture"))
}

impl Run {
    /// A call with these arguments.
    pub(crate) fn new<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Run {
        let directory = tempfile::tempdir().unwrap();
        let mut command = Command::new(program());
        command
            .current_dir(directory.path())
            .env_remove("CRUN_CAPTURE_REQUIRE")
            .env_remove("CRUN_CAPTURE_TEST")
            .args(arguments);
        Run { directory, command }
    }

    /// `compare --quick` on the fake, with everything as JSON on stdout.
    pub(crate) fn compare_fake<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Run {
        let run = Run::new(["compare", "--quick", "--runtime", "fake", "--export-json", "-"]);
        run.with(arguments)
    }

    pub(crate) fn with<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Run {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Run {
        self.command.env(name, value);
        self
    }

    /// Writes a file into the call's directory.
    pub(crate) fn file(self, name: &str, content: &str) -> Run {
        std::fs::write(self.directory.path().join(name), content).unwrap();
        self
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    #[track_caller]
    pub(crate) fn ends(mut self) -> Ended {
        let output = self.command.output().unwrap();
        Ended {
            directory: self.directory,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Ended {
        let ended = self.ends();
        assert_eq!(ended.code, Some(code), "stdout: {}\nstderr: {}", ended.stdout, ended.stderr);
        ended
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    pub(crate) fn says(self, part: &str) -> Ended {
        assert!(self.stderr.contains(part), "{part:?} is not in: {}", self.stderr);
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
