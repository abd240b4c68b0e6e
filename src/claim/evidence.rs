//! What the claims are judged by: the findings of their cells on one runtime, and two things that no cell can show.

use crate::analysis::Findings;
use crate::recording::CellId;
use std::collections::BTreeMap;

/// Everything that was measured for the claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    cells: BTreeMap<String, Findings>,
    /// Why a cell was not run.
    absent: BTreeMap<String, String>,
    /// What Go's compiler says of the published code; None where there is no Go.
    pub compiled: Option<Result<(), String>>,
    /// Descriptors of a process that captures again and again; None where that was not tried.
    pub handles: Option<Handles>,
}

/// How many descriptors a process had before and after so many captures by each of the spike's strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handles {
    /// Captures.
    pub captures: u64,
    /// Descriptors before them.
    pub before: u64,
    /// Descriptors after them.
    pub after: u64,
}

impl Evidence {
    /// Adds the findings of a cell; of several runs the last counts.
    pub fn add(&mut self, id: &CellId, findings: Findings) {
        self.cells.insert(key(id), findings);
    }

    /// Notes why a cell was not run.
    pub fn miss(&mut self, id: &CellId, reason: &str) {
        self.absent.insert(key(id), reason.to_owned());
    }

    /// The findings of a cell, `strategy/experiment/case`.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) fn of(&self, cell: &str) -> Result<&Findings, String> {
        let reason = || match self.absent.get(cell) {
            Some(reason) => format!("{cell} cannot be tried here: {reason}"),
            None => format!("{cell} was not run"),
        };
        let found = self.cells.get(cell).ok_or_else(reason)?;
        if found.workload_started == Some(false) {
            return Err(format!("{cell} shows nothing: the program did not start"));
        }
        match &found.stimulus_error {
            Some(error) => Err(format!("{cell} shows nothing: {error}")),
            None => Ok(found),
        }
    }

    /// All cells of a strategy and experiment, with the names of their cases.
    ///
    /// # Errors
    /// There are none.
    pub(super) fn all(&self, strategy: &str, experiment: &str) -> Result<Vec<(&str, &Findings)>, String> {
        let prefix = format!("{strategy}/{experiment}/");
        let cells = self.cells.range(prefix.clone()..).take_while(|(cell, _)| cell.starts_with(&prefix));
        let found: Vec<_> = cells.map(|(cell, findings)| (&cell[prefix.len()..], findings)).collect();
        if found.is_empty() { Err(format!("{prefix}* was not run")) } else { Ok(found) }
    }
}

fn key(id: &CellId) -> String {
    format!("{}/{}/{}", id.strategy, id.experiment, id.case)
}

/// Whether something was lost without a word, or the capture hung.
pub(super) fn is_whole(found: &Findings) -> bool {
    !found.deadline_hit && (found.lost_bytes == 0 || found.truncated)
}
