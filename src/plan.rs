//! The plan: which cells there are, and in which order they run. Pure functions.

use crate::bundle::OwnBundle;
use crate::capturer::Capturer;
use crate::experiment::{self, Case, Experiment, Size};
use crate::recording::CellId;
use crate::strategy;
use std::collections::HashSet;
use std::sync::Arc;

/// One cell that is to be run.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The id.
    pub id: CellId,
    /// The place of its runtime in the list of runtimes.
    pub runtime: usize,
    /// The place of its capturer in the list of capturers.
    pub capturer: usize,
    /// The experiment that is tried.
    pub experiment: &'static Experiment,
    /// The case, with its script. All cells of a case share it, because some scripts hold megabytes, and each fork(2)
    /// copies the memory of the harness.
    pub case: Arc<Case>,
}

/// Which cells are wanted.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Every experiment. With `quick`, some experiments and cases are left out (`Experiment::quick`,
    /// `Case::full_only`).
    Everything,
    /// Some experiments, by name.
    Named {
        /// The experiments. Empty: all.
        experiments: Vec<&'static Experiment>,
        /// Parts of ids. A cell is wanted if its id contains one of them, or if there are none. A part that is the
        /// whole id of a cell selects that cell alone: `…/code-7` is not `…/code-77`.
        filters: Vec<String>,
    },
    /// The cells that fit one of these patterns: `STRATEGY/EXPERIMENT/CASE`, where `*` stands for every case.
    Matching(Vec<String>),
    /// The user's own bundle, in place of the experiments. The strategy that the others are compared with runs at least
    /// twice, to show whether the output is the same each time.
    Bundle(Arc<OwnBundle>),
}

/// The lists from which the cells are made.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    /// The labels of the runtimes.
    pub runtimes: &'a [String],
    /// The capturers.
    pub capturers: &'a [Capturer],
    /// Which cells are wanted.
    pub selection: &'a Selection,
    /// How often each cell is run.
    pub runs: u32,
    /// Whether to do less of everything (`--quick`).
    pub quick: bool,
    /// The seed of the scripts and of the order.
    pub seed: u64,
}

/// How often the strategy that the others are compared with runs a bundle of the user, at least.
const REFERENCE_RUNS_MIN: u32 = 2;

/// The user's own bundle as an experiment, so that its recordings have a place beside those of the experiments.
static OWN_BUNDLE: Experiment = Experiment {
    name: "own-bundle",
    question: "What does each strategy make of the user's own bundle?",
    sources: &["the user"],
    measures_time: false,
    quick: true,
    cases: |_| Vec::new(),
};

impl Matrix<'_> {
    /// All cells that are wanted, by runtime, strategy, experiment and case, each in the order of its list. The control has
    /// a cell wherever one that measures time is wanted.
    pub fn cells(&self) -> Vec<Cell> {
        let (controls, cells): (Vec<Cell>, Vec<Cell>) =
            self.every().into_iter().partition(|cell| self.capturers[cell.capturer].control);
        let mut cells = self.picked(cells);
        let place = |cell: &Cell| (cell.runtime, cell.id.experiment.clone(), cell.id.case.clone(), cell.id.run);
        let timed: HashSet<_> = cells.iter().filter(|cell| cell.experiment.measures_time).map(place).collect();
        let named = |cell: &Cell| match self.selection {
            Selection::Named { filters, .. } => filters.contains(&cell.id.to_string()),
            _ => false,
        };
        cells.extend(controls.into_iter().filter(|cell| timed.contains(&place(cell)) || named(cell)));
        cells
    }

    /// The cells that the selection picks from these.
    fn picked(&self, mut cells: Vec<Cell>) -> Vec<Cell> {
        match self.selection {
            Selection::Everything => cells.retain(|cell| !(self.quick && cell.case.full_only)),
            Selection::Named { filters, .. } if filters.is_empty() => {}
            Selection::Named { filters, .. } => {
                let ids: HashSet<String> = cells.iter().map(|cell| cell.id.to_string()).collect();
                cells.retain(|cell| {
                    let id = cell.id.to_string();
                    let fits =
                        |part: &String| if ids.contains(part) { id == *part } else { id.contains(part.as_str()) };
                    filters.iter().any(fits)
                });
            }
            Selection::Matching(patterns) => cells.retain(|cell| patterns.iter().any(|pattern| cell.id.fits(pattern))),
            Selection::Bundle(_) => {}
        }
        cells
    }

    /// All cells that the filters choose from.
    pub fn all(&self) -> Vec<Cell> {
        let mut cells = self.every();
        cells.retain(|cell| !self.capturers[cell.capturer].control);
        cells
    }

    fn every(&self) -> Vec<Cell> {
        let cases = [false, true].map(|syncs_each_line| self.cases(syncs_each_line));
        let reference = strategy::reference().name();
        let mut cells = Vec::new();
        for (runtime, label) in self.runtimes.iter().enumerate() {
            for (capturer, one) in self.capturers.iter().enumerate() {
                for (experiment, case) in &cases[usize::from(one.needs.syncs_each_line)] {
                    let id = CellId {
                        runtime: label.clone(),
                        strategy: one.name.clone(),
                        experiment: experiment.name.to_owned(),
                        case: case.name.clone(),
                        run: 0,
                    };
                    let is_reference = matches!(self.selection, Selection::Bundle(_)) && one.name == reference;
                    let runs = if is_reference { self.runs.max(REFERENCE_RUNS_MIN) } else { self.runs };
                    // A crowd is several runs at the same time.
                    cells.extend((0..runs * case.at_once).map(|run| Cell {
                        id: CellId { run, ..id.clone() },
                        runtime,
                        capturer,
                        experiment,
                        case: Arc::clone(case),
                    }));
                }
            }
        }
        cells
    }

    fn cases(&self, syncs_each_line: bool) -> Vec<(&'static Experiment, Arc<Case>)> {
        let size = Size { seed: self.seed, quick: self.quick, syncs_each_line };
        let experiments: Vec<&'static Experiment> = match self.selection {
            Selection::Bundle(bundle) => return vec![(&OWN_BUNDLE, Arc::new(Case::of_own_bundle(Arc::clone(bundle))))],
            Selection::Named { experiments, .. } if !experiments.is_empty() => experiments.clone(),
            Selection::Everything => experiment::ALL.iter().copied().filter(|one| one.quick || !self.quick).collect(),
            Selection::Named { .. } | Selection::Matching(_) => experiment::ALL.to_vec(),
        };
        let of = |experiment: &'static Experiment| {
            (experiment.cases)(size).into_iter().map(move |case| (experiment, Arc::new(case)))
        };
        experiments.into_iter().flat_map(of).collect()
    }
}

