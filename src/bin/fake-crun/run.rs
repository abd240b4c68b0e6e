//! `create` and `run`: the process in front of the container, which starts its init, passes signals on and waits.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode as Bits};
use rustix::io::FdFlags;
use rustix::process::WaitOptions;
use signal_hook::iterator::Signals;

use crate::args::{self, Global, Parsed};
use crate::bundle::{self, Bundle};
use crate::failure::{Failure, Outcome, now, reason};
use crate::wait::{catchable, forward_and_wait};
use crate::{init, mode, state};

const FLAGS: &[(&str, Option<char>, bool)] = &[
    ("bundle", Some('b'), true),
    ("config", Some('f'), true),
    ("console-socket", None, true),
    ("pid-file", None, true),
    ("preserve-fds", None, true),
    ("no-new-keyring", None, false),
    ("no-pivot", None, false),
    ("no-subreaper", None, false),
    ("detach", Some('d'), false),
];

/// A container about to be, and how it was asked for.
pub(crate) struct Job<'a> {
    global: &'a Global,
    parsed: Parsed<'a>,
    id: String,
    config: String,
    bundle: Bundle,
    owner: String,
    waits: bool,
    foreground: bool,
}

/// Reads the command line and the configuration.
pub(crate) fn prepare<'a>(global: &'a Global, verb: &str, words: &'a [String]) -> Result<Job<'a>, Failure> {
    let known = if verb == "run" { FLAGS } else { &FLAGS[..FLAGS.len() - 1] };
    let parsed = args::parse(verb, known, words)?;
    let id = parsed.id(verb, 1)?.to_owned();
    let foreground = verb == "run" && !parsed.has("detach");
    let config = config_path(parsed.value("config").unwrap_or("config.json"));
    let directory = parsed.value("bundle").unwrap_or(".");
    std::env::set_current_dir(directory)
        .map_err(|error| Failure::new(format!("chdir `{directory}` failed: {}", reason(&error))))?;
    let bundle = bundle::load(&config)?;
    Ok(Job { global, parsed, id, config, bundle, owner: mode::caller(), waits: verb == "create", foreground })
}

/// A configuration file given by name is found from the caller's directory, not from the bundle.
fn config_path(given: &str) -> String {
    if given == "config.json" {
        return given.to_owned();
    }
    fs::canonicalize(given).map_or(given.to_owned(), |path| path.to_string_lossy().into_owned())
}

