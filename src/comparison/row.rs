//! Rows: one per runtime and strategy, with what the spike says beside what was measured.

use super::duty::{self, DutyState};
use super::expectation::Fault;
use super::figures::{Figures, of_control};
use super::rule;
use super::verdict::{CellResult, Verdict};
use crate::analysis::Findings;
use crate::recording::{CapturerInfo, Run, Said};
use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What becomes of lines over 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LongLine {
    /// They arrive, and so do the lines after them.
    Ok,
    /// A part of them is lost or altered.
    Lost,
    /// The capture never ends.
    Hangs,
}

/// One capability of one strategy on one runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapabilityState {
    /// The capability.
    pub capability: Capability,
    /// Whether the strategy declares it.
    pub declared: bool,
    /// Whether it was seen; null if no experiment of this run tries it.
    pub measured: Option<bool>,
}

/// One row. A field is `null` if this run did not measure it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The runtime's label.
    pub runtime: String,
    /// The capturer's name.
    pub strategy: String,
    /// Whether the spike, a design note for a Nomad task driver, recommends it.
    pub recommended: bool,
    /// What the spike's table says; null if the table has no row for the strategy.
    pub said: Option<Said>,
    /// Whether it delivers while the process runs.
    pub live: Option<bool>,
    /// Whether it tells the streams apart.
    pub apart: Option<bool>,
    /// Whether it leaves on disk what it delivers.
    pub file: Option<bool>,
    /// The fraction of the neighbouring lines on different streams that arrive swapped, from 0 to 1.
    pub order_off: Option<f64>,
    /// Lines that were lost or refused, and of which the account says nothing, over all cells. Not counted is what nobody
    /// could keep, and what another than the strategy lost.
    pub lost_lines: Option<u64>,
    /// Lines that were lost or refused, and of which the account says so.
    pub told_lines: Option<u64>,
    /// What becomes of lines over 64 KiB.
    pub long_line: Option<LongLine>,
    /// The number of exits that were reported correctly.
    pub exit_right: usize,
    /// The number of exits that were tried.
    pub exit_total: usize,
    /// Whether the output comes at the exit, so that there is no latency to compare.
    pub at_exit: bool,
    /// What it takes in time, CPU and memory.
    #[serde(flatten)]
    pub figures: Figures,
    /// Declared and measured capabilities.
    pub capabilities: Vec<CapabilityState>,
    /// How many of these lines were lost or refused for want of a capability which the strategy does not declare, in cells
    /// that break nothing else.
    pub undeclared_lines: u64,
    /// What became of each duty.
    pub duties: Vec<DutyState>,
    /// Cells that passed.
    pub pass: usize,
    /// Cells that failed by the strategy's own fault.
    pub fail: usize,
    /// Cells that failed by the fault of another: of the runtime, the program, the stimulus or the machine.
    pub fail_of_others: usize,
    /// Cells in which output was lost that nobody could keep, and the account says so.
    pub told: usize,
    /// Cells in which output was lost or refused for want of a capability that the strategy does not declare.
    pub cannot: usize,
    /// Cells of the matrix that show nothing: they were not picked, not reached, or not measured.
    pub untested: usize,
}

/// The experiment whose cells have the long lines.
const LONG_LINE: &str = "long-line";

pub(super) fn rows(run: &Run, cells: &[CellResult]) -> Vec<Row> {
    let runtimes = run.runtimes.iter().filter(|runtime| runtime.skipped.is_none());
    let capturers = || run.capturers.iter().filter(|capturer| !capturer.control);
    runtimes
        .flat_map(|runtime| capturers().map(move |capturer| (runtime, capturer)))
        .filter_map(|(runtime, capturer)| {
            let own: Vec<&CellResult> = cells
                .iter()
                .filter(|cell| cell.runtime == runtime.name && cell.strategy == capturer.name)
                .filter(|cell| cell.verdict.is_measured())
                .collect();
            let planned = cells.iter().filter(|cell| cell.runtime == runtime.name && cell.strategy == capturer.name);
            let untested = untested(run.cases, planned);
            let control = of_control(run, cells, &runtime.name);
            (!own.is_empty())
                .then(|| row(&runtime.name, capturer, &own, &control, untested, !run.left_behind.is_empty()))
        })
        .collect()
}

/// How many of the matrix's cases show nothing, because no run of them was measured. A case that cannot be tried there
/// is not among them.
fn untested<'a>(cases: usize, planned: impl Iterator<Item = &'a CellResult>) -> usize {
    let shown = planned.filter(|cell| cell.verdict.is_measured() || cell.verdict == Verdict::Unsupported);
    let shown: HashSet<(&str, &str)> = shown.map(|cell| (&*cell.experiment, &*cell.case)).collect();
    cases.saturating_sub(shown.len())
}