/// The experiments, and the cases of other experiments, that `quick` leaves out. Empty if not everything was asked for.
pub fn left_out(selection: &Selection, quick: bool, seed: u64) -> Vec<String> {
    if !(quick && matches!(selection, Selection::Everything)) {
        return Vec::new();
    }
    let size = Size { seed, quick, syncs_each_line: false };
    let of = |one: &&Experiment| -> Option<String> {
        if !one.quick {
            return Some(one.name.to_owned());
        }
        let cases = (one.cases)(size).into_iter().filter(|case| case.full_only);
        let names: Vec<String> = cases.map(|case| case.name).collect();
        match names.as_slice() {
            [] => None,
            [name] => Some(format!("{}/{name}", one.name)),
            names => Some(format!("{}/{{{}}}", one.name, names.join(","))),
        }
    };
    experiment::ALL.iter().filter_map(of).collect()
}

/// How many cases there are, if nothing is picked.
pub fn cases(quick: bool, seed: u64) -> usize {
    let size = Size { seed, quick, syncs_each_line: false };
    let own = experiment::ALL.iter().filter(|one| one.quick || !quick);
    own.flat_map(|one| (one.cases)(size)).filter(|case| !(quick && case.full_only)).count()
}

/// Shuffles the cells by the seed, so that no strategy always follows the same other one.
pub fn shuffle<T>(cells: &mut [T], seed: u64) {
    fastrand::Rng::with_seed(seed).shuffle(cells);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn cells(filters: &[String], runs: u32) -> Vec<Cell> {
        let capturers: Vec<_> =
            strategy::ALL.iter().map(|&one| Capturer::built_in(one, Path::new("crun-capture"))).collect();
        let selection = Selection::Named { experiments: Vec::new(), filters: filters.to_vec() };
        let runtimes = ["crun".to_owned(), "fake".to_owned()];
        Matrix { runtimes: &runtimes, capturers: &capturers, selection: &selection, runs, quick: true, seed: 7 }.cells()
    }

    #[test]
    fn ids_are_unique_and_the_filter_takes_parts_of_them() {
        let all = cells(&[], 1);
        let mut ids: Vec<_> = all.iter().map(|cell| cell.id.clone()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), all.len());
        let some = cells(&["crun/tee/long-line/65537".into()], 3);
        assert_eq!(some.iter().map(|cell| cell.id.run).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(cells(&["crun/tee/exit-status/code-7".into()], 1).len(), 1, "code-77 is another cell");
        assert_eq!(cells(&["tee/exit-status/code-7".into()], 1).len(), 4, "a part fits both, on both runtimes");
    }

    #[test]
    fn the_same_seed_gives_the_same_order_and_another_seed_another() {
        let order = |seed| {
            let mut all = cells(&[], 1);
            shuffle(&mut all, seed);
            all.into_iter().map(|cell| cell.id).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }
}
