//! Exit: what was reported, when, and what was left behind.

use super::Findings;
use super::truth::is_refused;
use crate::recording::Recording;
use crate::script::journal::Write;
use crun_capture_reactor::Exit;

/// A write that takes this long was blocked: the reader did not keep up.
const STALL_NS: u64 = 1_000_000;

pub(super) fn measure(recording: &Recording, findings: &mut Findings) {
    let facts = &recording.facts;
    findings.exit_expected = facts.expected.code;
    // The capturer exits with 128 + n. One that a signal has killed has reported nothing.
    findings.exit_reported = match facts.capturer_exit {
        Some(Exit::Code(code)) => Some(code),
        Some(Exit::Signal(_) | Exit::Unknown) | None => None,
    };
    findings.signal = facts.summary.as_ref().and_then(|summary| summary.signal);
    findings.runtime_error = facts.runtime_errors.first().cloned();
    findings.runtime_error_expected = facts.expected.runtime_error;
    findings.truncated = facts.summary.as_ref().is_some_and(|summary| summary.truncated);
    findings.deadline_hit = facts.deadline_hit;
    let left: Vec<&str> = facts.left_behind.iter().chain(&facts.left_elsewhere).map(String::as_str).collect();
    findings.left_behind = left.len() as u64;
    findings.left_behind_what = (!left.is_empty()).then(|| left.join(", "));
    findings.protocol_error = facts.protocol_error.clone();
    // A child in the background holds the descriptor that shows the end of the workload's last process. Then the
    // journal tells when the init ended.
    let played_ns = recording.journal.as_ref().map(|journal| journal.ended_ns).filter(|&ended_ns| ended_ns != 0);
    let ended_ns = if facts.script.has_background() { played_ns } else { facts.init_ended_ns };
    if let Some(ended_ns) = ended_ns {
        // This uses the end of the capturer, because when it learned of the exit is only its own claim.
        findings.exit_latency_ns = (!facts.deadline_hit).then(|| facts.capturer_ended_ns.saturating_sub(ended_ns));
        let last_ns = recording.deliveries.iter().map(|delivered| delivered.at_ns).max();
        findings.drain_latency_ns = last_ns.map(|last_ns| last_ns.saturating_sub(ended_ns));
    }
    findings.pids_limit = facts.pids_limit;
    findings.wall_ns = facts.capturer_ended_ns.saturating_sub(facts.started_ns);
    let refused = |write: &&Write| is_refused(write, &facts.forced_errors);
    let journal = recording.journal.as_ref();
    let writes = journal.iter().flat_map(|journal| &journal.writes);
    findings.refused_bytes = writes.filter(refused).map(|write| write.offered - write.accepted).sum();
    findings.workload_writes = journal.map(|journal| journal.writes.len() as u64);
    findings.workload_writing_ns = journal.and_then(|journal| {
        let (first, last) = (journal.writes.first()?, journal.writes.last()?);
        last.after_ns.checked_sub(first.before_ns)
    });
    findings.workload_started = facts.expected.starts.then_some(recording.journal.is_some());
    findings.workload_stalled_ns = recording.journal.as_ref().map(|journal| {
        let blocked = journal.writes.iter().map(|write| match write.after_ns {
            // The write had not returned when the run was ended.
            0 => facts.capturer_ended_ns.saturating_sub(write.before_ns),
            after_ns => after_ns - write.before_ns,
        });
        blocked.filter(|&duration_ns| duration_ns >= STALL_NS).sum()
    });
}
