//! Processes that the harness starts: each one is known, waited for, and ended by its id.
//!
//! The harness is a subreaper (PR_SET_CHILD_SUBREAPER): whatever a capturer or a runtime leaves behind becomes a child of
//! the harness, where it is found among the children that nobody here started.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Seek};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much of a helper's output is looked at.
const OUTPUT_MAX_BYTES: u64 = 1 << 20;

/// How long a verb of a runtime may take: kill, delete, --version. They take a millisecond or two.
pub const VERB_DEADLINE: Duration = Duration::from_secs(5);

/// How often, and how long after another, a process is asked for its environment while it shows none.
const EXEC_TRIES: u32 = 20;
const EXEC_PAUSE: Duration = Duration::from_millis(1);

/// The children of this process that it knows.
#[derive(Debug, Default)]
pub struct Family {
    known: Mutex<HashSet<u32>>,
}

impl Family {
    /// Makes this process the one that orphans of its descendants go to.
    ///
    /// # Errors
    /// As prctl(2).
    pub fn adopt_orphans() -> io::Result<()> {
        Ok(rustix::process::set_child_subreaper(Some(Pid::INIT))?)
    }

    /// Starts a child that is known from its first moment on.
    ///
    /// # Errors
    /// As fork(2) and execve(2).
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        known.insert(child.id());
        Ok(child)
    }

    /// Starts a child without input, and blocks until it has ended, at most for `within`. Its output goes through files,
    /// so that no process which it leaves behind can be waited for.
    ///
    /// # Errors
    /// As `spawn`; `TimedOut` when it took longer, and it is then killed with all that is below it.
    pub fn output(&self, command: &mut Command, within: Duration) -> io::Result<Output> {
        let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
        command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let mut child = self.spawn(command)?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let in_time = readable(pidfd.as_fd(), within);
        if !in_time {
            let below = descendants(child.id());
            child.kill()?;
            below.iter().for_each(Stranger::kill);
        }
        let status = child.wait()?;
        self.forget(child.id());
        if !in_time {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it did not end within {} s", within.as_secs()),
            ));
        }
        let read = |file: &mut fs::File| {
            let mut bytes = Vec::new();
            file.rewind()?;
            file.take(OUTPUT_MAX_BYTES).read_to_end(&mut bytes)?;
            io::Result::Ok(bytes)
        };
        Ok(Output { status, stdout: read(&mut stdout)?, stderr: read(&mut stderr)? })
    }

    /// Forgets a child that was waited for.
    pub fn forget(&self, pid: u32) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&pid);
    }

    /// All children that nobody here started, whatever they bear. Those that have ended are reaped on the way.
    pub fn all_strangers(&self) -> Vec<Stranger> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = children("self").into_iter().filter(|pid| !known.contains(pid));
        unknown.filter_map(Stranger::of).filter(Stranger::lives).collect()
    }

    /// The children that nobody here started and that bear `mark` in their environment, with a descriptor for each.
    /// Those that have ended are reaped on the way.
    pub fn strangers(&self, mark: &str) -> Vec<Stranger> {
        let mut strangers = self.all_strangers();
        strangers.retain(|stranger| stranger.bears(mark));
        strangers
    }
}

/// A process that this one did not start itself.
#[derive(Debug)]
pub struct Stranger {
    /// Its id.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    descriptor: OwnedFd,
}

impl Stranger {
    fn of(pid: u32) -> Option<Stranger> {
        let descriptor = pidfd_open(Pid::from_raw(pid as i32)?, PidfdFlags::empty()).ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
        Some(Stranger { pid, name, descriptor })
    }

    /// Whether it has not ended. If it has, and is a child of this process, it is reaped.
    fn lives(&self) -> bool {
        if !readable(self.descriptor.as_fd(), Duration::ZERO) {
            return true;
        }
        self.reap();
        false
    }

    fn reap(&self) {
        // ECHILD says that it is a child of another process, which then reaps it.
        let _not_ours = Pid::from_raw(self.pid as i32).map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
    }

    /// A process shows no environment for the moment between the closing of its descriptors in execve(2) and the end
    /// of that, which is just when its parent goes on; so one that shows none is asked again for a while.
    fn bears(&self, mark: &str) -> bool {
        for _ in 0..EXEC_TRIES {
            let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
            if !environment.is_empty() {
                return environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes());
            }
            if readable(self.descriptor.as_fd(), EXEC_PAUSE) {
                return false;
            }
        }
        false
    }

    /// Kills it and waits until it is gone, at most a second.
    pub fn kill(&self) {
        // ESRCH: it has ended by itself.
        let _already_gone = pidfd_send_signal(&self.descriptor, Signal::KILL);
        readable(self.descriptor.as_fd(), Duration::from_secs(1));
        self.reap();
    }
}

/// The children of a process; `self` for this one.
pub fn children(pid: &str) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// All processes below `pid`, parents before their children. Each is held by a descriptor, so none is mistaken for another.
pub fn descendants(pid: u32) -> Vec<Stranger> {
    let mut found: Vec<Stranger> = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for child in children(&parent.to_string()) {
            parents.push(child);
            found.extend(Stranger::of(child));
        }
    }
    found
}

/// Whether the descriptor becomes readable, or hung up, within this time.
pub fn readable(descriptor: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = Timespec { tv_sec: within.as_secs() as i64, tv_nsec: i64::from(within.subsec_nanos()) };
    poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// Becomes readable when the user interrupts the run, and stays so.
#[derive(Debug)]
pub struct Interrupt {
    reader: UnixStream,
    /// Kept open: without a writer the reader would be readable at once.
    writer: UnixStream,
}

impl Interrupt {
    /// By SIGINT, SIGTERM or SIGHUP, which then no longer end this process.
    ///
    /// # Errors
    /// A handler cannot be installed.
    pub fn by_signals() -> io::Result<Interrupt> {
        let interrupt = Interrupt::never()?;
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            signal_hook::low_level::pipe::register(signal, interrupt.writer.try_clone()?)?;
        }
        Ok(interrupt)
    }

    /// By nothing.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn never() -> io::Result<Interrupt> {
        let (reader, writer) = UnixStream::pair()?;
        Ok(Interrupt { reader, writer })
    }

    /// Whether it has happened.
    pub fn happened(&self) -> bool {
        readable(self.reader.as_fd(), Duration::ZERO)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_is_found_by_its_mark_and_killed() {
        Family::adopt_orphans().unwrap();
        let family = Family::default();
        let mark = format!("CRUN_CAPTURE_TEST={}", fastrand::u64(..));
        let (name, value) = mark.split_once('=').unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]).env(name, value);
        let output = family.output(&mut command, Duration::from_secs(60)).unwrap();
        let orphan: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert!(family.strangers("CRUN_CAPTURE_TEST=another").is_empty());
        let found = family.strangers(&mark);
        assert_eq!(found.iter().map(|stranger| stranger.pid).collect::<Vec<_>>(), [orphan]);
        found[0].kill();
        assert!(fs::metadata(format!("/proc/{orphan}")).is_err(), "it is reaped, too");
    }

    #[test]
    fn a_child_that_takes_too_long_is_killed_with_what_is_below_it() {
        Family::adopt_orphans().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & wait"]);
        let error = Family::default().output(&mut command, Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn descendants_are_found_below_their_parent() {
        let mut child = Command::new("sh").args(["-c", "sleep 1000 & wait"]).spawn().unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while descendants(child.id()).is_empty() && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        let found = descendants(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(found.len(), 1);
        found[0].kill();
    }
}
