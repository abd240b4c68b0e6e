//! The facts about the capturer that /proc and the kernel's clocks show.

use crate::capturer::status_field;
use crate::process::children;
use crate::recording::Syscalls;
use crate::sys::cpu_ns_of;
use crun_capture_reactor::clock::now_ns;
use std::fs;
use std::path::{Path, PathBuf};

/// A time without work that is shorter than this says nothing about how the capturer waits: at a gate, where it has
/// nothing to do, and after the program, where it may have much to deliver first.
pub(super) const AT_GATE_NS: u64 = 300_000_000;
pub(super) const AFTER_PROGRAM_NS: u64 = 1_000_000_000;

/// The beginning of the path of a program that runs from memfd_create(2).
const IN_MEMORY: &str = "/memfd:";

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
    /// CPU time of the capturer and its helpers.
    pub(super) cpu_ns: Option<u64>,
    /// The capturer's peak, with what its helpers had for themselves.
    pub(super) rss_bytes: Option<u64>,
    /// The memory of the capturer and its helpers that no file backs, at the first gate, and the most that was seen after
    /// it. A peak would not do: what was freed before the gate would hide what is hoarded after it.
    pub(super) at_gate_bytes: Option<u64>,
    pub(super) after_gate_bytes: Option<u64>,
    /// The longest time in which the capturer had nothing to do, and the CPU time that it used meanwhile.
    pub(super) waited: Option<(u64, u64)>,
    /// The present time without work: its shortest length that counts, when it began, and the CPU time until then.
    waits_from: Option<(u64, u64, u64)>,
    /// CPU time of the helpers, when they were looked at last.
    helpers_cpu_ns: u64,
    /// The programs of the command. What they start is no helper of the capturer.
    of_the_command: Vec<PathBuf>,
}

impl Seen {
    /// Of a capturer that was started at this time. `of_the_command`: the programs of its command.
    pub(super) fn new(started_ns: u64, of_the_command: Vec<PathBuf>) -> Seen {
        Seen { started_ns, of_the_command, ..Seen::default() }
    }

    /// Looks at the capturer when the workload has ended, while the capturer still has all its resources.
    pub(super) fn look_at_end_of_workload(&mut self, capturer: u32) {
        self.threads = status_field(&capturer.to_string(), "Threads");
        self.weigh(capturer);
    }

    /// Looks at a capturer that has ended and was not reaped yet.
    pub(super) fn look_at_end_of_capturer(&mut self, capturer: u32) {
        self.syscalls = syscalls(capturer);
        self.cpu_ns = cpu_ns_of(capturer).map(|own| own + self.helpers_cpu_ns);
        self.waits_until(now_ns(), capturer);
    }

    /// Looks at a capturer that still runs at the deadline.
    pub(super) fn look_at_deadline(&mut self, capturer: u32) {
        self.weigh(capturer);
        self.waits_until(now_ns(), capturer);
    }

    /// Looks at the memory and the CPU time of the capturer and its helpers. A peak is never forgotten by the kernel, so
    /// a later look misses none, but a process that has ended has none any more.
    pub(super) fn weigh(&mut self, capturer: u32) {
        let helpers = self.helpers(capturer);
        if let Some(peak) = status_field(&capturer.to_string(), "VmHWM") {
            // Between fork(2) and execve(2) the command is a copy of the capturer, and shares its pages.
            let of_helpers: u64 = helpers.iter().filter_map(|&pid| private_bytes(pid)).sum();
            self.rss_bytes = self.rss_bytes.max(Some(peak * 1024 + of_helpers));
        }
        if self.at_gate_bytes.is_some() {
            self.after_gate_bytes = self.after_gate_bytes.max(self.unbacked_bytes(capturer));
        }
        let of_helpers: u64 = helpers.iter().filter_map(|&pid| cpu_ns_of(pid)).sum();
        self.helpers_cpu_ns = self.helpers_cpu_ns.max(of_helpers);
        self.cpu_ns = cpu_ns_of(capturer).map(|own| own + self.helpers_cpu_ns).or(self.cpu_ns);
    }

    /// CPU time of the children that the capturer and its helpers have waited for. At a gate the command still runs, so it is
    /// not among them; after the program it is.
    fn reaped_ns(&self, at_gate: bool, capturer: u32) -> u64 {
        let all = at_gate.then(|| std::iter::once(capturer).chain(self.helpers(capturer)));
        all.into_iter().flatten().map(reaped_cpu_ns).sum()
    }

