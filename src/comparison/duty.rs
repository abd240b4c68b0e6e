//! Duties: which of them a strategy keeps, over the cells that were run.

use super::expectation::Fault;
use super::verdict::{CellResult, Verdict};
use crate::finding::{About, Duty, Finding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of one duty of one strategy on one runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DutyState {
    /// The duty.
    pub duty: Duty,
    /// Whether it was kept in every cell of the matrix; null if it was broken in none, but some cells are untested, or
    /// something was left behind by nobody knows whom.
    pub kept: Option<bool>,
    /// The number of cells in which it was broken, by the strategy's own fault.
    pub broken: usize,
}

/// The duty that a finding breaks. What makes a cell worthless breaks one, too, if it is the capturer's doing. None: it
/// breaks a capability, or nothing.
pub(super) fn duty_of(finding: Finding) -> Option<Duty> {
    match (finding, finding.description().about) {
        (_, About::Duty(duty)) => Some(duty),
        // A capturer that runs nothing reports the status of nothing.
        (Finding::WorkloadStarted | Finding::RuntimeError, _) => Some(Duty::RightStatus),
        (Finding::ProtocolError, _) => Some(Duty::NoAlteration),
        (Finding::DiagnosticsBytes, _) => Some(Duty::NothingLeft),
        (_, About::Capability(_) | About::Cell | About::Report) => None,
    }
}

/// Whether the strategy is to blame for what is broken in a cell.
pub(super) fn is_to_blame(cell: &CellResult) -> bool {
    cell.verdict == Verdict::Fail && cell.fault == Some(Fault::Strategy)
}

/// The state of each duty. `untested` is how many cells of the matrix show nothing, and `left_behind` whether some cell,
/// nobody can tell which, left something behind.
pub(super) fn states(cells: &[&CellResult], untested: usize, left_behind: bool) -> Vec<DutyState> {
    let breaks = |cell: &&&CellResult, duty| {
        is_to_blame(cell) && cell.broken.iter().any(|&finding| duty_of(finding) == Some(duty))
    };
    let state = |duty| {
        let broken = cells.iter().filter(|cell| breaks(cell, duty)).count();
        let kept = match (broken, untested) {
            (0, _) if left_behind && duty == Duty::NothingLeft => None,
            (0, 0) => Some(true),
            (0, _) => None,
            _ => Some(false),
        };
        DutyState { duty, kept, broken }
    };
    Duty::ALL.map(state).to_vec()
}
