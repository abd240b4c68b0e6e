//! Runs a container detached and waits for it. A shim such as conmon does the same, but also copies the streams.

use crate::sys::release_standard_streams;
use crun_capture_reactor::Exit;
use rustix::process::{Pid, WaitOptions, set_child_subreaper, wait};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// Runs `command` (`run --detach --pid-file PID_FILE …`), which inherits the caller's descriptors. Then releases the
/// caller's standard streams, waits for the container's init, and returns its exit. If the runtime exits with another
/// code than 0, returns that exit instead. Blocks until the init has ended.
///
/// # Errors
/// The command cannot be run, or its container cannot be found.
pub fn run_and_wait(command: &[OsString], pid_file: &Path) -> io::Result<Exit> {
    // The init of a detached container becomes a child of the nearest subreaper (prctl(2), PR_SET_CHILD_SUBREAPER).
    set_child_subreaper(Some(Pid::INIT))?;
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let status = Command::new(program).args(arguments).status()?;
    if !status.success() {
        // A helper of the runtime may outlive it for a moment. It must not be left for another process to reap.
        while wait(WaitOptions::empty()).is_ok() {}
        return Ok(Exit::from(status));
    }
    let pid = fs::read_to_string(pid_file)?;
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    release_standard_streams()?;
    // The runtime may have started the container from a process of its own that outlives it for a moment. That process
    // is an orphan of this process by now, and when it ends, the container becomes one too. So this loop reaps every
    // child until the init has ended.
    loop {
        match wait(WaitOptions::empty())? {
            Some((child, status)) if child == pid => {
                use std::os::unix::process::ExitStatusExt;
                return Ok(Exit::from(ExitStatus::from_raw(status.as_raw())));
            }
            _ => {}
        }
    }
}