impl Job<'_> {
    /// Makes the container, and in the foreground waits for it.
    pub(crate) fn run(&self) -> Outcome {
        if let Some(wrong) = &self.bundle.wrong {
            return Err(Failure::new(wrong.as_str()));
        }
        self.check_terminal()?;
        self.make_directory()?;
        self.start(self.foreground)
    }

    fn check_terminal(&self) -> Result<(), Failure> {
        if self.parsed.has("console-socket") {
            return Err(Failure::new("--console-socket is not supported by this fake yet"));
        }
        if self.bundle.terminal && !io::stdin().is_terminal() {
            return Err(Failure::new("tcgetattr: Inappropriate ioctl for device"));
        }
        if self.bundle.terminal {
            return Err(Failure::new("process.terminal is not supported by this fake yet"));
        }
        Ok(())
    }

    /// Takes the ID: the directory is made by one container only.
    fn make_directory(&self) -> Result<(), Failure> {
        let (root, id) = (&self.global.root, &self.id);
        let directory = root.join(id);
        let refused = || Failure::new(format!("cannot create state directory for `{id}`"));
        fs::create_dir_all(root).map_err(|_| refused())?;
        if id.contains('/') {
            return Err(refused());
        }
        if directory.exists() {
            return Err(Failure::new(format!("container `{id}` already exists")));
        }
        fs::create_dir(directory).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::new(format!("container `{id}` already exists")),
            _ => refused(),
        })
    }

    fn start(&self, foreground: bool) -> Outcome {
        let mut signals = None;
        let started = self.prepare(foreground, &mut signals).and_then(|pid| self.record(pid));
        let pid = match started {
            Ok(pid) => pid,
            Err(failure) => {
                state::remove(self.global, &self.id)?;
                return Err(failure);
            }
        };
        let Some(mut signals) = signals else {
            return Ok(0);
        };
        let code = forward_and_wait(pid, &mut signals)?;
        state::remove(self.global, &self.id)?;
        Ok(code)
    }

    /// Starts the init and returns its number once it has become the workload (or waits to).
    fn prepare(&self, foreground: bool, signals: &mut Option<Signals>) -> Result<i32, Failure> {
        let failed = |error: std::io::Error| Failure::io("start the container", &error);
        if self.waits {
            let fifo = state::fifo(self.global, &self.id);
            rustix::fs::mknodat(CWD, fifo, FileType::Fifo, Bits::from_raw_mode(0o600), 0)
                .map_err(|error| failed(error.into()))?;
        }
        if foreground {
            *signals = Some(Signals::new(catchable()).map_err(failed)?);
            if !self.parsed.has("no-subreaper") {
                let me = Some(rustix::process::getpid());
                rustix::process::set_child_subreaper(me).map_err(|error| failed(error.into()))?;
            }
        }
        let (pid, complaints, go) = self.spawn().map_err(failed)?;
        self.write_status(pid, foreground)?;
        // Only now may it become the workload: a container that runs is known. An init that has failed does not read this.
        let _ = rustix::io::write(&go, &[1]);
        listen(complaints, pid)
    }

    /// Runs this program again as the init, with the caller's descriptors, one for its complaints, and one on which it
    /// is told to go on.
    fn spawn(&self) -> std::io::Result<(i32, OwnedFd, OwnedFd)> {
        let kept = 3 + self.preserved();
        let hand_over = |descriptor: OwnedFd| {
            let above = rustix::io::fcntl_dupfd_cloexec(descriptor, i32::try_from(kept).unwrap_or(i32::MAX))?;
            rustix::io::fcntl_setfd(&above, FdFlags::empty())?;
            std::io::Result::Ok(above)
        };
        let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (go_on, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (theirs, go_on) = (hand_over(theirs)?, hand_over(go_on)?);
        let mode = mode::enter(self.bundle.has("pid"));
        let fifo = state::fifo(self.global, &self.id);
        let child = Command::new("/proc/self/exe")
            .arg(init::VERB)
            .args([&self.config, mode.name(), &theirs.as_raw_fd().to_string(), &kept.to_string()])
            .arg(go_on.as_raw_fd().to_string())
            .args(self.waits.then_some(fifo))
            .spawn()?;
        Ok((i32::try_from(child.id()).unwrap_or(-1), ours, go))
    }

    /// How many descriptors after stderr the container gets too.
    fn preserved(&self) -> u32 {
        let asked = self.parsed.value("preserve-fds").and_then(|count| count.parse().ok()).unwrap_or(0u32);
        let activated = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok()).unwrap_or(0u32);
        asked.saturating_add(activated).min(1 << 16)
    }

    fn write_status(&self, pid: i32, foreground: bool) -> Result<(), Failure> {
        let directory = std::env::current_dir().map_err(|error| Failure::io("getcwd", &error))?;
        let status = state::Status {
            pid,
            started: state::process(pid).map_or(0, |(_, started)| started),
            rootfs: directory.join(&self.bundle.root).to_string_lossy().into_owned(),
            bundle: directory.to_string_lossy().into_owned(),
            created: now(),
            owner: self.owner.clone(),
            detached: !foreground,
        };
        state::write(self.global, &self.id, &status)
    }

    /// Writes the pid file. When that fails the container runs on unknown, as with crun.
    fn record(&self, pid: i32) -> Result<i32, Failure> {
        let Some(path) = self.parsed.value("pid-file") else {
            return Ok(pid);
        };
        let mut options = File::options();
        let opened = options.write(true).create(true).truncate(true).mode(0o700).open(Path::new(path));
        let failed = |error| Failure::new(format!("opening file `{path}` for writing: {}", reason(&error)));
        let mut file = opened.map_err(failed)?;
        std::io::Write::write_all(&mut file, pid.to_string().as_bytes()).map_err(failed)?;
        Ok(pid)
    }
}

/// Reads what the init has to complain about; a zero byte, or the end of the pipe without a word, means all is well.
fn listen(complaints: OwnedFd, pid: i32) -> Result<i32, Failure> {
    let mut text = Vec::new();
    let read = BufReader::new(File::from(complaints)).read_until(0, &mut text);
    read.map_err(|error| Failure::io("read from the init process", &error))?;
    let text = String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned();
    if text.is_empty() {
        return Ok(pid);
    }
    // It ends at once; a failure to reap it changes nothing.
    let _ = rustix::process::waitpid(rustix::process::Pid::from_raw(pid), WaitOptions::empty());
    Err(Failure::new(text))
}
