//! The processes that the harness starts. It knows each one, waits for it, and ends it by its id.
//!
//! The harness is a subreaper (PR_SET_CHILD_SUBREAPER): every process that a capturer or a runtime leaves behind
//! becomes a child of the harness. The harness finds it there, among the children that it did not start.

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

/// The maximum that is read of a helper's output.
const OUTPUT_MAX_BYTES: u64 = 1 << 20;

/// The time limit for a verb of a runtime: kill, delete, --version. They take a millisecond or two.
pub const VERB_DEADLINE: Duration = Duration::from_secs(5);

/// The variable that names the run in the environment of each of its processes. It identifies what outlives the run. A
/// pid could not: it means nothing in another pid namespace, and may belong to another process by then.
pub const RUN: &str = "CRUN_CAPTURE_RUN";

/// The variable that tells crun where to bind-mount its own binary on a file, which it then runs (CVE-2019-5736).
/// Without it crun uses /tmp. If crun is killed at that moment, the file remains.
const CLONES: &str = "_LIBCONTAINER_STATEDIR";

/// The children that this process has started.
#[derive(Debug)]
pub struct Family {
    known: Mutex<HashSet<u32>>,
    run: String,
    scratch: PathBuf,
}

impl Family {
    /// A family whose members all bear the mark of this run. They keep short-lived files in `scratch`.
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

    /// Makes this process the parent of its descendants' orphans (PR_SET_CHILD_SUBREAPER).
    ///
    /// # Errors
    /// As for prctl(2).
    pub fn adopt_orphans() -> io::Result<()> {
        Ok(rustix::process::set_child_subreaper(Some(Pid::INIT))?)
    }

    /// Starts a child, and records it before anybody can take it for a stranger.
    ///
    /// # Errors
    /// As for fork(2) and execve(2).
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        command.env(RUN, &self.run).env(CLONES, &self.scratch);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let child = command.spawn()?;
        known.insert(child.id());
        Ok(child)
    }

    /// Starts a child without input, and blocks until it has ended, for at most `within`. Its output goes through
    /// files, so a process that it leaves behind cannot keep the caller waiting. Each stream is cut off at 1 MiB.
    ///
    /// # Errors
    /// As for `spawn`. `TimedOut`: the child took longer; it and its descendants were killed.
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

    /// All children that this process did not start, with any mark or none. Reaps those that have ended.
    pub fn all_strangers(&self) -> Vec<Stranger> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = children("self").into_iter().filter(|pid| !known.contains(pid));
        unknown.filter_map(Stranger::of).filter(Stranger::lives).collect()
    }

    /// The children that this process did not start and that have `mark` in their environment. Each is held by a pidfd.
    /// Reaps those that have ended.
    pub fn strangers(&self, mark: &str) -> Vec<Stranger> {
        let mut strangers = self.all_strangers();
        strangers.retain(|stranger| stranger.bears(mark));
        strangers
    }
}

/// Whether the descriptor is readable or hung up within this time. Blocks until then.
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