/// The measured cells of one row.
struct Own<'a>(&'a [&'a CellResult]);

impl<'a> Own<'a> {
    fn findings(&self, experiment: &'a str) -> impl Iterator<Item = &'a Findings> {
        self.0.iter().filter(move |cell| cell.experiment == experiment).filter_map(|cell| cell.findings.as_ref())
    }

    /// Whether `holds` is true for every run of an experiment. None: the experiment was not run, or shows nothing.
    fn every(&self, experiment: &'a str, holds: impl Fn(&Findings) -> Option<bool>) -> Option<bool> {
        self.findings(experiment).filter_map(holds).reduce(|all, one| all && one)
    }
}

fn row(
    runtime: &str,
    capturer: &CapturerInfo,
    cells: &[&CellResult],
    control: &[&CellResult],
    untested: usize,
    left_behind: bool,
) -> Row {
    let own = Own(cells);
    let count = |verdict| cells.iter().filter(|cell| cell.verdict == verdict).count();
    let exits: Vec<&Findings> = own.findings("exit-status").collect();
    let ends_right = |found: &&&Findings| {
        found.exit_reported == Some(found.exit_expected)
            && found.runtime_error.is_some() == found.runtime_error_expected
    };
    let orders: Vec<f64> = own.findings("interleave").filter_map(|found| found.cross_inversion_rate).collect();
    let live = live(&own);
    Row {
        runtime: runtime.to_owned(),
        strategy: capturer.name.clone(),
        recommended: capturer.recommended,
        said: capturer.said,
        live,
        apart: apart(&own),
        file: file(&own),
        order_off: (!orders.is_empty()).then(|| orders.iter().sum::<f64>() / orders.len() as f64),
        lost_lines: Some(cells.iter().map(|cell| cell.lost_lines).sum()),
        told_lines: Some(cells.iter().map(|cell| cell.told_lines).sum()),
        long_line: long_line(&own),
        exit_right: exits.iter().filter(ends_right).count(),
        exit_total: exits.len(),
        at_exit: live == Some(false),
        figures: Figures::new(cells, control),
        capabilities: capabilities(capturer, &own),
        undeclared_lines: cells
            .iter()
            .filter(|cell| cell.verdict == Verdict::Cannot)
            .map(|cell| cell.lost_lines + cell.told_lines)
            .sum(),
        duties: duty::states(cells, untested, left_behind),
        pass: count(Verdict::Pass),
        fail: cells.iter().filter(|cell| duty::is_to_blame(cell)).count(),
        fail_of_others: count(Verdict::Fail) - cells.iter().filter(|cell| duty::is_to_blame(cell)).count(),
        told: count(Verdict::Told),
        cannot: count(Verdict::Cannot),
        untested,
    }
}

fn live(own: &Own<'_>) -> Option<bool> {
    own.every("paced", |found| rule::shows(Capability::Live, found))
}

fn apart(own: &Own<'_>) -> Option<bool> {
    own.every("interleave", |found| rule::shows(Capability::Apart, found))
}

fn file(own: &Own<'_>) -> Option<bool> {
    own.every("paced", |found| rule::shows(Capability::File, found))
}

fn long_line(own: &Own<'_>) -> Option<LongLine> {
    if own.findings(LONG_LINE).any(|found| found.deadline_hit) {
        return Some(LongLine::Hangs);
    }
    let whole = own.every(LONG_LINE, |found| rule::shows(Capability::AnyLine, found))?;
    Some(if whole { LongLine::Ok } else { LongLine::Lost })
}

/// The state of each capability. It is measured as true only if every cell that tries it shows it.
fn capabilities(capturer: &CapturerInfo, own: &Own<'_>) -> Vec<CapabilityState> {
    let tried = |capability| {
        let tries = move |cell: &&&CellResult| cell.tries.contains(&capability);
        // A cell that failed by another's fault shows nothing about the strategy.
        let shows = move |cell: &&CellResult| match cell.fault {
            None | Some(Fault::Strategy) => {
                let shown = rule::shows(capability, cell.findings.as_ref()?)?;
                // What a cell lacks for want of another capability says nothing about this one.
                let for_another =
                    cell.cannot.iter().any(|&other| other != capability && !rule::covers(other).is_empty());
                (shown || !for_another).then_some(shown)
            }
            Some(_) => None,
        };
        own.0.iter().filter(tries).filter_map(shows)
    };
    let state = |capability| CapabilityState {
        capability,
        declared: capturer.declares.contains(&capability),
        measured: tried(capability).reduce(|all, one| all && one),
    };
    Capability::ALL.map(state).to_vec()
}
