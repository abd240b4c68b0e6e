//! The facts that are measured from a recording, under their names in JSON.

use super::LIVE_MIN;
use crate::recording::Syscalls;
use crate::runtime::PidsLimit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The findings of one recording. A field is `null` if there is nothing to measure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Findings {
    /// Lines that the kernel accepted as a whole: what a capturer had to deliver.
    pub accepted_lines: u64,
    /// The number of deliveries.
    pub deliveries: u64,
    /// Bytes that were delivered, terminators included.
    pub delivered_bytes: u64,
    /// Bytes that the kernel accepted and that were not delivered.
    pub lost_bytes: u64,
    /// Lines that the kernel accepted as a whole and that were not delivered.
    pub lost_lines: u64,
    /// Bytes that the workload wrote and that were refused (EMSGSIZE, ENXIO, ENOSPC, …), although a pipe would have
    /// taken them. What the case itself makes the kernel refuse does not count.
    pub refused_bytes: u64,
    /// Lines that were refused so, at least in part.
    pub refused_lines: u64,
    /// Bytes that the capturer's account says were lost; null if it gives no figure.
    pub told_lost_bytes: Option<u64>,
    /// How far the account's figures, one for each stream, are from what was lost; null if it gives none.
    pub told_wrong_bytes: Option<u64>,
    /// Whether the account says that output was lost, although everything was delivered and the files are whole.
    pub false_alarm: bool,
    /// Deliveries of a line after its first.
    pub duplicated_lines: u64,
    /// Lines that were delivered with other bytes than were written. A stripped carriage return counts.
    pub altered_lines: u64,
    /// Deliveries that no line of the script explains.
    pub foreign_lines: u64,
    /// Lines that were delivered whole, but whose final line feed was made up or left out.
    pub wrong_endings: u64,
    /// Bytes that are missing from the files; null if there are no files.
    pub file_lost_bytes: Option<u64>,
    /// Lines that are missing from the files.
    pub file_lost_lines: Option<u64>,
    /// Lines that stand in the files more than once.
    pub file_duplicated_lines: Option<u64>,
    /// Lines that stand in the files with other bytes than were written.
    pub file_altered_lines: Option<u64>,
    /// Lines that were delivered as those of the other stream.
    pub misattributed_lines: u64,
    /// Lines that were delivered as merged, without their stream.
    pub unattributed_lines: u64,
    /// Of how many streams lines were delivered with their stream, from 0 to 2.
    pub attributed_streams: u64,
    /// Lines that arrived before an earlier line of the same stream.
    pub stream_inversions: u64,
    /// The fraction of the neighbouring lines on different streams that arrived swapped; null if there are no such
    /// neighbours.
    pub cross_inversion_rate: Option<f64>,
    /// The time from the write of a line to its arrival at the harness, by the harness's clock; null if most of the output
    /// was delivered after the exit.
    pub latency_ns: Option<Quantiles>,
    /// The same time by the stamps that the capturer gives; null if it gives none.
    pub self_latency_ns: Option<Quantiles>,
    /// The capturer's own stamps that cannot be: before the line's write, or after its arrival.
    pub impossible_stamps: u64,
    /// The time from when a line was due to its arrival.
    pub due_latency_ns: Option<Quantiles>,
    /// The time from the first write to the first delivery.
    pub first_delivery_ns: Option<u64>,
    /// The fraction of the lines that were delivered before the workload ended, from 0 to 1.
    pub delivered_before_exit_fraction: Option<f64>,
    /// The fraction of the lines that were delivered before the workload ended, or within 20 ms of their write.
    pub live_fraction: Option<f64>,
    /// The exit code that the capturer had to have.
    pub exit_expected: i32,
    /// The exit code of the capturer; null if it was killed at the deadline.
    pub exit_reported: Option<i32>,
    /// The signal that the capturer reported.
    pub signal: Option<i32>,
    /// The error in the runtime's own log.
    pub runtime_error: Option<String>,
    /// Whether the runtime had to fail.
    pub runtime_error_expected: bool,
    /// The time from the start of the capturer to its end.
    pub wall_ns: u64,
    /// The time from the end of the workload to the end of the capturer.
    pub exit_latency_ns: Option<u64>,
    /// The time from the end of the workload to the last delivery; 0 if the delivery came first.
    pub drain_latency_ns: Option<u64>,
    /// Whether the capturer says that it did not deliver everything.
    pub truncated: bool,
    /// Whether the deadline came before the end.
    pub deadline_hit: bool,
    /// What limited the number of processes in the container; null if nothing did.
    pub pids_limit: Option<PidsLimit>,
    /// The number of processes, files and pieces of state that were left behind.
    pub left_behind: u64,
    /// What was left behind, in words; null if nothing was.
    pub left_behind_what: Option<String>,
    /// What was wrong with the capturer's frames or files.
    pub protocol_error: Option<String>,
    /// Whether the workload started; null if it was not to start.
    pub workload_started: Option<bool>,
    /// The number of write(2) calls of the workload.
    pub workload_writes: Option<u64>,
    /// The time from the beginning of the workload's first write to the end of its last.
    pub workload_writing_ns: Option<u64>,
    /// How long the workload was blocked in write(2). Only writes of 1 ms and more count.
    pub workload_stalled_ns: Option<u64>,
    /// Whether the workload played to its end, and none of its writes was refused, although something was done to its
    /// run; null if nothing was done.
    pub workload_survived: Option<bool>,
    /// Lines of a child of the workload that wrote on in the background. No capturer has the duty to deliver them.
    pub background_lines: u64,
    /// Whether an unterminated line was held back from somebody who waited for it; null if nobody waited.
    pub prompt_held: Option<bool>,
    /// Lines that did not arrive while the workload, which writes one line at a time, waited for them; null if it did not
    /// wait.
    pub held_lines: Option<u64>,
    /// Whether the capturer's account reports what is wrong with its files; null if nothing is wrong.
    pub file_loss_told: Option<bool>,
    /// Whether a file belongs to another user than the one who runs the capturer, or one that was there before has
    /// another owner, group or mode than it had; null if there is no file.
    pub file_owner_changed: Option<bool>,
    /// Owner, group and mode of the first file: `0:0 0600`.
    pub file_owner: Option<String>,
    /// CPU time of the capturer with all its threads and helpers, without the command, from its start.
    pub capturer_cpu_ns: Option<u64>,
    /// The longest time of at least 0.3 s in which the capturer had nothing to do; null if there was none.
    pub waited_ns: Option<u64>,
    /// CPU time that the capturer used meanwhile.
    pub waited_cpu_ns: Option<u64>,
    /// The number of bytes that the capturer wrote to its own stdout and stderr.
    pub diagnostics_bytes: u64,
    /// What the machine did to the cell, if that may explain a failure.
    pub machine_busy: Option<String>,
    /// How late the harness's own pulse was meanwhile; null if the machine was not busy, or did something else.
    pub machine_late_ns: Option<u64>,
    /// Why the stimulus could not do what it had to do to the run.
    pub stimulus_error: Option<String>,
    /// Output in bytes per second, from the first write until the harness had the last byte or the count: until the
    /// capturer had ended; null if cost is not measured.
    pub throughput_bytes_per_s: Option<u64>,
    /// CPU time in user mode by the capturer's own account; null if cost is not measured.
    pub cpu_user_ns: Option<u64>,
    /// CPU time in the kernel by the capturer's own account.
    pub cpu_system_ns: Option<u64>,
    /// Peak resident set of the capturer and its helpers, without the command, seen from outside.
    pub max_rss_bytes: Option<u64>,
    /// How much the memory that no file backs grew after the program had passed its first gate, while it wrote the larger
    /// part of its output; null if the case does not measure it.
    pub memory_growth_bytes: Option<u64>,
    /// The number of threads of the capturer when the workload ended.
    pub threads: Option<u64>,
    /// The system calls of the capturer; null if cost is not measured.
    pub syscalls: Option<Syscalls>,
}

impl Findings {
    /// Whether most of the lines were delivered while the program ran; if the program waited for each line, before it
    /// wrote the next one.
    pub fn is_live(&self) -> bool {
        match self.held_lines {
            Some(held) => held <= self.accepted_lines / 2,
            None => {
                self.live_fraction.or(self.delivered_before_exit_fraction).is_some_and(|fraction| fraction >= LIVE_MIN)
            }
        }
    }

    /// Whether everything that was delivered is in the files. A loss from both is another finding.
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
    /// 90 of 100 values are not above it.
    pub p90: u64,
    /// 99 of 100 values are not above it.
    pub p99: u64,
    /// 999 of 1,000 values are not above it; null if there are fewer than 10,000 values.
    pub p999: Option<u64>,
    /// The largest value.
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
