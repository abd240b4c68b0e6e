//! The command whose streams are captured, and the reasons why a capture may not start.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use crate::stream::Stream;

/// A command line with its surroundings, and the files that its streams go to.
///
/// The methods have the names of [`std::process::Command`]'s, and take and return the command by value. Two things
/// differ from that type: stdin is `/dev/null` unless [`stdin`](Command::stdin) says otherwise, and a command can be
/// started any number of times.
///
/// ```
/// use crun_capture_reactor::Command;
///
/// let command =
///     Command::new("crun").args(["run", "--bundle", "/srv/bundle", "web-1"]).env("LANG", "C").process_group(0);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Command {
    /// The program: a path, or a name to look up in PATH.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Changes to the environment, in order. None removes the variable.
    pub environment: Vec<(OsString, Option<OsString>)>,
    /// Whether the command starts with an empty environment, before those changes.
    pub clears_environment: bool,
    /// Its working directory. None: the caller's own.
    pub directory: Option<PathBuf>,
    /// Its standard input.
    pub stdin: Stdin,
    /// Its process group: 0 for one of its own (setpgid(2)). None: the caller's.
    pub process_group: Option<i32>,
    /// The user that it runs as (setuid(2)).
    pub uid: Option<u32>,
    /// The group that it runs as (setgid(2)).
    pub gid: Option<u32>,
    /// The file or FIFO for stdout, for strategies that use one; the others ignore it. None: a temporary file without a
    /// name, and for `passthrough` the caller's own stdout.
    pub stdout_path: Option<PathBuf>,
    /// The same for stderr.
    pub stderr_path: Option<PathBuf>,
}

/// The standard input of a command.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Stdin {
    /// `/dev/null`: every read is at the end of the file.
    #[default]
    Null,
    /// The caller's own.
    Inherit,
    /// This file, or the read end of this pipe.
    File(Arc<File>),
}

impl From<File> for Stdin {
    fn from(file: File) -> Stdin {
        Stdin::File(Arc::new(file))
    }
}

impl Command {
    /// A command without arguments, in the caller's surroundings.
    pub fn new(program: impl Into<OsString>) -> Command {
        Command {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            clears_environment: false,
            directory: None,
            stdin: Stdin::Null,
            process_group: None,
            uid: None,
            gid: None,
            stdout_path: None,
            stderr_path: None,
        }
    }

    /// Adds one argument.
    pub fn arg(mut self, argument: impl Into<OsString>) -> Command {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Command {
        self.environment.push((name.into(), Some(value.into())));
        self
    }

    /// Removes a variable from the environment.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Command {
        self.environment.push((name.into(), None));
        self
    }

    /// Starts with an empty environment. Variables that were set or removed before no longer count.
    pub fn env_clear(mut self) -> Command {
        self.clears_environment = true;
        self.environment.clear();
        self
    }

