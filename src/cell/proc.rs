//! The facts about the capturer that /proc shows.

use crate::capturer::status_field;
use crate::recording::Syscalls;
use std::fs;

/// The observations of the capturer and the workload from outside. Times are CLOCK_MONOTONIC ns.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) started_ns: u64,
    /// When the last process of the workload ended.
    pub(super) init_ended_ns: Option<u64>,
    /// When the capturer ended, or its deadline came. 0: neither has happened yet.
    pub(super) capturer_ended_ns: u64,
    pub(super) threads: Option<u64>,
    pub(super) syscalls: Option<Syscalls>,
    pub(super) cpu_ns: Option<u64>,
    pub(super) rss_bytes: Option<u64>,
}

impl Seen {
    /// Looks at the capturer when the workload has ended, while the capturer still has all its resources. `weighs`:
    /// whether its memory matters.
    pub(super) fn look_at_end_of_workload(&mut self, capturer: u32, weighs: bool) {
        let field = |name| status_field(&capturer.to_string(), name);
        self.threads = field("Threads");
        if weighs {
            self.rss_bytes = field("VmHWM").map(|kib| kib * 1024);
        }
    }

    /// Looks at a capturer that has ended and was not reaped yet.
    pub(super) fn look_at_end_of_capturer(&mut self, capturer: u32) {
        self.syscalls = syscalls(capturer);
        self.cpu_ns = cpu_ns(capturer);
    }

    /// Looks at a capturer that still runs at the deadline.
    pub(super) fn look_at_deadline(&mut self, capturer: u32) {
        self.cpu_ns = cpu_ns(capturer);
    }
}

/// CPU time of a process with all its threads, in ns (proc_pid_stat(5), utime and stime). The process may have ended,
/// if it was not reaped yet.
fn cpu_ns(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field may contain anything. It ends with the last parenthesis.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// `/proc/PID/io` of a process that has ended and was not reaped yet: only then is it complete.
fn syscalls(pid: u32) -> Option<Syscalls> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(Syscalls { read: field("syscr:")?, write: field("syscw:")? })
}
