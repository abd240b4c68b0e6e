//! The command to capture, and why it may not start.

use crate::stream::Stream;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::Stdio;

/// The variables of the capturer protocol: none of them reaches the command that is captured.
#[doc(hidden)]
pub const PROTOCOL_VARIABLES: [&str; 5] = [
    "CRUN_CAPTURE_PROTOCOL",
    "CRUN_CAPTURE_STDOUT_FILE",
    "CRUN_CAPTURE_STDERR_FILE",
    "CRUN_CAPTURE_LIVE_FD",
    "CRUN_CAPTURE_SUMMARY_FILE",
];

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
    #[doc(hidden)]
    pub fn to_std(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null());
        for name in PROTOCOL_VARIABLES {
            command.env_remove(name);
        }
        command
    }

    /// The file that takes `stream`: created, emptied, mode 0600. Opening a FIFO blocks until it has a reader.
    #[doc(hidden)]
    pub fn create_file(&self, stream: Stream) -> Result<File, CaptureError> {
        let Some(path) = self.path(stream) else {
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

    /// The same for a strategy that writes the file itself and must never block on it: a FIFO is opened for writing only, and
    /// has to have a reader.
    pub(crate) fn open_output(&self, stream: Stream) -> Result<File, CaptureError> {
        let Some(path) = self.path(stream).filter(|path| is_fifo(path)) else { return self.create_file(stream) };
        let opened = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path);
        opened.map_err(|source| CaptureError::File { path: path.clone(), source: no_reader(source) })
    }

    /// Where `stream` goes.
    pub(crate) fn path(&self, stream: Stream) -> Option<&PathBuf> {
        match stream {
            Stream::Stdout => self.stdout_path.as_ref(),
            Stream::Stderr => self.stderr_path.as_ref(),
        }
    }

    /// That this process has no descriptors, processes or memory left is no fault of the command's.
    #[doc(hidden)]
    pub fn start_error(&self, source: io::Error) -> CaptureError {
        let own = [libc::EMFILE, libc::ENFILE, libc::EAGAIN, libc::ENOMEM];
        if source.raw_os_error().is_some_and(|errno| own.contains(&errno)) {
            return CaptureError::Descriptors(source);
        }
        CaptureError::Start { program: self.program.clone(), source }
    }
}

/// Whether a FIFO is there, or a link to one.
pub fn is_fifo(path: &std::path::Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// What ENXIO means at the opening of a FIFO (fifo(7)).
pub(crate) fn no_reader(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::ENXIO) {
        return io::Error::new(error.kind(), "nobody reads this FIFO; start its reader first");
    }
    error
}

/// Why there is no capture at all.
#[derive(Debug)]
pub enum CaptureError {
    /// The command did not start.
    Start {
        /// What was to be run.
        program: OsString,
        /// Why it was not.
        source: io::Error,
    },
    /// A file for the output could not be made, or is not there to be handed on.
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pipe or another descriptor could not be made.
    Descriptors(io::Error),
    /// Waiting for the command failed.
    Wait(io::Error),
}

impl fmt::Display for CaptureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Start { program, source } => write!(formatter, "cannot run {}: {source}", program.display()),
            CaptureError::File { path, source } => {
                write!(formatter, "cannot open {} for the output: {source}", path.display())
            }
            CaptureError::Descriptors(source) => {
                write!(formatter, "cannot make the descriptors for a capture: {source}")
            }
            CaptureError::Wait(source) => write!(formatter, "cannot wait for the command: {source}"),
        }
    }
}

impl Error for CaptureError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CaptureError::Start { source, .. } | CaptureError::File { source, .. } => Some(source),
            CaptureError::Descriptors(source) | CaptureError::Wait(source) => Some(source),
        }
    }
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
