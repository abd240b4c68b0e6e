//! What failed, folded: one entry for all cells of a strategy and experiment that fail for the same reason.

use super::words::printable;
use crate::comparison::{CellResult, Comparison, Verdict};

/// Cells that failed alike.
pub(super) struct Failure {
    pub(super) runtime: String,
    pub(super) strategy: String,
    pub(super) experiment: String,
    pub(super) cases: Vec<String>,
    pub(super) broken: String,
    pub(super) reason: String,
    pub(super) expected: bool,
    pub(super) repeat: String,
}

impl Failure {
    /// `tee/long-line/{65536,65537}`.
    pub(super) fn id(&self) -> String {
        let cases = match self.cases.as_slice() {
            [one] => one.clone(),
            several => format!("{{{}}}", several.join(",")),
        };
        format!("{}/{}/{cases}", self.strategy, self.experiment)
    }
}

/// The failures and unexpected results of one runtime, unexpected ones first.
pub(super) fn failures(comparison: &Comparison, runtime: &str) -> Vec<Failure> {
    let own = comparison.cells.iter().filter(|cell| cell.runtime == runtime);
    let mut folded: Vec<Failure> = Vec::new();
    for cell in own.filter(|cell| cell.verdict == Verdict::Fail || !cell.expected) {
        let one = failure(cell);
        let same = folded.iter_mut().find(|other| {
            other.expected == one.expected
                && (&other.strategy, &other.experiment) == (&one.strategy, &one.experiment)
                && (&other.broken, &other.reason) == (&one.broken, &one.reason)
        });
        match same {
            Some(other) if other.cases.contains(&cell.case) => {}
            Some(other) => other.cases.push(cell.case.clone()),
            None => folded.push(one),
        }
    }
    folded.sort_by_key(|failure| failure.expected);
    folded
}

fn failure(cell: &CellResult) -> Failure {
    Failure {
        runtime: cell.runtime.clone(),
        strategy: cell.strategy.clone(),
        experiment: cell.experiment.clone(),
        cases: vec![cell.case.clone()],
        broken: if cell.broken.is_empty() { "nothing".to_owned() } else { cell.broken.join(", ") },
        reason: printable(cell.reason.as_deref().unwrap_or("no reason is known")),
        expected: cell.expected,
        repeat: cell.repeat.clone(),
    }
}
