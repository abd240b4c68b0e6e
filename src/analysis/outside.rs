//! What was done to the run from outside, and what became of the capturer, the workload and the files.

use super::Findings;
use crate::recording::{Crowded, Recording};

pub(super) fn measure(recording: &Recording, findings: &mut Findings) {
    let facts = &recording.facts;
    let overflow = recording.journal.as_ref().is_some_and(|journal| journal.overflow);
    let full = overflow.then(|| "the workload's journal is full: not all that it wrote is known".to_owned());
    findings.stimulus_error = facts.stimulus_error.clone().or(full);
    if facts.stimulus.is_some() {
        // The init of a pid namespace does not die of SIGPIPE, but its writes are refused all the same.
        let unharmed = findings.refused_bytes == 0;
        findings.workload_survived = recording.journal.as_ref().map(|journal| journal.ended_ns != 0 && unharmed);
    }
    findings.machine_busy = facts.crowded.as_ref().map(Crowded::words);
    findings.machine_late_ns = facts.crowded.as_ref().and_then(Crowded::only_late_ns);
    findings.capturer_cpu_ns = facts.capturer_cpu_ns;
    findings.waited_ns = facts.waited.map(|(waited_ns, _)| waited_ns);
    findings.waited_cpu_ns = facts.waited.map(|(_, cpu_ns)| cpu_ns);
    findings.diagnostics_bytes = facts.diagnostics_bytes;
    findings.file_owner = facts.file_owner.clone();
    findings.file_owner_changed = facts.file_owner_changed;
    let harmed = [findings.file_lost_bytes, findings.file_altered_lines].into_iter().flatten().any(|count| count > 0);
    // If something was done to the run and there are no files, the capturer must report that too, unless nothing was
    // started.
    let missing =
        facts.stimulus.is_some() && recording.files.iter().all(Option::is_none) && recording.journal.is_some();
    let told = facts.summary.as_ref().is_some_and(|summary| summary.truncated || !summary.errors.is_empty());
    findings.file_loss_told = (harmed || missing).then_some(told);
}
