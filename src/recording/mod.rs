//! Recordings: everything that is known about one run, before it is judged.

pub mod finished;
pub mod run;
pub mod store;

pub use run::{CapturerInfo, NotRun, Planned, Run, RuntimeInfo, Said};

use crate::capturer::Summary;
use crate::experiment::ExpectedEnd;
use crate::runtime::{PidsLimit, Stop};
use crate::script::Script;
use crate::script::journal::Journal;
use crun_capture_reactor::{Delivered, Exit, Stream};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The id of a cell, and the number of its run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CellId {
    /// The runtime's label.
    pub runtime: String,
    /// The capturer's name.
    pub strategy: String,
    /// The experiment's name.
    pub experiment: String,
    /// The case's name.
    pub case: String,
    /// The number of the run, from 0.
    pub run: u32,
}

impl CellId {
    /// Whether each part is a plain name, not a path. The folder of a recording is made from the parts.
    pub fn is_plain(&self) -> bool {
        let plain = |part: &String| !part.is_empty() && !part.contains('/') && part != "." && part != "..";
        [&self.runtime, &self.strategy, &self.experiment, &self.case].into_iter().all(plain)
    }
}

impl CellId {
    /// Whether the id fits a pattern `STRATEGY/EXPERIMENT/CASE`, where `*` stands for every case.
    pub fn fits(&self, pattern: &str) -> bool {
        let mut parts = pattern.split('/');
        parts.next() == Some(&self.strategy)
            && parts.next() == Some(&self.experiment)
            && parts.next().is_some_and(|wanted| wanted == "*" || wanted == self.case)
    }
}

impl fmt::Display for CellId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}/{}", self.runtime, self.strategy, self.experiment, self.case)
    }
}

/// Everything that was seen of one run. Times are in CLOCK_MONOTONIC ns.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// What was seen from outside.
    pub facts: Facts,
    /// The ground truth: what was written. None: the workload never started.
    pub journal: Option<Journal>,
    /// The deliveries, in the order of arrival, each with the time at which it arrived at the harness.
    pub deliveries: Vec<Delivered>,
    /// The stamp that the capturer itself gave each delivery. None: it gave none.
    pub stamps: Vec<Option<u64>>,
    /// The files that the capturer left for stdout and stderr. None: it left no such file.
    pub files: [Option<Vec<u8>>; 2],
}

impl Recording {
    /// The file of `stream`.
    pub fn file(&self, stream: Stream) -> Option<&[u8]> {
        self.files[stream.index()].as_deref()
    }
}

/// The small part of a recording: all but the journal, the deliveries and the files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The cell.
    pub id: CellId,
    /// The script that the workload had to play.
    pub script: Script,
    /// The end that was expected.
    pub expected: ExpectedEnd,
    /// Whether the capturer had a live descriptor. Without one it counts and discards.
    pub live: bool,
    /// The CPUs on which the workload and the capturer ran: `unpinned`.
    pub placement: String,
    /// What limited the number of processes in the container. None: nothing did.
    #[serde(default)]
    pub pids_limit: Option<PidsLimit>,
    /// When the capturer was started.
    pub started_ns: u64,
    /// When the workload's process ended. None: it never started, or was still there at the deadline.
    pub init_ended_ns: Option<u64>,
    /// When the capturer ended, or was killed.
    pub capturer_ended_ns: u64,
    /// How the capturer ended. None: it was killed at the deadline.
    pub capturer_exit: Option<Exit>,
    /// The capturer's own account. None: it gave none.
    pub summary: Option<Summary>,
    /// The errors in the runtime's own log.
    pub runtime_errors: Vec<String>,
    /// What the machine did to the cell. None: nothing that would explain a failure.
    #[serde(default)]
    pub crowded: Option<Crowded>,
    /// Whether the deadline came before the end.
    pub deadline_hit: bool,
    /// Processes of this cell that were still there after it, and state that could not be removed, in words.
    pub left_behind: Vec<String>,
    /// What was new after it in places that every program can write to, in words. Empty: nothing, or the case does not look
    /// there.
    #[serde(default)]
    pub left_elsewhere: Vec<String>,
    /// How the container was stopped. None: nothing was left to be stopped.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// The number of threads of the capturer when the workload ended.
    pub threads: Option<u64>,
    /// The capturer's read and write system calls, by /proc/PID/io.
    pub syscalls: Option<Syscalls>,
    /// What was wrong with the capturer's frames or files.
    pub protocol_error: Option<String>,
    /// Whether a program of the host ran in place of the workload. It keeps no journal, and the script says what it
    /// wrote.
    #[serde(default)]
    pub program: bool,
    /// The name of the stimulus: what was done to the run from outside.
    #[serde(default)]
    pub stimulus: Option<String>,
    /// What the stimulus did, and when.
    #[serde(default)]
    pub notes: Vec<(u64, String)>,
    /// What stood in each of the capturer's files before it was started.
    #[serde(default)]
    pub file_had: String,
    /// The errors with which the case itself makes the kernel refuse a write, whatever takes the output.
    #[serde(default)]
    pub forced_errors: Vec<i32>,
    /// Why the stimulus could not do what it had to do.
    #[serde(default)]
    pub stimulus_error: Option<String>,
    /// CPU time of the capturer with all its threads and helpers, without the command, in ns.
    #[serde(default)]
    pub capturer_cpu_ns: Option<u64>,
    /// The longest time in which the capturer had nothing to do, and the CPU time that it used meanwhile, in ns.
    #[serde(default)]
    pub waited: Option<(u64, u64)>,
    /// The number of bytes that the capturer wrote to its own stdout and stderr.
    #[serde(default)]
    pub diagnostics_bytes: u64,
    /// Peak resident set of the capturer and its helpers, without the command, as last seen.
    #[serde(default)]
    pub capturer_rss_bytes: Option<u64>,
    /// The memory of the capturer and its helpers that no file backs, when the workload passed its first gate. None: it
    /// passed none.
    #[serde(default)]
    pub memory_at_gate_bytes: Option<u64>,
    /// The most that was seen of it afterwards. None: memory does not matter in the case.
    #[serde(default)]
    pub memory_after_gate_bytes: Option<u64>,
    /// Owner, group and mode of the first file.
    #[serde(default)]
    pub file_owner: Option<String>,
    /// Whether a file belongs to another user than the capturer that made it; or, if it was there before, has another
    /// owner, group or mode than it had. None: there is no file.
    #[serde(default)]
    pub file_owner_changed: Option<bool>,
}

