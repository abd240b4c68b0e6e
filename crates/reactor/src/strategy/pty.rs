//! The strategy `pty`: a terminal for both streams.

use super::{Capabilities, Capability, Needs, Strategy, private_directory};
use crate::clock::{now_ns, timespec};
use crate::command::{CaptureError, Command, Stdin};
use crate::outcome::Outcome;
use crate::reactor::{self, Begun, Framer, Reactive, Readable, Source};
use crate::sink::Sink;
use crate::stream::Origin;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, set_child_subreaper, waitid};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::ffi::{OsStr, OsString};
use std::io::{self, IoSliceMut};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::Duration;
use tempfile::TempDir;

/// How long each verb of the runtime may take: `create`, `start`, `delete`.
const VERB: Duration = Duration::from_secs(10);

/// The name of the console socket.
const SOCKET: &str = "console";
/// The room for its path in an address, the null byte included (unix(7)).
const ADDRESS_BYTES: usize = 108;

/// Captures through a terminal: for programs that hold back what they print unless they see one.
///
/// # What the command gets
///
/// Its fd 1 and 2 are a terminal in raw mode. Where the terminal comes from depends on the command.
///
/// - A container gets its terminal from the runtime, through `--console-socket`. For this the command must have the
///   form `RUNTIME run OPTIONS ID`, and no `--console-socket` of its own. The bundle's config.json must ask for a
///   terminal (`process.terminal`). In place of `run` the strategy calls `create`, sets the terminal to raw mode, and
///   only then calls `start`. With `run` the program may print before that, and its line feeds come out as CR LF. The
///   terminal is the container's stdin, too. A `--detach` is dropped.
/// - Any other command gets a terminal of this process's own. Its stdin is what [`Command::stdin`] says: empty unless
///   you set it.
///
/// When `create` or `start` fails, the capture is that of the runtime: what it says is delivered, and its exit is in
/// the outcome.
///
/// # What it can do
///
/// It declares `live` and `any-program`: what the program prints comes at once, since it sees a terminal. It declares
/// `order`, because a terminal is one stream. In raw mode the terminal changes no bytes, so it declares `exact-bytes`.
/// The program may open /dev/stdout again.
///
/// # What it cannot do, and why
///
/// - It does not declare `apart`, because a terminal is one stream. Every delivery has the origin
///   [`Merged`](crate::Origin::Merged).
/// - It does not declare `free-flow`, because a terminal that nobody reads is full at some KiB.
/// - It does not declare `survives-death`, because a terminal is hung up when its master goes (SIGHUP).
/// - It does not declare `file` and `independent-sinks`, because it writes no file.
///
/// # How it ends
///
/// A read of the terminal fails with EIO when the last holder of its other side has closed it. The capture ends then,
/// or at the drain deadline.
///
/// # What it costs
///
/// Each capture takes two descriptors: the master of the terminal and a pidfd.
///
/// For a container [`Reactor::start`](crate::Reactor::start) waits for the runtime's `create` and `start`, at most 10 s
/// each. A verb that takes longer is killed. When the container has ended, [`Reactor::next`](crate::Reactor::next)
/// waits for `delete --force`, again at most 10 s.
///
/// A created container is an orphan when `create` has returned. So this process becomes a subreaper (prctl(2),
/// PR_SET_CHILD_SUBREAPER), waits for the container, and stays one. Whatever else is orphaned below this process is its
/// child from then on.
///
/// This process waits for the container's init itself. So [`Reactor::stop`](crate::Reactor::stop) sends its signals to
/// that, and not to the runtime. A signal that kills the program is an [`Exit::Signal`](crate::Exit::Signal), and not
/// 128 + n.
pub struct Pty;

