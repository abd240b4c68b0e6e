//! The evidence for the claims: the findings of their cells on one runtime, and two results that no cell can show.

use crate::analysis::Findings;
use crate::recording::CellId;
use std::collections::BTreeMap;

/// Everything that was measured for the claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evidence {
    cells: BTreeMap<String, Findings>,
    /// Why a cell was not run, by its id.
    absent: BTreeMap<String, String>,
    /// What Go's compiler says about the published code. None: there is no Go here.
    pub compiled: Option<Result<(), String>>,
    /// The descriptors of a process that captures many times. None: that was not tried.
    pub handles: Option<Handles>,
}

/// The number of descriptors of a process before and after many captures by each of the spike's strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handles {
    /// The number of captures.
    pub captures: u64,
    /// The descriptors before them.
    pub before: u64,
    /// The descriptors after them.
    pub after: u64,
}

impl Evidence {
    /// Adds the findings of a cell. Of several runs the last one counts.
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
    /// There are none. The error says why.
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

/// Whether the capture ended and nothing was lost silently.
pub(super) fn is_whole(found: &Findings) -> bool {
    !found.deadline_hit && (found.lost_bytes == 0 || found.truncated)
}