    /// From now on the capturer has nothing to do. It counts if that lasts for at least `least_ns`.
    pub(super) fn waits(&mut self, capturer: u32, least_ns: u64) {
        self.weigh(capturer);
        let reaped_ns = self.reaped_ns(least_ns == AT_GATE_NS, capturer);
        self.waits_from = self.cpu_ns.map(|cpu_ns| (least_ns, now_ns(), cpu_ns + reaped_ns));
    }

    /// The workload passes a gate.
    pub(super) fn passes_gate(&mut self, capturer: u32) {
        self.weigh(capturer);
        self.at_gate_bytes = self.at_gate_bytes.or_else(|| self.unbacked_bytes(capturer));
    }

    /// The capturer has something to do again, or has ended.
    pub(super) fn waits_until(&mut self, at_ns: u64, capturer: u32) {
        let Some((least_ns, from_ns, before_ns)) = self.waits_from.take() else { return };
        let at_gate = least_ns == AT_GATE_NS;
        let waited_ns = at_ns.saturating_sub(from_ns);
        if waited_ns < least_ns || self.waited.is_some_and(|(longest_ns, _)| longest_ns > waited_ns) {
            return;
        }
        self.weigh(capturer);
        let used_ns = self.cpu_ns.map(|cpu_ns| cpu_ns + self.reaped_ns(at_gate, capturer));
        self.waited = used_ns.map(|used_ns| (waited_ns, used_ns.saturating_sub(before_ns)));
    }

    fn unbacked_bytes(&self, capturer: u32) -> Option<u64> {
        let of_helpers: u64 = self.helpers(capturer).into_iter().filter_map(unbacked_bytes).sum();
        Some(unbacked_bytes(capturer)? + of_helpers)
    }

    /// The processes that the capturer has started, without the command and what belongs to it.
    fn helpers(&self, capturer: u32) -> Vec<u32> {
        let is_command = |pid: u32| {
            let program = fs::read_link(format!("/proc/{pid}/exe"));
            // A process that is gone, or not ours to look at, is none of the capturer's. crun and runc run from a copy of
            // themselves in memory or in a mount of their own, which has no path here.
            program.map_or(true, |program| {
                program == Path::new("/")
                    || program.to_string_lossy().starts_with(IN_MEMORY)
                    || self.of_the_command.contains(&program)
            })
        };
        let (mut found, mut parents) = (Vec::new(), vec![capturer]);
        while let Some(parent) = parents.pop() {
            for child in children(&parent.to_string()).into_iter().filter(|&child| !is_command(child)) {
                found.push(child);
                parents.push(child);
            }
        }
        found
    }
}

/// CPU time by fields of /proc/PID/stat (proc_pid_stat(5)), in ns: `skip` many after the process's name are left out, and
/// `take` many counted. The process may have ended, if it was not reaped yet.
pub(super) fn stat_cpu_ns(pid: u32, skip: usize, take: usize) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The second field may contain anything. It ends with the last parenthesis.
    let fields = text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().skip(skip)).into_iter().flatten();
    let ticks: u64 = fields.take(take).filter_map(|field| field.parse::<u64>().ok()).sum();
    ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()
}

/// CPU time of the children that a process has waited for, in ns: cutime and cstime.
fn reaped_cpu_ns(pid: u32) -> u64 {
    stat_cpu_ns(pid, 13, 2)
}

/// The memory of a process that no file backs, in bytes (proc_pid_status(5)). None: it is gone.
fn unbacked_bytes(pid: u32) -> Option<u64> {
    let of = |name| status_field(&pid.to_string(), name);
    Some((of("RssAnon")? + of("RssShmem").unwrap_or(0)) * 1024)
}

/// The memory that a process shares with no other, in bytes (proc_pid_smaps(5)).
fn private_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let private = text.lines().filter(|line| line.starts_with("Private_"));
    let kib: u64 = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum();
    Some(kib * 1024)
}

/// `/proc/PID/io` of a process that has ended and was not reaped yet: only then is it complete.
fn syscalls(pid: u32) -> Option<Syscalls> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(Syscalls { read: field("syscr:")?, write: field("syscw:")? })
}
