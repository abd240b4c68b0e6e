//! `create` and `run`: the process in front of the container, which starts its init, passes signals on and waits.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crun_capture::sys;
use rustix::fs::{CWD, FileType, Mode as Bits};
use rustix::io::FdFlags;
use rustix::process::WaitOptions;
use signal_hook::iterator::Signals;

use crate::args::{self, Global, Parsed};
use crate::bundle::{self, Bundle};
use crate::failure::{Failure, Outcome, now, reason};
use crate::init::{self, Orders};
use crate::wait::{catchable, forward_and_wait};
use crate::{hooks, keeper, mode, state, terminal};

const FLAGS: &[(&str, Option<char>, bool)] = &[
    ("bundle", Some('b'), true),
    ("config", Some('f'), true),
    ("console-socket", None, true),
    ("pid-file", None, true),
    ("preserve-fds", None, true),
    // crun 1.8.1 knows it, and is the subreaper all the same.
    ("no-subreaper", None, false),
    ("no-new-keyring", None, false),
    ("no-pivot", None, false),
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

/// An init that was started, and the two pipes to it.
struct Started {
    pid: i32,
    complaints: OwnedFd,
    /// Where the word to go on is written.
    go: OwnedFd,
    /// The other end of that, held so that the word to an init which has failed is no SIGPIPE.
    go_on: OwnedFd,
}

/// Reads the command line and the configuration.
pub(crate) fn prepare<'a>(global: &'a Global, verb: &str, words: &'a [String]) -> Result<Job<'a>, Failure> {
    let known = if verb == "run" { FLAGS } else { &FLAGS[..FLAGS.len() - 1] };
    let parsed = args::parse(verb, known, words)?;
    let id = parsed.id(verb, 1)?.to_owned();
    let foreground = verb == "run" && !parsed.has("detach");
    let config = config_path(parsed.value("config").unwrap_or("config.json"))?;
    let directory = parsed.value("bundle").unwrap_or(".");
    let bundle = fs::canonicalize(directory).map_err(|error| unreal(directory, &error))?;
    std::env::set_current_dir(bundle)
        .map_err(|error| Failure::new(format!("chdir `{directory}` failed: {}", reason(&error))))?;
    let bundle = bundle::load(&config)?;
    Ok(Job { global, parsed, id, config, bundle, owner: mode::caller(), waits: verb == "create", foreground })
}

/// A configuration file given by name is found from the caller's directory, not from the bundle.
fn config_path(given: &str) -> Result<String, Failure> {
    if given == "config.json" {
        return Ok(given.to_owned());
    }
    let path = fs::canonicalize(given).map_err(|error| unreal(given, &error))?;
    Ok(path.to_string_lossy().into_owned())
}

fn unreal(path: &str, error: &io::Error) -> Failure {
    Failure::new(format!("realpath `{path}` failed: {}", reason(error)))
}

impl Job<'_> {
    /// Makes the container, and in the foreground waits for it.
    pub(crate) fn run(&self) -> Outcome {
        let refused = self.bundle.refused.as_ref().or(self.bundle.faults.refuse_start.as_ref());
        if let Some(refused) = refused {
            return Err(Failure::new(refused.as_str()));
        }
        self.check_terminal()?;
        self.make_directory()?;
        let mut signals = None;
        let pid = match self.make(&mut signals).and_then(|pid| self.record(pid)) {
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
        if let Some(duration) = self.bundle.faults.linger {
            std::thread::sleep(duration);
        }
        Ok(self.bundle.faults.exit_code.unwrap_or(code))
    }

    /// A terminal needs somebody to give it to.
    fn check_terminal(&self) -> Result<(), Failure> {
        let needed = self.bundle.terminal && !self.parsed.has("console-socket");
        match (needed, self.waits, self.foreground) {
            (true, true, _) => Err(Failure::new("use --console-socket with create when a terminal is used")),
            (true, false, false) => Err(Failure::new("use --console-socket with --detach when a terminal is used")),
            _ => Ok(()),
        }
    }

    /// Connects to the console socket, where the container is to have a terminal.
    fn console(&self) -> Result<Option<UnixStream>, Failure> {
        if !self.bundle.terminal {
            return Ok(None);
        }
        match self.parsed.value("console-socket") {
            Some(path) => terminal::connect(path).map(Some),
            None if io::stdin().is_terminal() => {
                Err(Failure::new("this fake has a terminal for a container with --console-socket only"))
            }
            None => Err(Failure::new("tcgetattr: Inappropriate ioctl for device")),
        }
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

    /// Makes the container and returns the pid of its init once that has become the workload, or waits to.
    fn make(&self, signals: &mut Option<Signals>) -> Result<i32, Failure> {
        let failed = |error: io::Error| Failure::io("start the container", &error);
        // crun keeps the configuration with the state.
        fs::copy(&self.config, state::directory(self.global, &self.id).join("config.json")).map_err(failed)?;
        if let Some(wrong) = &self.bundle.wrong {
            return Err(Failure::new(wrong.as_str()));
        }
        if self.waits {
            let fifo = state::fifo(self.global, &self.id);
            rustix::fs::mknodat(CWD, fifo, FileType::Fifo, Bits::from_raw_mode(0o600), 0)
                .map_err(|error| failed(error.into()))?;
        }
        let console = self.console()?;
        // It ends with the program: its end is the word for the keeper.
        let keeper = self.bundle.faults.keep_open.map(keeper::start).transpose().map_err(failed)?;
        if let Some(pipe) = keeper {
            let _number = pipe.into_raw_fd();
        }
        if self.foreground {
            *signals = Some(Signals::new(catchable()).map_err(failed)?);
            let me = Some(rustix::process::getpid());
            rustix::process::set_child_subreaper(me).map_err(|error| failed(error.into()))?;
        }
        let Started { pid, complaints, go, go_on } = self.spawn(console).map_err(failed)?;
        let known = self.write_status(pid).and_then(|status| hooks::run(&self.bundle.hooks, &status));
        if let Err(failure) = known {
            // Without a word it ends.
            drop(go);
            let _complaint = listen(complaints, pid);
            return Err(failure);
        }
        if self.bundle.faults.die_before_exec {
            // The init of a pid namespace cannot kill itself.
            sys::kill(pid, libc::SIGKILL).map_err(failed)?;
            return Ok(pid);
        }
        // Only now may it become the workload: a container that runs is known. An init that has failed does not read this.
        let _ = rustix::io::write(&go, &[1]);
        drop(go_on);
        listen(complaints, pid)
    }

    /// Runs this program again as the init, with the caller's descriptors, one for its complaints, and one on which it
    /// is told to go on.
    fn spawn(&self, console: Option<UnixStream>) -> io::Result<Started> {
        let kept = 3 + self.preserved();
        let hand_over = |descriptor: OwnedFd| {
            let above = rustix::io::fcntl_dupfd_cloexec(descriptor, i32::try_from(kept).unwrap_or(i32::MAX))?;
            rustix::io::fcntl_setfd(&above, FdFlags::empty())?;
            io::Result::Ok(above)
        };
        let (complaints, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (go_on, go) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let (theirs, go_on) = (hand_over(theirs)?, hand_over(go_on)?);
        let console = console.map(|console| hand_over(console.into())).transpose()?;
        let orders = Orders {
            config: self.config.clone(),
            mode: mode::enter(self.bundle.has("pid")),
            complaints: theirs.as_raw_fd(),
            go: go_on.as_raw_fd(),
            kept,
            activated: activated() > 0,
            json: self.global.logs_json(),
            fifo: self.waits.then(|| state::fifo(self.global, &self.id)),
            console: console.as_ref().map(AsRawFd::as_raw_fd),
        };
        let orders = serde_json::to_string(&orders)?;
        let child = Command::new("/proc/self/exe").args([init::VERB, &orders]).spawn()?;
        Ok(Started { pid: i32::try_from(child.id()).unwrap_or(-1), complaints, go, go_on })
    }

    /// How many descriptors after stderr the container gets too.
    fn preserved(&self) -> u32 {
        let asked = self.parsed.value("preserve-fds").and_then(|count| count.parse().ok()).unwrap_or(0u32);
        asked.saturating_add(activated()).min(1 << 16)
    }

    /// Writes down what is known of the container, and returns it as `state` prints it.
    fn write_status(&self, pid: i32) -> Result<String, Failure> {
        let directory = std::env::current_dir().map_err(|error| Failure::io("getcwd", &error))?;
        let status = state::Status {
            pid,
            started: state::process(pid).map_or(0, |(_, started)| started),
            rootfs: directory.join(&self.bundle.root).to_string_lossy().into_owned(),
            bundle: directory.to_string_lossy().into_owned(),
            created: now(),
            owner: self.owner.clone(),
            detached: !self.foreground,
        };
        state::write(self.global, &self.id, &status)?;
        Ok(status.json(self.global, &self.id))
    }

    /// Writes the pid file. When that fails the container runs on unknown, as with crun.
    fn record(&self, pid: i32) -> Result<i32, Failure> {
        let path = self.parsed.value("pid-file");
        if self.bundle.faults.abandon {
            let path = path.unwrap_or("pid");
            return Err(Failure::new(format!("opening file `{path}` for writing: No such file or directory")));
        }
        let Some(path) = path else {
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

/// How many descriptors the caller hands on as systemd does (sd_listen_fds(3)).
fn activated() -> u32 {
    std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok()).unwrap_or(0)
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
