//! Processes that the harness starts: each one is known, waited for, and ended by its id.
//!
//! The harness is a subreaper (PR_SET_CHILD_SUBREAPER): whatever a capturer or a runtime leaves behind becomes a child of
//! the harness, where it is found among the children that nobody here started.

mod interrupt;
mod stranger;

pub use interrupt::Interrupt;
pub use stranger::{Stranger, bearers, children, descendants};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::HashSet;
use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How much of a helper's output is looked at.
const OUTPUT_MAX_BYTES: u64 = 1 << 20;

/// How long a verb of a runtime may take: kill, delete, --version. They take a millisecond or two.
pub const VERB_DEADLINE: Duration = Duration::from_secs(5);

/// Names the run in the environment of every process that belongs to it. What outlives the run is found by it: a pid
/// would lie across pid namespaces, and by then belong to somebody else.
pub const RUN: &str = "CRUN_CAPTURE_RUN";

/// crun bind-mounts its own binary on a file, to run from that (CVE-2019-5736), in the directory that this variable names
/// or else in /tmp; the file stays where it is killed in that moment.
const CLONES: &str = "_LIBCONTAINER_STATEDIR";

/// The children of this process that it knows.
#[derive(Debug)]
pub struct Family {
    known: Mutex<HashSet<u32>>,
    run: String,
    scratch: PathBuf,
}

impl Family {
    /// One whose members all bear the mark of this run, and keep in `scratch` what they need only for a moment.
    pub fn of_run(run: &str, scratch: &Path) -> Family {
        Family { known: Mutex::default(), run: run.to_owned(), scratch: scratch.to_owned() }
    }

    /// The id of the run.
    pub fn run(&self) -> &str {
        &self.run
    }

    /// The mark of the run: `NAME=VALUE`.
    pub fn mark(&self) -> String {
        format!("{RUN}={}", self.run)
    }

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
        command.env(RUN, &self.run).env(CLONES, &self.scratch);
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

/// Whether the descriptor becomes readable, or hung up, within this time.
pub fn readable(descriptor: BorrowedFd<'_>, within: Duration) -> bool {
    let timeout = Timespec { tv_sec: within.as_secs() as i64, tv_nsec: i64::from(within.subsec_nanos()) };
    poll(&mut [PollFd::new(&descriptor, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_orphan_is_found_by_its_mark_and_killed() {
        Family::adopt_orphans().unwrap();
        let run = format!("{:016x}", fastrand::u64(..));
        let family = Family::of_run(&run, &std::env::temp_dir());
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 >/dev/null 2>&1 & echo $!"]);
        let output = family.output(&mut command, Duration::from_secs(60)).unwrap();
        let orphan: u32 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert!(family.strangers("CRUN_CAPTURE_RUN=another").is_empty());
        let mark = family.mark();
        let pids = |found: &[Stranger]| found.iter().map(|stranger| stranger.pid).collect::<Vec<_>>();
        assert_eq!(pids(&bearers(&mark)), [orphan], "it is found among all processes");
        let found = family.strangers(&mark);
        assert_eq!(pids(&found), [orphan], "and among the children");
        found[0].kill();
        assert!(fs::metadata(format!("/proc/{orphan}")).is_err(), "it is reaped, too");
        assert!(bearers(&mark).is_empty());
    }

    #[test]
    fn a_child_that_takes_too_long_is_killed_with_what_is_below_it() {
        Family::adopt_orphans().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & wait"]);
        let error =
            Family::of_run("test", &std::env::temp_dir()).output(&mut command, Duration::from_millis(300)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
