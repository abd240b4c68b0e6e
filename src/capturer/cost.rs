//! The cost of a capture for the process that captures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The cost of a capture for the capturer's own process, without its children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// CPU time in user mode (getrusage(2)).
    pub cpu_user_ns: u64,
    /// CPU time in the kernel.
    pub cpu_system_ns: u64,
    /// Peak resident set: VmHWM, because ru_maxrss is inherited across fork(2).
    pub max_rss_bytes: u64,
}

impl Cost {
    /// The cost of this process so far.
    pub fn of_this_process() -> Cost {
        let (cpu_user_ns, cpu_system_ns) = crate::sys::own_cpu_ns();
        let max_rss_bytes = status_field("self", "VmHWM").unwrap_or(0) * 1024;
        Cost { cpu_user_ns, cpu_system_ns, max_rss_bytes }
    }
}

/// A number from `/proc/PID/status` (proc_pid_status(5)). None: the process is gone, or has no such line.
pub fn status_field(pid: &str, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_cost() {
        assert!(Cost::of_this_process().max_rss_bytes > 100_000);
    }
}
