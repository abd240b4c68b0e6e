//! The command to capture, and why it may not start.

use crate::stream::Stream;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;

/// A command line, and where its files go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The program: a path, or a name to be looked up in PATH.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Where a strategy that writes files puts stdout. None: into a temporary file without a name.
    pub stdout_path: Option<PathBuf>,
    /// The same for stderr.
    pub stderr_path: Option<PathBuf>,
    /// Wait for a tick of this length before each line: the spike's rate limit, which only `task-log` has. None: no limit.
    pub line_interval_ns: Option<u64>,
}

impl Command {
    /// A command without files.
    pub fn new<S: Into<OsString>>(program: impl Into<OsString>, arguments: impl IntoIterator<Item = S>) -> Command {
        Command {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            stdout_path: None,
            stderr_path: None,
            line_interval_ns: None,
        }
    }

    /// For the standard library: without input, as Go's exec.Cmd starts it, and without the variables of the protocol.
    pub(super) fn to_std(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        for name in crate::PROTOCOL_VARIABLES {
            command.env_remove(name);
        }
        command
    }

    /// The same for duct.
    pub(super) fn to_duct(&self) -> duct::Expression {
        let expression = duct::cmd(&self.program, &self.arguments).stdin_null().unchecked();
        crate::PROTOCOL_VARIABLES.iter().fold(expression, |expression, name| expression.env_remove(name))
    }

    /// The file that takes `stream`: created, emptied, mode 0600. Opening a FIFO blocks until it has a reader.
    pub(super) fn create_file(&self, stream: Stream) -> Result<File, CaptureError> {
        let path = match stream {
            Stream::Stdout => &self.stdout_path,
            Stream::Stderr => &self.stderr_path,
        };
        let Some(path) = path else {
            return tempfile::tempfile().map_err(|source| CaptureError::File { path: std::env::temp_dir(), source });
        };
        File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| CaptureError::File { path: path.clone(), source })
    }

    /// That this process has no descriptors, processes or memory left is no fault of the command's.
    pub(super) fn start_error(&self, source: io::Error) -> CaptureError {
        let own = [libc::EMFILE, libc::ENFILE, libc::EAGAIN, libc::ENOMEM];
        if source.raw_os_error().is_some_and(|errno| own.contains(&errno)) {
            return CaptureError::Descriptors(source);
        }
        CaptureError::Start { program: self.program.clone(), source }
    }
}

/// Why there is no capture at all.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The command did not start.
    #[error("cannot run {}: {source}", Printable(.program))]
    Start {
        /// What was to be run.
        program: OsString,
        /// Why it was not.
        source: io::Error,
    },
    /// A file for the output could not be made.
    #[error("cannot create {}: {source}", .path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pipe or another descriptor could not be made.
    #[error("cannot make the descriptors for a capture: {0}")]
    Descriptors(#[source] io::Error),
    /// Waiting for the command failed.
    #[error("cannot wait for the command: {0}")]
    Wait(#[source] io::Error),
}

impl CaptureError {
    /// What a capturer exits with: 127 for a command that is not there, 126 for one that cannot be run, else 125,
    /// as env(1) and timeout(1).
    pub fn exit_code(&self) -> u8 {
        match self {
            CaptureError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            CaptureError::Start { .. } => 126,
            _ => 125,
        }
    }
}

struct Printable<'a>(&'a OsStr);

impl std::fmt::Display for Printable<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0.display())
    }
}