/// What the machine did to a cell, when it may be at fault for what the cell shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Crowded {
    /// Whether the harness was stopped and continued meanwhile.
    pub stopped: bool,
    /// How late the latest beat of the harness's pulse was.
    pub late_ns: u64,
    /// How many processes the kernel killed meanwhile for want of memory.
    #[serde(default)]
    pub oom_kills: u64,
    /// What was new elsewhere, and may be another program's: in the first of two runs only, or while others made files there,
    /// too.
    #[serde(default)]
    pub left_once: String,
    /// The part of all CPU time that processes outside the cell used, from 0 to 1.
    pub others: f64,
    /// The load averages.
    pub load: String,
    /// The line `some` of /proc/pressure/cpu.
    pub pressure: String,
}

impl Crowded {
    /// How late the harness's own pulse was, if the machine did nothing else.
    pub fn only_late_ns(&self) -> Option<u64> {
        let did_more = self.stopped || self.oom_kills > 0 || !self.left_once.is_empty();
        (!did_more).then_some(self.late_ns)
    }

    /// In words.
    pub fn words(&self) -> String {
        if self.stopped {
            return "the harness was stopped and continued meanwhile".to_owned();
        }
        if !self.left_once.is_empty() {
            let what = &self.left_once;
            return format!(
                "new, but perhaps made by another program (remove it and run the cell again on a quiet machine): {what}"
            );
        }
        if self.oom_kills > 0 {
            let count = self.oom_kills;
            return format!("the machine had no memory left: meanwhile the kernel killed {count} of its processes");
        }
        let (late_ms, others) = (self.late_ns / 1_000_000, self.others * 100.0);
        let pressure = if self.pressure.is_empty() { String::new() } else { format!(", pressure {}", self.pressure) };
        format!(
            "the machine was busy: others used {others:.0}% of the CPUs, the harness's own pulse was {late_ms} ms late, \
             load {}{pressure}",
            self.load
        )
    }
}

/// The numbers of system calls of a capturer, by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Syscalls {
    /// read(2) and similar calls.
    pub read: u64,
    /// write(2) and similar calls.
    pub write: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The checksum of a cell is made of its facts, so a number that JSON gives back changed would make a sound
        /// recording look as if somebody had altered it.
        #[test]
        fn facts_come_back_from_json_as_they_were(others in 0.0..1.0_f64) {
            let crowded = Crowded { others, ..Crowded::default() };
            let back: Crowded = serde_json::from_str(&serde_json::to_string(&crowded).unwrap()).unwrap();
            prop_assert_eq!(back.others.to_bits(), others.to_bits());
        }
    }
}
