//! Processes that the harness did not start itself: orphans of its capturers, and what is below them.

use super::readable;
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, pidfd_send_signal, waitpid};
use std::fs;
use std::io;
use std::time::Duration;

/// How often, and how long after another, a process is asked for its environment while it shows none.
const EXEC_TRIES: u32 = 20;
const EXEC_PAUSE: Duration = Duration::from_millis(1);
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
    /// The process of this number; None where there is none.
    pub fn of(pid: u32) -> Option<Stranger> {
        let descriptor = pidfd_open(Pid::from_raw(pid as i32)?, PidfdFlags::empty()).ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
        Some(Stranger { pid, name, descriptor })
    }

    /// Whether it has not ended. If it has, and is a child of this process, it is reaped.
    pub(super) fn lives(&self) -> bool {
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

    /// Sends it a signal.
    ///
    /// # Errors
    /// As pidfd_send_signal(2): it has ended, or is somebody else's.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.descriptor, signal)?)
    }

    /// Blocks until it has ended, whether it was waited for or not, at most for `within`; whether it has.
    pub fn ends(&self, within: Duration) -> bool {
        readable(self.descriptor.as_fd(), within)
    }

    /// Kills it and waits until it is gone, at most a second.
    pub fn kill(&self) {
        // ESRCH: it has ended by itself.
        let _already_gone = pidfd_send_signal(&self.descriptor, Signal::KILL);
        readable(self.descriptor.as_fd(), Duration::from_secs(1));
        self.reap();
    }
}

/// Whether `mark` stands in the environment of a process; None where it shows none, or none to this user.
fn bears_now(pid: u32, mark: &str) -> Option<bool> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok().filter(|environment| !environment.is_empty())?;
    Some(environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()))
}

/// All processes but this one that bear `mark`, whoever's children they are. One that is just being executed may be missed.
pub fn bearers(mark: &str) -> Vec<Stranger> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let others = pids.filter(|&pid| pid != std::process::id());
    // Asked twice: by the time there is a descriptor, the number could be another process's.
    let found = others.filter(|&pid| bears_now(pid, mark) == Some(true)).filter_map(Stranger::of);
    found.filter(|stranger| bears_now(stranger.pid, mark) == Some(true)).collect()
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
            // Asked again, now that it is held: by then the number could be another process's.
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