impl Strategy for Pty {
    fn name(&self) -> &'static str {
        "pty"
    }

    fn summary(&self) -> &'static str {
        "a terminal in raw mode (--console-socket): programs that hold back output unless they see one are live"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, BoundedMemory, ExactBytes, Live, Order, PromptDespiteGrandchild, Prompts,
            Reopen,
        };
        Capabilities::of(&[
            Live,
            Prompts,
            Order,
            ExactBytes,
            AnyLine,
            BoundedMemory,
            PromptDespiteGrandchild,
            Reopen,
            AnyWrite,
            AnyProgram,
        ])
    }

    fn needs(&self) -> Needs {
        Needs::TERMINAL
    }

    fn reactive(&self) -> Option<&dyn Reactive> {
        Some(self)
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        reactor::capture(self, command, sink)
    }
}

impl Reactive for Pty {
    fn begin(&self, command: &Command, _large: bool) -> Result<Begun, CaptureError> {
        match RunCommand::of(command) {
            Some(run) => run.begin(command),
            None => begin_plain(command),
        }
    }
}

/// A capture with one source: the streams of a terminal cannot be told apart.
fn begun(process: Pid, terminal: OwnedFd) -> Result<Begun, CaptureError> {
    let source = Readable::new(terminal, 0).map_err(CaptureError::Descriptors)?;
    let sources: Vec<Box<dyn Source>> = vec![Box::new(source)];
    Ok(Begun { framers: vec![Framer::new(Origin::Merged, 0)], ..Begun::new(process, sources) })
}

fn begin_plain(command: &Command) -> Result<Begun, CaptureError> {
    let open = || -> io::Result<[OwnedFd; 3]> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        set_raw(&master)?;
        Ok([master, slave.try_clone()?, slave])
    };
    let [master, stdout, stderr] = open().map_err(CaptureError::Descriptors)?;
    let child = command.start(stdout, stderr)?;
    begun(Pid::from_child(&child), master)
}

/// Puts a terminal into raw mode. On the master this changes the terminal's mode for the other side, too
/// (ioctl_tty(2)). It happens at once (TCSANOW): TCSADRAIN would wait for a reader, and that is this process.
fn set_raw(terminal: impl AsFd) -> io::Result<()> {
    let mut mode = tcgetattr(&terminal)?;
    mode.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &mode)?;
    Ok(())
}

/// A command line that runs a bundle whose config.json asks for a terminal.
struct RunCommand {
    /// The runtime with its global options, and whatever stands before it.
    runtime: Vec<OsString>,
    /// The options of `run`.
    options: Vec<OsString>,
    id: OsString,
    pid_file: Option<PathBuf>,
}

/// What became of `create`.
enum Created {
    /// The container waits for its start. This is its terminal.
    Waits(OwnedFd),
    /// The runtime refused. What it says is what there is to capture, and its exit is the command's.
    Refused(Verb),
}

