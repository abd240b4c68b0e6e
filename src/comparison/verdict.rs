//! Verdicts: each cell of the plan, judged by the rules and compared with the expectations.

use super::expectation::Expectations;
use super::rule;
use crate::analysis::Findings;
use crate::finding::{Finding, names};
use crate::recording::CellId;
use crate::recording::{CapturerInfo, NotRun, Planned, Run};
use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The result of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every duty and every declared capability was kept.
    Pass,
    /// A duty or a declared capability was broken.
    Fail,
    /// The cell cannot be tried there.
    Unsupported,
    /// The cell was not run.
    Skipped,
}

/// One cell with its verdict.
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
    /// The number of the run, from 0.
    pub run: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether the expectations explain the result: they name every failure, and every failure that always happens did
    /// happen.
    pub expected: bool,
    /// Why the cell failed, was not run, or was not expected; null for a plain pass.
    pub reason: Option<String>,
    /// The capabilities that the cell tries: it shows whether the strategy has them.
    pub tries: Vec<Capability>,
    /// The findings that break something.
    pub broken: Vec<Finding>,
    /// The command that runs the cell again.
    pub repeat: String,
    /// Whether the deadline came before the end.
    pub deadline_hit: bool,
    /// What was measured; null if the cell was not run.
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
            tries: planned.tries.clone(),
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
        let broken = capturer.map(|capturer| rule::broken(found, capturer, planned)).unwrap_or_default();
        self.verdict = if broken.is_empty() { Verdict::Pass } else { Verdict::Fail };
        self.deadline_hit = found.deadline_hit;
        self.findings = Some(found.clone());
        let judged = expectations.judge(&planned.id, &broken);
        self.expected = judged.unexplained.is_empty() && judged.missing.is_empty();
        self.reason = match (judged.unexplained.as_slice(), judged.missing.as_slice()) {
            ([], []) if broken.is_empty() => self.excuse(planned, capturer, found),
            ([], []) => judged.reason,
            ([], missing) => Some(format!("{} was expected to happen always, but did not", names(missing))),
            (unexplained, _) => Some(format!("unexpected: {}", names(unexplained))),
        };
        self.broken = broken;
    }
}

impl CellResult {
    /// The findings that the case excuses, and why it excuses them.
    fn excuse(&self, planned: &Planned, capturer: Option<&CapturerInfo>, found: &Findings) -> Option<String> {
        let excused = rule::excused(found, capturer?, planned);
        let because = planned.excused_because.as_ref().filter(|_| !excused.is_empty())?;
        Some(format!("excused: {} ({because})", names(&excused)))
    }
}

fn repeat(id: &CellId, run: &Run) -> String {
    let quick = if run.quick { " --quick" } else { "" };
    let place = run.runtimes.iter().position(|runtime| runtime.name == id.runtime);
    let runtime = place.and_then(|place| run.runtime_words.get(place)).unwrap_or(&id.runtime);
    format!("crun-capture compare --runtime {runtime} --filter {id} --seed {}{quick}{}", run.seed, run.other_words)
}
