//! Comparisons: the verdicts and rows that the reports print, from the findings, the declared capabilities and the
//! expectations.
//!
//! Pure functions: the same run and the same findings give the same comparison, right after the run or from stored
//! recordings.

mod agreement;
mod answer;
mod duty;
mod expectation;
mod figures;
mod own_bundle;
mod recommend;
mod row;
mod rule;
mod verdict;

pub use agreement::{Agreement, Difference};
pub use duty::DutyState;
pub use expectation::{ExpectationError, Expectations, Facing, Fault, Outlook, When};
pub use figures::{Control, Figures};
pub use own_bundle::{Captured, Likeness, OwnComparison, OwnRow};
pub use recommend::{Candidate, Recommendation, Shown, USES, Use};
pub use row::{CapabilityState, LongLine, Row};
pub use verdict::{CellResult, Verdict};

use crate::analysis::Findings;
use crate::finding::Finding;
use crate::recording::{CellId, Planned, Run};
use std::collections::HashMap;

/// Everything that a report can print.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The run: what was run, where, and with what.
    pub run: Run,
    /// One row per runtime and strategy. Real runtimes come first.
    pub rows: Vec<Row>,
    /// The figures of the control, which is measured beside the strategies, for each runtime.
    pub controls: Vec<Control>,
    /// All cells, in the order of the plan.
    pub cells: Vec<CellResult>,
    /// How far each other runtime agrees with the first real one.
    pub agreements: Vec<Agreement>,
    /// The answer, in sentences.
    pub answer: Vec<String>,
    /// The exit code of the program.
    pub exit_code: u8,
}

/// The number of cells by result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Counts {
    /// All cells.
    pub cells: usize,
    /// Cells in which every duty and every declared capability was kept.
    pub pass: usize,
    /// Cells in which a duty or a declared capability was broken.
    pub fail: usize,
    /// Cells in which output was lost that nobody could keep, and the account says so.
    pub told: usize,
    /// Cells in which output was lost or refused for want of a capability that the capturer does not declare.
    pub cannot: usize,
    /// Failures that the expectations name.
    pub expected_failures: usize,
    /// Results that the expectations do not explain: failures that they do not name, and failures that they name but
    /// that did not happen.
    pub unexpected: usize,
    /// Cells that cannot be tried there.
    pub unsupported: usize,
    /// Cells in which the machine was at fault.
    pub not_measured: usize,
    /// Cells that were not run.
    pub skipped: usize,
}

impl Comparison {
    /// Compares a run by its findings and the expectations.
    pub fn new(run: Run, findings: &HashMap<CellId, Findings>, expectations: &Expectations) -> Comparison {
        let mut cells: Vec<CellResult> =
            run.plan.iter().map(|planned| CellResult::new(planned, &run, findings, expectations)).collect();
        too_often(&run, &mut cells, expectations);
        let rows = row::rows(&run, &cells);
        let controls = figures::controls(&run, &cells);
        let agreements = agreement::agreements(&run, &cells, expectations);
        let answer = answer::sentences(&run, &rows, &cells);
        let exit_code = exit_code(&run, &cells);
        Comparison { run, rows, controls, cells, agreements, answer, exit_code }
    }

    /// The number of cells by result.
    pub fn counts(&self) -> Counts {
        let of = |verdict| self.cells.iter().filter(|cell| cell.verdict == verdict).count();
        let failures = self.cells.iter().filter(|cell| cell.verdict == Verdict::Fail);
        Counts {
            cells: self.cells.len(),
            pass: of(Verdict::Pass),
            fail: of(Verdict::Fail),
            told: of(Verdict::Told),
            cannot: of(Verdict::Cannot),
            expected_failures: failures.filter(|cell| cell.expected).count(),
            unexpected: self.cells.iter().filter(|cell| !cell.expected).count(),
            unsupported: of(Verdict::Unsupported),
            not_measured: of(Verdict::NotMeasured),
            skipped: of(Verdict::Skipped),
        }
    }
}

/// Whether the machine spoiled so many cells that the run says too little.
fn too_busy(cells: &[CellResult]) -> bool {
    let spoiled = cells.iter().filter(|cell| cell.verdict == Verdict::NotMeasured).count();
    let measured = cells.iter().filter(|cell| cell.verdict.is_measured()).count();
    spoiled * 100 > NOT_MEASURED_MAX_PERCENT * (spoiled + measured)
}

/// Whether a cell that has these findings is as expected.
pub fn is_expected(planned: &Planned, run: &Run, findings: &Findings, expectations: &Expectations) -> bool {
    // What the machine did must not excuse it here.
    let findings = Findings { machine_busy: None, ..findings.clone() };
    let own = HashMap::from([(planned.id.clone(), findings)]);
    CellResult::new(planned, run, &own, expectations).expected
}

/// Marks the failures that happen more often than their expectation says as unexpected.
fn too_often(run: &Run, cells: &mut [CellResult], expectations: &Expectations) {
    let measured: Vec<usize> = (0..cells.len()).filter(|&at| cells[at].verdict.is_measured()).collect();
    let facing: Vec<(Facing<'_>, &[Finding])> =
        measured.iter().map(|&at| (Facing::of(&run.plan[at].id, run), &*cells[at].broken)).collect();
    let found = expectations.too_often(&facing);
    for too_often in found {
        for at in too_often.cells {
            let cell = &mut cells[measured[at]];
            cell.expected = false;
            cell.reason = Some(format!("unexpected: {}", too_often.reason));
        }
    }
}

/// More than this part of the measured cells must not be spoiled by the machine, in percent.
const NOT_MEASURED_MAX_PERCENT: usize = 2;

/// The exit code: 130 if the run was interrupted; else 100 if a result is unexpected, something was left behind, or a
/// required runtime is missing; else 4 if nothing was run; else 5 if too much could not be measured; else 0.
fn exit_code(run: &Run, cells: &[CellResult]) -> u8 {
    let ran = cells.iter().any(|cell| cell.verdict.is_measured());
    let missing = run.runtimes.iter().any(|runtime| runtime.required && runtime.skipped.is_some());
    if run.interrupted {
        130
    } else if missing || !run.left_behind.is_empty() || cells.iter().any(|cell| !cell.expected) {
        100
    } else if !ran {
        4
    } else if too_busy(cells) {
        5
    } else {
        0
    }
}

#[cfg(test)]
mod tests;
