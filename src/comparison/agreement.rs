//! How far another runtime agrees with the first real one: which is what the fake's results are worth.

use super::expectation::Expectations;
use super::run::Run;
use super::verdict::{CellResult, Verdict};
use std::collections::HashMap;

/// One runtime against the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The runtime.
    pub runtime: String,
    /// The first real runtime.
    pub reference: String,
    /// Cells where the same findings are broken, but for those that a race decides (`when = "sometimes"`).
    pub same: usize,
    /// Cells that were run on both.
    pub both: usize,
    /// The cells that differ, without the runtime: `strategy/experiment/case`.
    pub different: Vec<String>,
}

pub(super) fn agreements(run: &Run, cells: &[CellResult], expectations: &Expectations) -> Vec<Agreement> {
    let mut usable = run.runtimes.iter().filter(|runtime| runtime.skipped.is_none());
    let Some(reference) = usable.clone().find(|runtime| runtime.real).or(usable.next()) else { return Vec::new() };
    let others = run.runtimes.iter().filter(|runtime| runtime.skipped.is_none() && runtime.name != reference.name);
    others.map(|other| agreement(&other.name, &reference.name, cells, expectations)).collect()
}

type Key<'a> = (&'a str, &'a str, &'a str, u32);

fn results<'a>(runtime: &str, cells: &'a [CellResult]) -> HashMap<Key<'a>, &'a CellResult> {
    let was_run = |cell: &&CellResult| matches!(cell.verdict, Verdict::Pass | Verdict::Fail);
    let of_runtime = cells.iter().filter(|cell| cell.runtime == runtime).filter(was_run);
    of_runtime
        .map(|cell| ((cell.strategy.as_str(), cell.experiment.as_str(), cell.case.as_str(), cell.run), cell))
        .collect()
}

fn agreement(runtime: &str, reference: &str, cells: &[CellResult], expectations: &Expectations) -> Agreement {
    let (own, other) = (results(runtime, cells), results(reference, cells));
    let mut pairs: Vec<_> = own.iter().filter_map(|(key, cell)| Some((key, cell, other.get(key)?))).collect();
    pairs.sort_by_key(|(key, ..)| **key);
    let different: Vec<String> = pairs
        .iter()
        .filter(|(_, cell, reference)| certain(cell, expectations) != certain(reference, expectations))
        .map(|((strategy, experiment, case, _), ..)| format!("{strategy}/{experiment}/{case}"))
        .collect();
    Agreement {
        runtime: runtime.to_owned(),
        reference: reference.to_owned(),
        same: pairs.len() - different.len(),
        both: pairs.len(),
        different,
    }
}

/// What is broken, without what a race decides.
fn certain<'a>(cell: &'a CellResult, expectations: &Expectations) -> Vec<&'a str> {
    let broken = cell.broken.iter().map(String::as_str);
    let names = [&*cell.runtime, &*cell.strategy, &*cell.experiment, &*cell.case];
    broken.filter(|name| !expectations.a_race_decides(names, name)).collect()
}
