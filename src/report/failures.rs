//! The failures, grouped: one entry for all cells of a strategy that fail for the same reason.

use super::words::printable;
use crate::comparison::{CellResult, Comparison, Verdict};
use crate::finding::{Finding, names};

/// Cells of one strategy that failed for the same reason.
pub(super) struct FailedCells {
    runtime: String,
    strategy: String,
    /// The experiments, each with its cases.
    cases: Vec<(String, Vec<String>)>,
    broken: Vec<Finding>,
    /// Why the cells failed, or what was not expected.
    pub(super) reason: String,
    /// Whether the expectations name the failure.
    pub(super) expected: bool,
    /// The command that runs the first of the cells again.
    first: String,
    first_id: String,
}

impl FailedCells {
    /// The cells, in short: `tee: long-line/{65536,65537}, bytes/crlf`.
    pub(super) fn cells(&self) -> String {
        let of_experiment = |(experiment, cases): &(String, Vec<String>)| match cases.as_slice() {
            [one] => format!("{experiment}/{one}"),
            several => format!("{experiment}/{{{}}}", several.join(",")),
        };
        format!("{}: {}", self.strategy, self.cases.iter().map(of_experiment).collect::<Vec<_>>().join(", "))
    }

    /// The findings that are broken in any of the cells.
    pub(super) fn broken(&self) -> String {
        if self.broken.is_empty() { "nothing broken".to_owned() } else { names(&self.broken) }
    }

    /// The command that runs all these cells again. It may also run the rest of their experiment or strategy.
    pub(super) fn repeat(&self) -> String {
        let common = match self.cases.as_slice() {
            [(_, cases)] if cases.len() == 1 => return self.first.clone(),
            [(experiment, _)] => format!("{}/{}/{experiment}/", self.runtime, self.strategy),
            _ => format!("{}/{}/", self.runtime, self.strategy),
        };
        self.first.replace(&self.first_id, &common)
    }

    fn take(&mut self, cell: &CellResult) {
        match self.cases.iter_mut().find(|(experiment, _)| *experiment == cell.experiment) {
            Some((_, cases)) if cases.contains(&cell.case) => {}
            Some((_, cases)) => cases.push(cell.case.clone()),
            None => self.cases.push((cell.experiment.clone(), vec![cell.case.clone()])),
        }
        for finding in &cell.broken {
            if !self.broken.contains(finding) {
                self.broken.push(*finding);
            }
        }
    }
}

/// The failures and unexpected results of one runtime. The unexpected ones come first.
pub(super) fn failures(comparison: &Comparison, runtime: &str) -> Vec<FailedCells> {
    let own = comparison.cells.iter().filter(|cell| cell.runtime == runtime);
    let mut folded: Vec<FailedCells> = Vec::new();
    for cell in own.filter(|cell| cell.verdict == Verdict::Fail || !cell.expected) {
        let reason = printable(cell.reason.as_deref().unwrap_or("no reason is known"));
        let alike = |other: &&mut FailedCells| {
            other.strategy == cell.strategy && other.expected == cell.expected && other.reason == reason
        };
        if let Some(other) = folded.iter_mut().find(alike) {
            other.take(cell);
            continue;
        }
        let mut failure = FailedCells {
            runtime: cell.runtime.clone(),
            strategy: cell.strategy.clone(),
            cases: Vec::new(),
            broken: Vec::new(),
            reason,
            expected: cell.expected,
            first: cell.repeat.clone(),
            first_id: cell.id.clone(),
        };
        failure.take(cell);
        folded.push(failure);
    }
    folded.sort_by_key(|failure| failure.expected);
    folded
}
