//! Cost: what the capturer's own process uses. A cell that measures it gives the capturer no live descriptor.

use super::Findings;
use crate::recording::Recording;

pub(super) fn measure(recording: &Recording, findings: &mut Findings) {
    let facts = &recording.facts;
    findings.threads = facts.threads;
    findings.max_rss_bytes = facts.capturer_rss_bytes;
    let from_to = facts.memory_at_gate_bytes.zip(facts.memory_after_gate_bytes);
    findings.memory_growth_bytes = from_to.map(|(from, to)| to.saturating_sub(from));
    if facts.live {
        return;
    }
    findings.syscalls = facts.syscalls;
    let (Some(summary), Some(journal)) = (&facts.summary, &recording.journal) else { return };
    findings.cpu_user_ns = summary.cpu_user_ns;
    findings.cpu_system_ns = summary.cpu_system_ns;
    let bytes = summary.stdout.bytes + summary.stderr.bytes + summary.merged.bytes;
    let first_ns = journal.writes.first().map(|write| write.before_ns);
    // The capturer's own times do not count: the harness knows what it counted when it has ended.
    findings.throughput_bytes_per_s = first_ns
        .and_then(|first_ns| facts.capturer_ended_ns.checked_sub(first_ns))
        .filter(|&duration_ns| duration_ns > 0)
        .map(|duration_ns| (u128::from(bytes) * 1_000_000_000 / u128::from(duration_ns)) as u64);
}
