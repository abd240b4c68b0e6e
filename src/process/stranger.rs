//! Processes that the harness did not start itself: orphans of its capturers, and their descendants.

use super::readable;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use std::fs;
use std::io;
use std::time::Duration;

/// How often, and at which interval, the harness reads the environment of a process that shows none.
const EXEC_TRIES: u32 = 20;
const EXEC_PAUSE: Duration = Duration::from_millis(1);
/// A process that this process did not start itself. It is held by a pidfd.
#[derive(Debug)]
pub struct Stranger {
    /// The process's id.
    pub pid: u32,
    /// The process's name: `/proc/PID/comm`.
    pub name: String,
    descriptor: OwnedFd,
}

impl Stranger {
    /// The process with this id. None: there is no such process.
    pub fn of(pid: u32) -> Option<Stranger> {
        let descriptor = pidfd_open(Pid::from_raw(pid as i32)?, PidfdFlags::empty()).ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
        Some(Stranger { pid, name, descriptor })
    }

    /// Whether the process has not ended. Reaps it if it has ended and is a child of this process.
    pub(super) fn lives(&self) -> bool {
        if !readable(self.descriptor.as_fd(), Duration::ZERO) {
            return true;
        }
        self.reap();
        false
    }

    fn reap(&self) {
        // ECHILD: it is a child of another process, which reaps it.
        let _not_ours = Pid::from_raw(self.pid as i32).map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
    }

    /// Whether the process has `mark` in its environment. During execve(2) a process shows no environment for a moment:
    /// after its descriptors were closed, which is when its parent continues. So this function retries for up to 20 ms.
    pub(super) fn bears(&self, mark: &str) -> bool {
        for _ in 0..EXEC_TRIES {
            if let Some(bears) = bears_now(self.pid, mark) {
                return bears;
            }
            if readable(self.descriptor.as_fd(), EXEC_PAUSE) {
                return false;
            }
        }
        false
    }

    /// Sends the process a signal.
    ///
    /// # Errors
    /// As for pidfd_send_signal(2): the process has ended, or belongs to another user.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.descriptor, signal)?)
    }

    /// Blocks until the process has ended, reaped or not, for at most `within`. Returns whether it has.
    pub fn ends(&self, within: Duration) -> bool {
        readable(self.descriptor.as_fd(), within)
    }

    /// Kills the process. Blocks until it has ended, for at most a second.
    pub fn kill(&self) {
        // ESRCH: it has already ended.
        let _already_gone = pidfd_send_signal(&self.descriptor, Signal::KILL);
        readable(self.descriptor.as_fd(), Duration::from_secs(1));
        self.reap();
    }
}

/// Whether `mark` is in the environment of a process. None: the process shows no environment, or none to this user.
fn bears_now(pid: u32, mark: &str) -> Option<bool> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok().filter(|environment| !environment.is_empty())?;
    Some(environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()))
}

/// All other processes that have `mark` in their environment, whoever their parents are. A process in the middle of
/// execve(2) may be missed.
pub fn bearers(mark: &str) -> Vec<Stranger> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = pids.filter(|&pid| pid != std::process::id());
    // Checked a second time, because the pid may have gone to another process before the pidfd was opened.
    let found = others.filter(|&pid| bears_now(pid, mark) == Some(true)).filter_map(Stranger::of);
    found.filter(|stranger| bears_now(stranger.pid, mark) == Some(true)).collect()
}

/// The children of the process `pid`; `self` stands for this process.
pub fn children(pid: &str) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()).collect()
}

/// All descendants of `pid`, parents before their children. Each is held by a pidfd, so none is mistaken for another.
pub fn descendants(pid: u32) -> Vec<Stranger> {
    let mut found: Vec<Stranger> = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for child in children(&parent.to_string()) {
            parents.push(child);
            // Checked again after the pidfd was opened, because the pid may have gone to another process before.
            let still_its_child = |_: &Stranger| children(&parent.to_string()).contains(&child);
            found.extend(Stranger::of(child).filter(still_its_child));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

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
