//! Verdicts: which findings break a duty or a declared capability.

use super::expectation::Expectations;
use super::run::{CapturerInfo, NotRun, Planned, Run};
use crate::analysis::Findings;
use crate::recording::CellId;
use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// How a cell came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every duty kept, and every declared capability.
    Pass,
    /// A duty or a declared capability broken.
    Fail,
    /// It cannot be tried there.
    Unsupported,
    /// It was not run.
    Skipped,
}

/// A live capturer delivers at least this much of a paced script before the exit.
const LIVE_FRACTION_MIN: f64 = 0.5;

/// The findings that break something, by their names in JSON. Duties first, in the order of their weight.
pub fn broken(findings: &Findings, capturer: &CapturerInfo, paced: bool) -> Vec<&'static str> {
    let declares = |capability| capturer.declares.contains(&capability);
    // Where the runtime itself failed, its words on stderr are no fault of the capturer.
    let foreign = findings.runtime_error.is_none() && findings.foreign_lines > 0;
    let wrong_status = !findings.deadline_hit && findings.exit_reported != Some(findings.exit_expected);
    let runtime_error = !findings.deadline_hit && findings.runtime_error.is_some() != findings.runtime_error_expected;
    let file = |count: Option<u64>| declares(Capability::File) && count.is_some_and(|count| count > 0);
    let late = findings.delivered_before_exit_fraction.is_some_and(|fraction| fraction < LIVE_FRACTION_MIN);
    let order_lost = findings.cross_inversion_rate.is_some_and(|rate| rate > 0.0);
    let rules = [
        ("deadline_hit", findings.deadline_hit),
        ("lost_bytes", findings.lost_bytes > 0 && !findings.truncated),
        ("duplicated_lines", findings.duplicated_lines > 0),
        ("altered_lines", findings.altered_lines > 0),
        ("foreign_lines", foreign),
        ("misattributed_lines", findings.misattributed_lines > 0),
        ("stream_inversions", findings.stream_inversions > 0),
        ("exit_reported", wrong_status),
        ("runtime_error", runtime_error),
        ("left_behind", findings.left_behind > 0),
        ("protocol_error", !findings.deadline_hit && findings.protocol_error.is_some()),
        ("file_lost_bytes", file(findings.file_lost_bytes)),
        ("file_duplicated_lines", file(findings.file_duplicated_lines)),
        ("file_altered_lines", file(findings.file_altered_lines)),
        ("delivered_before_exit_fraction", declares(Capability::Live) && paced && late),
        ("unattributed_lines", declares(Capability::Apart) && findings.unattributed_lines > 0),
        ("cross_inversion_rate", declares(Capability::Order) && order_lost),
        ("wrong_endings", declares(Capability::ExactBytes) && findings.wrong_endings > 0),
    ];
    rules.into_iter().filter_map(|(name, is_broken)| is_broken.then_some(name)).collect()
}

/// The names that `broken` can give: what an expectation may name.
pub(super) const NAMES: [&str; 18] = [
    "deadline_hit",
    "lost_bytes",
    "duplicated_lines",
    "altered_lines",
    "foreign_lines",
    "misattributed_lines",
    "stream_inversions",
    "exit_reported",
    "runtime_error",
    "left_behind",
    "protocol_error",
    "file_lost_bytes",
    "file_duplicated_lines",
    "file_altered_lines",
    "delivered_before_exit_fraction",
    "unattributed_lines",
    "cross_inversion_rate",
    "wrong_endings",
];

/// One cell, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellResult {
    /// `runtime/strategy/experiment/case`.
    pub id: String,
    /// The runtime's label.
    pub runtime: String,
    /// The capturer's name.
    pub strategy: String,
    /// The experiment's name.
    pub experiment: String,
    /// The case's name.
    pub case: String,
    /// Which of its runs, from 0.
    pub run: u32,
    /// How it came out.
    pub verdict: Verdict,
    /// Whether the expectations say so: every failure is named, and every failure that always happens did.
    pub expected: bool,
    /// Why it failed, was not run, or was not expected; null for a plain pass.
    pub reason: Option<String>,
    /// The findings that break something, by name.
    pub broken: Vec<String>,
    /// The command that runs it again.
    pub repeat: String,
    /// Whether the deadline came before the end.
    pub deadline_hit: bool,
    /// What was measured; null where it was not run.
    pub findings: Option<Findings>,
}

impl CellResult {
    pub(super) fn new(
        planned: &Planned,
        run: &Run,
        findings: &HashMap<CellId, Findings>,
        expectations: &Expectations,
    ) -> CellResult {
        let id = &planned.id;
        let mut result = CellResult {
            id: id.to_string(),
            runtime: id.runtime.clone(),
            strategy: id.strategy.clone(),
            experiment: id.experiment.clone(),
            case: id.case.clone(),
            run: id.run,
            verdict: Verdict::Skipped,
            expected: true,
            reason: None,
            broken: Vec::new(),
            repeat: repeat(id, run),
            deadline_hit: false,
            findings: None,
        };
        match (&planned.expected, findings.get(id)) {
            (Err(NotRun::Unsupported(reason)), _) => {
                (result.verdict, result.reason) = (Verdict::Unsupported, Some(reason.clone()));
            }
            (Err(NotRun::Skipped(reason)), _) => result.reason = Some(reason.clone()),
            (Ok(_), None) => result.reason = Some("the run ended before this cell".to_owned()),
            (Ok(_), Some(found)) => result.judge(planned, run, found, expectations),
        }
        result
    }

    fn judge(&mut self, planned: &Planned, run: &Run, found: &Findings, expectations: &Expectations) {
        let capturer = run.capturers.iter().find(|capturer| capturer.name == self.strategy);
        let names = capturer.map(|capturer| broken(found, capturer, planned.paced)).unwrap_or_default();
        self.verdict = if names.is_empty() { Verdict::Pass } else { Verdict::Fail };
        self.deadline_hit = found.deadline_hit;
        self.findings = Some(found.clone());
        let judged = expectations.judge(&planned.id, &names);
        self.expected = judged.unexplained.is_empty() && judged.missing.is_empty();
        self.reason = match (judged.unexplained.as_slice(), judged.missing.as_slice()) {
            ([], []) => judged.reason,
            ([], missing) => Some(format!("{} was to happen always, and did not", missing.join(", "))),
            (unexplained, _) => Some(format!("unexpected: {}", unexplained.join(", "))),
        };
        self.broken = names.into_iter().map(str::to_owned).collect();
    }
}

fn repeat(id: &CellId, run: &Run) -> String {
    let quick = if run.quick { " --quick" } else { "" };
    format!("crun-capture compare --runtime {} --filter {id} --seed {}{quick}", id.runtime, run.seed)
}
