//! The conditions that a runtime offers to a case here.

use crate::machine;
use crate::runtime::Found;
use crate::strategy::Needs;

/// The conditions on which the end of a case depends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conditions {
    /// The exit code of the runtime when it fails itself. None: there is no runtime.
    pub failure_code: Option<i32>,
    /// Whether a container can have a pid namespace of its own.
    pub pid_namespace: bool,
    /// Whether something limits how many processes a container may start.
    pub limits_pids: bool,
    /// Whether the harness has root's rights.
    pub root: bool,
    /// Whether the runtime goes away, and a process of the harness waits in its place.
    pub detached: bool,
    /// Whether the runtime leaves its container running when it cannot write the pid file.
    pub runs_on: bool,
}

impl Conditions {
    /// The conditions of this runtime, for a capturer with these needs.
    pub fn of(found: &Found, needs: Needs) -> Conditions {
        // A container with a terminal is created with `create`, and the capturer, which gives it the terminal, waits
        // for it.
        let created = found.runtime.is_oci() && needs.wants_terminal;
        Conditions {
            failure_code: found.runtime.is_oci().then_some(found.runtime.failure_code()),
            pid_namespace: found.has_pid_namespace(),
            limits_pids: found.pids_limit().is_some(),
            root: machine::is_root(),
            detached: found.runtime.detached() || created,
            runs_on: found.runtime.runs_on_without_pid_file() && !created,
        }
    }

    /// Whether there is a runtime.
    pub fn is_oci(self) -> bool {
        self.failure_code.is_some()
    }
}