    /// Runs the command in this directory.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Command {
        self.directory = Some(directory.into());
        self
    }

    /// Gives the command a standard input. `pty` gives a container its terminal in any case.
    pub fn stdin(mut self, stdin: impl Into<Stdin>) -> Command {
        self.stdin = stdin.into();
        self
    }

    /// Puts the command into a process group; 0 makes a new one. A Ctrl-C at the terminal then does not reach it.
    pub fn process_group(mut self, group: i32) -> Command {
        self.process_group = Some(group);
        self
    }

    /// Runs the command as this user. A caller that is root also gives up its supplementary groups.
    pub fn uid(mut self, uid: u32) -> Command {
        self.uid = Some(uid);
        self
    }

    /// Runs the command as this group.
    pub fn gid(mut self, gid: u32) -> Command {
        self.gid = Some(gid);
        self
    }

    /// Sets the file, or for `passthrough` the FIFO, that stdout goes to.
    pub fn stdout_path(mut self, path: impl Into<PathBuf>) -> Command {
        self.stdout_path = Some(path.into());
        self
    }

    /// Sets the file or FIFO that stderr goes to.
    pub fn stderr_path(mut self, path: impl Into<PathBuf>) -> Command {
        self.stderr_path = Some(path.into());
        self
    }

    /// The path for `stream`.
    pub fn path(&self, stream: Stream) -> Option<&Path> {
        match stream {
            Stream::Stdout => self.stdout_path.as_deref(),
            Stream::Stderr => self.stderr_path.as_deref(),
        }
    }

    /// The same command for the standard library. Its stdout and stderr are not set yet.
    ///
    /// # Errors
    /// The descriptor of its standard input cannot be duplicated.
    pub fn to_std(&self) -> io::Result<std::process::Command> {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.arguments);
        self.surround(&mut command)?;
        Ok(command)
    }

    /// Gives another command the surroundings of this one: environment, directory, stdin, group and user.
    ///
    /// # Errors
    /// As for [`to_std`](Command::to_std).
    pub fn surround(&self, command: &mut std::process::Command) -> io::Result<()> {
        command.stdin(match &self.stdin {
            Stdin::Null => Stdio::null(),
            Stdin::Inherit => Stdio::inherit(),
            Stdin::File(file) => Stdio::from(file.try_clone()?),
        });
        if self.clears_environment {
            command.env_clear();
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.directory.iter().for_each(|directory| {
            command.current_dir(directory);
        });
        self.process_group.into_iter().for_each(|group| {
            command.process_group(group);
        });
        self.gid.into_iter().for_each(|gid| {
            command.gid(gid);
        });
        self.uid.into_iter().for_each(|uid| {
            command.uid(uid);
        });
        Ok(())
    }

    /// Starts the command with these as its fd 1 and 2, and keeps neither.
    pub(crate) fn start(
        &self,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
    ) -> Result<std::process::Child, CaptureError> {
        let mut command = self.to_std().map_err(CaptureError::Descriptors)?;
        command.stdout(stdout).stderr(stderr);
        command.spawn().map_err(|source| CaptureError::of_start(self, source))
    }

    /// The file for `stream`: created, emptied, mode 0600. Opening a FIFO blocks until it has a reader.
    pub(crate) fn create_file(&self, stream: Stream) -> Result<File, CaptureError> {
        let Some(path) = self.path(stream) else {
            return tempfile::tempfile().map_err(|source| CaptureError::File { path: std::env::temp_dir(), source });
        };
        let opened = File::options().read(true).write(true).create(true).truncate(true).mode(0o600).open(path);
        opened.map_err(|source| CaptureError::File { path: path.to_owned(), source })
    }

    /// The same for a strategy that writes the file itself and must never block on it. A FIFO must have a reader.
    pub(crate) fn open_output(&self, stream: Stream) -> Result<File, CaptureError> {
        let Some(path) = self.path(stream).filter(|path| is_fifo(path)) else { return self.create_file(stream) };
        let opened = File::options().write(true).custom_flags(libc::O_NONBLOCK).open(path);
        opened.map_err(|source| CaptureError::File { path: path.to_owned(), source: no_reader(source) })
    }
}

/// Takes over the program, the arguments, the environment and the directory. The standard library does not tell of the
/// rest: stdin, process group, user, `env_clear` and anything set by `pre_exec` must be set again.
impl From<&std::process::Command> for Command {
    fn from(command: &std::process::Command) -> Command {
        let mut taken = Command::new(command.get_program()).args(command.get_args());
        let owned = |text: &OsStr| text.to_owned();
        taken.environment = command.get_envs().map(|(name, value)| (owned(name), value.map(owned))).collect();
        taken.directory = command.get_current_dir().map(Path::to_owned);
        taken
    }
}

/// Whether the path leads to a FIFO.
pub(crate) fn is_fifo(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// Explains ENXIO, which is what opening a FIFO for writing gives when nobody reads it (fifo(7)).
pub(crate) fn no_reader(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::ENXIO) {
        return io::Error::new(error.kind(), "nobody reads this FIFO; start its reader first");
    }
    error
}

/// Says what the kernel's error may come from besides the program.
fn with_reason(command: &Command, source: io::Error) -> io::Error {
    let what = match source.kind() {
        io::ErrorKind::InvalidInput if source.raw_os_error().is_none() => "an argument or a variable has a NUL byte",
        io::ErrorKind::NotFound if command.program.is_empty() => "the name of the program is empty",
        io::ErrorKind::PermissionDenied if command.uid.or(command.gid).is_some() => {
            "the program, or the change to another user or group, is not permitted"
        }
        io::ErrorKind::PermissionDenied if command.process_group.is_some() => {
            "the program, or the change to another process group, is not permitted"
        }
        _ => return source,
    };
    io::Error::new(source.kind(), format!("{what} ({source})"))
}

/// Refuses one regular file for both streams: each would write over the other.
pub(crate) fn check_apart(command: &Command, files: [&File; 2]) -> Result<(), CaptureError> {
    use std::os::unix::fs::MetadataExt;
    let apart = || -> io::Result<()> {
        let [stdout, stderr] = [files[0].metadata()?, files[1].metadata()?];
        if stdout.is_file() && (stdout.dev(), stdout.ino()) == (stderr.dev(), stderr.ino()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "stdout and stderr need a file each"));
        }
        Ok(())
    };
    let path = || command.path(Stream::Stderr).map_or_else(std::env::temp_dir, Path::to_owned);
    apart().map_err(|source| CaptureError::File { path: path(), source })
}

