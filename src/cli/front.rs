//! `front`: runs in front of a runtime, in the command that a capturer runs. It prepares the runtime's surroundings, or
//! waits for a detached container.

use super::complain;
use crun_capture::runtime::{cgroup_view, detached, pids_limit};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The exit code when the surroundings cannot be made, or the container cannot be waited for.
const FRONT_FAILED: u8 = 125;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Make a user namespace with one uid
    #[arg(long)]
    user_namespace: bool,
    /// Make a mount namespace with cgroup2 on /sys/fs/cgroup
    #[arg(long)]
    cgroup_view: bool,
    /// Enter this cgroup first
    #[arg(long, value_name = "DIR")]
    pids_group: Option<PathBuf>,
    /// Wait for the process whose pid the runtime writes to this file
    #[arg(long, value_name = "PID-FILE")]
    wait_for: Option<PathBuf>,
    /// The runtime and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    if let Some(group) = &arguments.pids_group
        && let Err(error) = pids_limit::enter(group)
    {
        complain(&error.to_string());
        return FRONT_FAILED;
    }
    if (arguments.user_namespace || arguments.cgroup_view)
        && let Err(error) = cgroup_view::enter(arguments.user_namespace, arguments.cgroup_view)
    {
        complain(&error.to_string());
        return FRONT_FAILED;
    }
    let error = match &arguments.wait_for {
        None => Command::new(&arguments.command[0]).args(&arguments.command[1..]).exec(),
        Some(pid_file) => match detached::run_and_wait(&arguments.command, pid_file) {
            Ok(exit) => return exit.shell_code().map_or(u8::MAX, |code| code as u8),
            Err(error) => error,
        },
    };
    complain(&format!("{}: {error}", arguments.command[0].display()));
    if error.kind() == std::io::ErrorKind::NotFound { 127 } else { FRONT_FAILED }
}
