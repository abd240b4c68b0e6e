//! The facts that are measured of a recording, under the names that they have in JSON.

use super::LIVE_FRACTION;
use crate::recording::Syscalls;
use crate::runtime::PidsLimit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one recording shows. `null` where there is nothing to measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    /// Lines that the kernel accepted whole: what a capturer was to deliver.
    pub accepted_lines: u64,
    /// How many deliveries there were.
    pub deliveries: u64,
    /// How many bytes they had, terminators included.
    pub delivered_bytes: u64,
    /// Bytes that the kernel accepted and nobody delivered.
    pub lost_bytes: u64,
    /// Lines that were accepted whole and not delivered.
    pub lost_lines: u64,
    /// Bytes that the kernel refused to take from the workload (EPIPE, EAGAIN on a descriptor that somebody made
    /// non-blocking): they were never written, so no capturer lost them.
    pub refused_bytes: u64,
    /// Deliveries of a line beyond its first.
    pub duplicated_lines: u64,
    /// Lines that were delivered otherwise than they were written; a stripped carriage return counts.
    pub altered_lines: u64,
    /// Deliveries that no line of the script explains.
    pub foreign_lines: u64,
    /// Lines delivered whole, but with or without a final line feed that was not or was written.
    pub wrong_endings: u64,
    /// Bytes missing from the files; null where there are no files.
    pub file_lost_bytes: Option<u64>,
    /// Lines missing from the files.
    pub file_lost_lines: Option<u64>,
    /// Lines that stand in the files more than once.
    pub file_duplicated_lines: Option<u64>,
    /// Lines that stand in the files otherwise than they were written.
    pub file_altered_lines: Option<u64>,
    /// Lines delivered with the wrong origin.
    pub misattributed_lines: u64,
    /// Lines delivered as merged.
    pub unattributed_lines: u64,
    /// Lines that arrived before one that was written earlier on the same stream.
    pub stream_inversions: u64,
    /// Neighbouring writes on different streams that arrived swapped, of all such neighbours; null where there are none.
    pub cross_inversion_rate: Option<f64>,
    /// Receipt minus write; null where most of it was delivered after the exit.
    pub latency_ns: Option<Quantiles>,
    /// Receipt minus the time at which the line was due.
    pub due_latency_ns: Option<Quantiles>,
    /// From the first write to the first delivery.
    pub first_delivery_ns: Option<u64>,
    /// How much was delivered before the workload ended, 0 to 1.
    pub delivered_before_exit_fraction: Option<f64>,
    /// What the capturer should have exited with.
    pub exit_expected: i32,
    /// What it exited with; null when it was killed at the deadline.
    pub exit_reported: Option<i32>,
    /// The signal that it reported.
    pub signal: Option<i32>,
    /// What the runtime's own log says went wrong.
    pub runtime_error: Option<String>,
    /// Whether the runtime was to fail.
    pub runtime_error_expected: bool,
    /// From the start of the capturer to its end.
    pub wall_ns: u64,
    /// From the end of the workload to the report of its exit.
    pub exit_latency_ns: Option<u64>,
    /// From the end of the workload to the last delivery; 0 where that came before.
    pub drain_latency_ns: Option<u64>,
    /// Whether the capturer says that it did not deliver everything.
    pub truncated: bool,
    /// Whether the deadline came before the end.
    pub deadline_hit: bool,
    /// What limited the processes of the container; null where nothing did.
    pub pids_limit: Option<PidsLimit>,
    /// Processes and state left behind.
    pub left_behind: u64,
    /// What was wrong with the capturer's frames.
    pub protocol_error: Option<String>,
    /// Whether the workload started; null where it was not to.
    pub workload_started: Option<bool>,
    /// How many write(2) calls the workload made.
    pub workload_writes: Option<u64>,
    /// From the begin of its first write to the end of its last.
    pub workload_writing_ns: Option<u64>,
    /// How long the workload was blocked in write(2), counting writes of a millisecond and more.
    pub workload_stalled_ns: Option<u64>,
    /// Whether the workload played to its end, with nothing that it wrote refused, although something was done to its run; null
    /// where nothing was.
    pub workload_survived: Option<bool>,
    /// Lines of a child of the workload that wrote on in the background: whether they arrive is nobody's duty.
    pub background_lines: u64,
    /// Whether an unterminated line was held back from somebody who waited for it; null where nobody did.
    pub prompt_held: Option<bool>,
    /// Whether the capturer's account tells of what is wrong with its files; null where nothing is.
    pub file_loss_told: Option<bool>,
    /// Whether a file belongs to somebody else than who runs the capturer; null where there is none.
    pub file_owner_changed: Option<bool>,
    /// Whose the first of them is, and its mode: `0:0 0600`.
    pub file_owner: Option<String>,
    /// CPU time of the capturer with all its threads, in steps of 10 ms.
    pub capturer_cpu_ns: Option<u64>,
    /// How much the capturer wrote to its own stdout and stderr.
    pub diagnostics_bytes: u64,
    /// Why what was to be done to the run could not be done.
    pub stimulus_error: Option<String>,
    /// Bytes a second from the first write to the end of the capture, where cost is measured.
    pub throughput_bytes_per_s: Option<u64>,
    /// CPU time of the capturer alone, in user mode, where cost is measured.
    pub cpu_user_ns: Option<u64>,
    /// The same in the kernel.
    pub cpu_system_ns: Option<u64>,
    /// Peak resident set of the capturer, where cost is measured; where its consumer never reads, when the workload ended.
    pub max_rss_bytes: Option<u64>,
    /// Threads of the capturer when the workload ended.
    pub threads: Option<u64>,
    /// Its system calls, where cost is measured.
    pub syscalls: Option<Syscalls>,
}

impl Findings {
    /// Whether it was delivered while the program ran: a prompt, where the script begins with one, else most of the lines.
    pub fn is_live(&self) -> bool {
        match self.prompt_held {
            Some(held) => !held,
            None => self.delivered_before_exit_fraction.is_some_and(|fraction| fraction >= LIVE_FRACTION),
        }
    }

    /// Whether what was delivered is in the files. That something is lost from both is another finding.
    pub fn has_file(&self) -> bool {
        let no_worse = |of_file: Option<u64>, delivered| of_file.is_some_and(|of_file| of_file <= delivered);
        no_worse(self.file_lost_lines, self.lost_lines) && no_worse(self.file_altered_lines, self.altered_lines)
    }
}

/// A distribution in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// The median.
    pub p50: u64,
    /// 90 of 100 are not above it.
    pub p90: u64,
    /// 99 of 100 are not above it.
    pub p99: u64,
    /// 999 of 1,000 are not above it; null under 10,000 values.
    pub p999: Option<u64>,
    /// The largest.
    pub max: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;

    #[test]
    fn every_field_is_a_finding_and_every_finding_a_field() {
        let json = serde_json::to_value(Findings::default()).unwrap();
        let mut fields: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut findings: Vec<&str> = Finding::ALL.iter().map(|finding| finding.name()).collect();
        fields.sort_unstable();
        findings.sort_unstable();
        assert_eq!(fields, findings);
    }
}
