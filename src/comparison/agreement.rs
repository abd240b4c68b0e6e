//! The agreement of another runtime with the first real one. It shows how much the fake's results are worth.

use super::expectation::{Expectations, Facing};
use super::verdict::CellResult;
use crate::finding::Finding;
use crate::recording::Run;
use std::collections::HashMap;

/// How far one runtime agrees with the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The runtime.
    pub runtime: String,
    /// The reference: the first real runtime.
    pub reference: String,
    /// The number of cells in which the same findings are broken. Findings that a race decides (`when = "sometimes"`)
    /// do not count.
    pub same: usize,
    /// The number of cells that were run on both.
    pub both: usize,
    /// The cells that differ, and why.
    pub different: Vec<Difference>,
}

/// Cells that differ for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The reason for the failure in the expectations, or that no reason is known.
    pub reason: String,
    /// The cells, without the runtime: `strategy/experiment/case`.
    pub cells: Vec<String>,
}

pub(super) fn agreements(run: &Run, cells: &[CellResult], expectations: &Expectations) -> Vec<Agreement> {
    let mut usable = run.runtimes.iter().filter(|runtime| runtime.skipped.is_none());
    let Some(reference) = usable.clone().find(|runtime| runtime.real).or(usable.next()) else { return Vec::new() };
    let others = run.runtimes.iter().filter(|runtime| runtime.skipped.is_none() && runtime.name != reference.name);
    others.map(|other| agreement(run, [&other.name, &reference.name], cells, expectations)).collect()
}

type Key<'a> = (&'a str, &'a str, &'a str, u32);

fn results<'a>(runtime: &str, cells: &'a [CellResult]) -> HashMap<Key<'a>, &'a CellResult> {
    let was_run = |cell: &&CellResult| cell.verdict.is_measured();
    let of_runtime = cells.iter().filter(|cell| cell.runtime == runtime).filter(was_run);
    of_runtime
        .map(|cell| ((cell.strategy.as_str(), cell.experiment.as_str(), cell.case.as_str(), cell.run), cell))
        .collect()
}

fn agreement(
    run: &Run,
    [runtime, reference]: [&str; 2],
    cells: &[CellResult],
    expectations: &Expectations,
) -> Agreement {
    let (own, other) = (results(runtime, cells), results(reference, cells));
    let mut pairs: Vec<_> = own.iter().filter_map(|(key, cell)| Some((key, cell, other.get(key)?))).collect();
    pairs.sort_by_key(|(key, ..)| **key);
    let both = pairs.len();
    pairs.retain(|(_, cell, reference)| certain(cell, run, expectations) != certain(reference, run, expectations));
    let mut different: Vec<Difference> = Vec::new();
    for ((strategy, experiment, case, _), cell, reference) in &pairs {
        let failed = if cell.broken.is_empty() { reference } else { cell };
        let reason = failed.reason.clone().unwrap_or_else(|| "no reason is known".to_owned());
        let cell = format!("{strategy}/{experiment}/{case}");
        match different.iter_mut().find(|difference| difference.reason == reason) {
            Some(difference) => difference.cells.push(cell),
            None => different.push(Difference { reason, cells: vec![cell] }),
        }
    }
    let (runtime, reference) = (runtime.to_owned(), reference.to_owned());
    Agreement { runtime, reference, same: both - pairs.len(), both, different }
}

/// The broken findings, without those that a race decides.
fn certain(cell: &CellResult, run: &Run, expectations: &Expectations) -> Vec<Finding> {
    let broken = cell.broken.iter().copied();
    let facing = Facing::named([&cell.runtime, &cell.strategy, &cell.experiment, &cell.case], run);
    broken.filter(|&finding| !expectations.a_race_decides(&facing, finding)).collect()
}