/// Why there is no capture.
#[derive(Debug)]
#[non_exhaustive]
pub enum CaptureError {
    /// The command did not start.
    Start {
        /// The program.
        program: OsString,
        /// The reason.
        source: io::Error,
    },
    /// The working directory of the command cannot be entered.
    Directory {
        /// The directory.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file for the output cannot be opened.
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A pipe or another descriptor cannot be made. At the descriptor limit this is what `start` fails with.
    Descriptors(io::Error),
    /// The command could not be waited for: somebody else had waited for it.
    Wait(io::Error),
}

impl CaptureError {
    /// The error for a command that did not start. When this process is what has no descriptors, processes or memory
    /// left, it is `Descriptors` and not the command's fault.
    pub fn of_start(command: &Command, source: io::Error) -> CaptureError {
        let own = [libc::EMFILE, libc::ENFILE, libc::EAGAIN, libc::ENOMEM];
        if source.raw_os_error().is_some_and(|errno| own.contains(&errno)) {
            return CaptureError::Descriptors(source);
        }
        if let Some(path) = &command.directory
            && let Err(source) = std::fs::read_dir(path)
            && source.kind() != io::ErrorKind::PermissionDenied
        {
            return CaptureError::Directory { path: path.clone(), source };
        }
        CaptureError::Start { program: command.program.clone(), source: with_reason(command, source) }
    }

    /// The exit code for it, as env(1) and timeout(1) have it: 127 when the program does not exist, 126 when it cannot
    /// be run, otherwise 125.
    pub fn exit_code(&self) -> u8 {
        match self {
            CaptureError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            CaptureError::Start { .. } => 126,
            _ => 125,
        }
    }
}

impl fmt::Display for CaptureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CaptureError::Start { program, source } => write!(formatter, "cannot run {}: {source}", program.display()),
            CaptureError::Directory { path, source } => {
                write!(formatter, "cannot enter the working directory {}: {source}", path.display())
            }
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
            CaptureError::Start { source, .. }
            | CaptureError::Directory { source, .. }
            | CaptureError::File { source, .. } => Some(source),
            CaptureError::Descriptors(source) | CaptureError::Wait(source) => Some(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(command: &Command) -> String {
        let output = command.to_std().unwrap().output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_command_has_the_surroundings_that_it_was_given() {
        let shell = |script: &str| Command::new("/bin/sh").args(["-c", script]);
        assert_eq!(said(&shell("echo $A$B").env("A", "1").env("B", "2").env_remove("A")), "2\n");
        assert_eq!(said(&shell("echo $A$HOME").env("A", "1").env_clear().env("A", "3")), "3\n");
        assert_eq!(said(&shell("pwd").current_dir("/")), "/\n");
        assert_eq!(said(&shell("cat")), "", "stdin is /dev/null");
        let mut file = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut file, b"in").unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let reads = shell("cat").stdin(file);
        assert_eq!((said(&reads), said(&reads)), ("in".into(), "".into()), "the file is shared, its position too");
        // proc_pid_stat(5): the first field is the process, the fifth its group.
        let own_group = shell("set -- $(cat /proc/$$/stat); [ $1 = $5 ] && echo yes || echo no");
        assert_eq!((said(&own_group), said(&own_group.process_group(0))), ("no\n".into(), "yes\n".into()));
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        let said = |command: Command| {
            let error = command.start(Stdio::null(), Stdio::null()).unwrap_err();
            (error.exit_code(), error.to_string())
        };
        let sh = || Command::new("sh");
        let (code, text) = said(sh().current_dir("/nowhere"));
        assert_eq!((code, text.contains("working directory /nowhere")), (125, true), "{text}");
        let (code, text) = said(sh().current_dir("/etc/passwd"));
        assert_eq!((code, text.contains("working directory /etc/passwd")), (125, true), "{text}");
        let (code, text) = said(sh().arg("a\0b"));
        assert_eq!((code, text.contains("an argument or a variable")), (126, true), "{text}");
        let (code, text) = said(Command::new(""));
        assert_eq!((code, text.contains("is empty")), (127, true), "{text}");
        let (code, text) = said(Command::new("no-such-program").current_dir("/"));
        assert_eq!((code, text.contains("cannot run no-such-program")), (127, true), "{text}");
    }

    #[test]
    fn a_command_of_the_standard_library_keeps_what_it_tells() {
        let mut std_command = std::process::Command::new("sh");
        std_command.args(["-c", "echo $A; pwd"]).env("A", "x").current_dir("/");
        assert_eq!(said(&Command::from(&std_command)), "x\n/\n");
    }
}
