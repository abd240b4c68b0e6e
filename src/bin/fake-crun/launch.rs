//! The start of the init: this program runs again, with pipes between the two processes.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Command;

use rustix::io::FdFlags;
use rustix::process::WaitOptions;

use crate::failure::Failure;
use crate::init::{self, Orders};
use crate::job::Job;
use crate::{mode, state};

/// An init that was started, and the two pipes that connect to it.
pub(crate) struct Started {
    pub(crate) pid: i32,
    /// The read end of the pipe for the init's complaints.
    pub(crate) complaints: OwnedFd,
    /// The write end of the pipe that tells the init to go on.
    pub(crate) go: OwnedFd,
    /// The read end of the same pipe. It is kept open, so that a write to an init that has failed does not raise
    /// SIGPIPE.
    pub(crate) go_on: OwnedFd,
}

impl Job<'_> {
    /// Runs this program again as the init. The init gets the caller's descriptors, one for its complaints, and one
    /// that tells it to go on.
    pub(crate) fn spawn(&self, console: Option<UnixStream>) -> io::Result<Started> {
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

    /// The number of descriptors after stderr that the container also gets.
    fn preserved(&self) -> u32 {
        let asked = self.parsed.value("preserve-fds").and_then(|count| count.parse().ok()).unwrap_or(0u32);
        asked.saturating_add(activated()).min(1 << 16)
    }
}

/// The number of descriptors that the caller passes as systemd does (sd_listen_fds(3)).
fn activated() -> u32 {
    std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// Reads the init's complaint, if any. A zero byte, or the end of the pipe without a text, means that all is well.
pub(crate) fn listen(complaints: OwnedFd, pid: i32) -> Result<i32, Failure> {
    let mut text = Vec::new();
    let read = BufReader::new(File::from(complaints)).read_until(0, &mut text);
    read.map_err(|error| Failure::io("read from the init process", &error))?;
    let text = String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned();
    if text.is_empty() {
        return Ok(pid);
    }
    // The init ends at once. If it cannot be reaped, nothing changes.
    let _ = rustix::process::waitpid(rustix::process::Pid::from_raw(pid), WaitOptions::empty());
    Err(Failure::new(text))
}