impl RunCommand {
    /// Parses `… run OPTIONS ID`. None unless the config.json of its bundle has `process.terminal`, or if it already
    /// has a console socket.
    fn of(command: &Command) -> Option<RunCommand> {
        let words: Vec<&OsString> = std::iter::once(&command.program).chain(&command.arguments).collect();
        let run = words.iter().position(|word| *word == "run").filter(|&at| at > 0)?;
        let (id, options) = words[run + 1..].split_last()?;
        let value = |long: &str, short: Option<&str>| {
            options.iter().enumerate().find_map(|(at, word)| {
                let is_it = *word == OsStr::new(long) || short.is_some_and(|short| *word == OsStr::new(short));
                let glued = word.as_bytes().strip_prefix(long.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
                match glued {
                    Some(value) => Some(OsStr::from_bytes(value).to_owned()),
                    None => options.get(at + 1).filter(|_| is_it).map(|value| (*value).clone()),
                }
            })
        };
        if value("--console-socket", None).is_some() {
            return None;
        }
        let bundle = value("--bundle", Some("-b")).unwrap_or_else(|| ".".into());
        let directory = command.directory.as_deref().unwrap_or(Path::new("."));
        let config = std::fs::read(directory.join(bundle).join("config.json")).ok()?;
        let config: serde_json::Value = serde_json::from_slice(&config).ok()?;
        if config["process"]["terminal"] != true {
            return None;
        }
        let owned = |words: &[&OsString]| words.iter().map(|word| (*word).clone()).collect::<Vec<_>>();
        Some(RunCommand {
            runtime: owned(&words[..run]),
            pid_file: value("--pid-file", None).map(|path| directory.join(path)),
            options: owned(options).into_iter().filter(|word| word != "--detach" && word != "-d").collect(),
            id: (*id).clone(),
        })
    }

    /// Another verb of the same runtime, with the surroundings of `command`.
    fn verb(&self, command: &Command, verb: &str, words: impl IntoIterator<Item = OsString>) -> Command {
        let arguments = self.runtime[1..].iter().cloned().chain([verb.into()]).chain(words);
        Command { program: self.runtime[0].clone(), arguments: arguments.collect(), ..command.clone() }
            .stdin(Stdin::Null)
    }

    fn begin(self, command: &Command) -> Result<Begun, CaptureError> {
        set_child_subreaper(Some(Pid::INIT)).map_err(|errno| CaptureError::Descriptors(errno.into()))?;
        let directory = socket_directory().map_err(CaptureError::Descriptors)?;
        let pid_file = self.pid_file.clone().unwrap_or_else(|| directory.path().join("pid"));
        let terminal = match self.create(command, &directory, &pid_file)? {
            Created::Waits(terminal) => terminal,
            Created::Refused(create) => return create.begun(),
        };
        // From here on the container exists, and an error must not leave it behind.
        let started = prepare(&terminal, &pid_file).and_then(|pid| {
            let start = Verb::start(&self.verb(command, "start", [self.id.clone()]))?;
            Ok((pid, start))
        });
        let (pid, start) = started.inspect_err(|_| self.discard(command, &pid_file))?;
        if !start.succeeds(now_ns() + VERB.as_nanos() as u64) {
            self.discard(command, &pid_file);
            return start.begun();
        }
        start.reap();
        let mut begun = begun(pid, terminal).inspect_err(|_| self.discard(command, &pid_file))?;
        let command = command.clone();
        begun.at_end = Some(Box::new(move || self.delete(&command)));
        Ok(begun)
    }

    /// Creates the container. Its terminal comes over a socket in `directory`.
    fn create(&self, command: &Command, directory: &TempDir, pid_file: &Path) -> Result<Created, CaptureError> {
        let socket = directory.path().join(SOCKET);
        let listener = UnixListener::bind(&socket).map_err(CaptureError::Descriptors)?;
        let mut words = self.options.clone();
        words.extend(["--console-socket".into(), socket.into()]);
        if self.pid_file.is_none() {
            words.extend(["--pid-file".into(), pid_file.into()]);
        }
        words.push(self.id.clone());
        let create = Verb::start(&self.verb(command, "create", words))?;
        let until_ns = now_ns() + VERB.as_nanos() as u64;
        let terminal = create.terminal(&listener, until_ns);
        match (create.succeeds(until_ns), terminal) {
            (true, Ok(Some(terminal))) => {
                create.reap();
                Ok(Created::Waits(terminal))
            }
            (true, terminal) => {
                self.discard(command, pid_file);
                create.reap();
                let none = || io::Error::other("the runtime created the container and sent no terminal");
                Err(CaptureError::Descriptors(terminal.err().unwrap_or_else(none)))
            }
            (false, terminal) => {
                // A container that sent its terminal here is ours to remove. Another one of the same id is not.
                if matches!(terminal, Ok(Some(_))) {
                    self.discard(command, pid_file);
                }
                Ok(Created::Refused(create))
            }
        }
    }

    /// Removes a container that is not captured after all. `delete` kills its init, which is a child of this subreaper.
    fn discard(&self, command: &Command, pid_file: &Path) {
        // Without a pid there is nobody to wait for, because the runtime failed before it had an init.
        let init = read_pid(pid_file).ok().and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        self.delete(command);
        if let Some(pidfd) = init
            && wait_for(pidfd.as_fd(), None, now_ns() + VERB.as_nanos() as u64).unwrap_or(false)
        {
            let _nobodys_or_ours = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }

    /// Removes the state of a container that has ended, as `run` does at its end.
    fn delete(&self, command: &Command) {
        let words = ["--force".into(), self.id.clone()];
        if let Ok(delete) = Verb::start(&self.verb(command, "delete", words)) {
            delete.succeeds(now_ns() + VERB.as_nanos() as u64);
            delete.reap();
        }
    }
}

/// Puts the terminal of a created container into raw mode. Returns the container's init.
fn prepare(terminal: &OwnedFd, pid_file: &Path) -> Result<Pid, CaptureError> {
    set_raw(terminal).and_then(|()| read_pid(pid_file)).map_err(CaptureError::Descriptors)
}

/// The directory for the console socket. The runtime gets the path of the socket, which must fit into an address
/// (unix(7), 108 bytes with the null byte). Where the directory of temporary files is too deep for that, the socket is
/// in /tmp.
fn socket_directory() -> io::Result<TempDir> {
    let directory = private_directory(&std::env::temp_dir())?;
    if directory.path().join(SOCKET).as_os_str().len() < ADDRESS_BYTES {
        return Ok(directory);
    }
    private_directory(Path::new("/tmp"))
}

fn read_pid(pid_file: &Path) -> io::Result<Pid> {
    let text = std::fs::read_to_string(pid_file)?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the pid file holds no pid"))
}

/// A verb of the runtime that is under way. What it prints goes to a pipe.
struct Verb {
    child: Child,
    pidfd: OwnedFd,
    words: OwnedFd,
}

impl Verb {
    fn start(command: &Command) -> Result<Verb, CaptureError> {
        let (reader, writer) = reactor::pipe(false).map_err(CaptureError::Descriptors)?;
        let again = writer.try_clone().map_err(CaptureError::Descriptors)?;
        let mut child = command.start(writer, again)?;
        let pidfd = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(errno) => {
                let _already_gone = child.kill();
                let _ended = child.wait();
                return Err(CaptureError::Descriptors(errno.into()));
            }
        };
        Ok(Verb { child, pidfd, words: reader })
    }

    /// The terminal that comes over the socket. None: the verb ends without sending one, or time is up.
    fn terminal(&self, listener: &UnixListener, until_ns: u64) -> io::Result<Option<OwnedFd>> {
        if !wait_for(listener.as_fd(), Some(self.pidfd.as_fd()), until_ns)? {
            return Ok(None);
        }
        let (stream, _) = listener.accept()?;
        if !wait_for(stream.as_fd(), None, until_ns)? {
            return Ok(None);
        }
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut name = [0; 256];
        recvmsg(&stream, &mut [IoSliceMut::new(&mut name)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let mut received = ancillary.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok(received.next())
    }

    /// Whether the verb exits with 0 in time. One that takes longer is killed. It is not reaped here.
    fn succeeds(&self, until_ns: u64) -> bool {
        if !wait_for(self.pidfd.as_fd(), None, until_ns).unwrap_or(false) {
            let _already_gone = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = loop {
            match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
                Err(Errno::INTR) => {}
                status => break status,
            }
        };
        status.ok().flatten().and_then(|status| status.exit_status()) == Some(0)
    }

    fn reap(mut self) {
        let _ended = self.child.wait();
    }

    /// A capture of the verb itself: it has failed, and says why.
    fn begun(self) -> Result<Begun, CaptureError> {
        begun(Pid::from_child(&self.child), self.words)
    }
}

/// Whether `wanted` is readable in time, and before `instead` is.
fn wait_for(wanted: BorrowedFd<'_>, instead: Option<BorrowedFd<'_>>, until_ns: u64) -> io::Result<bool> {
    loop {
        let left_ns = until_ns.saturating_sub(now_ns());
        let left = timespec(left_ns);
        let both = [Some(wanted), instead];
        let mut polled: Vec<PollFd<'_>> =
            both.into_iter().flatten().map(|descriptor| PollFd::from_borrowed_fd(descriptor, PollFlags::IN)).collect();
        match poll(&mut polled, Some(&left)) {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(!polled[0].revents().is_empty()),
        }
    }
}
