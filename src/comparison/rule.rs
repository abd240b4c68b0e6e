//! The rules: which finding breaks which duty or declared capability. One line each.

use super::run::CapturerInfo;
use crate::analysis::{Findings, LIVE_FRACTION};
use crate::strategy::Capability;

/// What a rule looks at.
pub(super) struct Subject<'a> {
    findings: &'a Findings,
    capturer: &'a CapturerInfo,
    /// Whether the script is paced, so that a live capturer delivers most of it before the exit.
    paced: bool,
}

impl Subject<'_> {
    fn declares(&self, capability: Capability) -> bool {
        self.capturer.declares.contains(&capability)
    }

    fn file(&self, count: Option<u64>) -> bool {
        self.declares(Capability::File) && count.is_some_and(|count| count > 0)
    }

    /// At the deadline the capturer is killed: there is no status and no last frame to be wrong.
    fn ended(&self) -> bool {
        !self.findings.deadline_hit
    }
}

/// A finding's name in JSON, and when it breaks something.
type Rule = (&'static str, fn(&Subject<'_>) -> bool);

/// All rules: duties first, in the order of their weight, then declared capabilities.
pub(super) const RULES: [Rule; 19] = [
    ("deadline_hit", |it| it.findings.deadline_hit),
    // What never ran lost nothing, and proves nothing.
    ("workload_started", |it| it.findings.workload_started == Some(false)),
    // No *silent* loss: a capturer that says so has kept the duty.
    ("lost_bytes", |it| it.findings.lost_bytes > 0 && !it.findings.truncated),
    ("duplicated_lines", |it| it.findings.duplicated_lines > 0),
    ("altered_lines", |it| it.findings.altered_lines > 0),
    // Where the runtime itself failed, its words on stderr are no fault of the capturer.
    ("foreign_lines", |it| it.findings.foreign_lines > 0 && it.findings.runtime_error.is_none()),
    ("misattributed_lines", |it| it.findings.misattributed_lines > 0),
    ("stream_inversions", |it| it.findings.stream_inversions > 0),
    ("exit_reported", |it| it.ended() && it.findings.exit_reported != Some(it.findings.exit_expected)),
    ("runtime_error", |it| it.ended() && it.findings.runtime_error.is_some() != it.findings.runtime_error_expected),
    ("left_behind", |it| it.findings.left_behind > 0),
    ("protocol_error", |it| it.ended() && it.findings.protocol_error.is_some()),
    // A file that is declared and not there has lost everything.
    ("file_lost_bytes", |it| {
        let missing = it.findings.file_lost_bytes.is_none() && it.findings.workload_started == Some(true);
        it.file(it.findings.file_lost_bytes) || it.declares(Capability::File) && missing
    }),
    ("file_duplicated_lines", |it| it.file(it.findings.file_duplicated_lines)),
    ("file_altered_lines", |it| it.file(it.findings.file_altered_lines)),
    ("delivered_before_exit_fraction", |it| {
        let late = it.findings.delivered_before_exit_fraction.is_some_and(|fraction| fraction < LIVE_FRACTION);
        it.declares(Capability::Live) && it.paced && late
    }),
    ("unattributed_lines", |it| it.declares(Capability::Apart) && it.findings.unattributed_lines > 0),
    ("cross_inversion_rate", |it| {
        it.declares(Capability::Order) && it.findings.cross_inversion_rate.is_some_and(|rate| rate > 0.0)
    }),
    ("wrong_endings", |it| it.declares(Capability::ExactBytes) && it.findings.wrong_endings > 0),
];

/// The findings that break something, by their names in JSON.
pub fn broken(findings: &Findings, capturer: &CapturerInfo, paced: bool) -> Vec<&'static str> {
    let subject = Subject { findings, capturer, paced };
    RULES.iter().filter(|(_, breaks)| breaks(&subject)).map(|(name, _)| *name).collect()
}
