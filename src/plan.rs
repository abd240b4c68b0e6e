//! The matrix: which cells there are, and in which order they run. Pure.

use crate::capturer::Capturer;
use crate::experiment::{Case, Experiment, Size};
use crate::recording::CellId;
use std::collections::HashSet;
use std::sync::Arc;

/// One cell to be run.
#[derive(Clone)]
pub struct Cell {
    /// Its name.
    pub id: CellId,
    /// Which of the runtimes, by its place.
    pub runtime: usize,
    /// Which of the capturers.
    pub capturer: usize,
    /// What is tried.
    pub experiment: &'static Experiment,
    /// With which script. All cells of a case share it: some scripts hold megabytes, and memory that the harness has is copied at
    /// each fork(2).
    pub case: Arc<Case>,
}

/// What the matrix is made from.
pub struct Matrix<'a> {
    /// The labels of the runtimes.
    pub runtimes: &'a [String],
    /// The capturers.
    pub capturers: &'a [Capturer],
    /// The experiments.
    pub experiments: &'a [&'static Experiment],
    /// Parts of ids; a cell is in the plan when its id contains one of them, or when there are none. One that is the whole
    /// id of a cell means that cell alone: `…/code-7` is not `…/code-77`.
    pub filters: &'a [String],
    /// How often each cell is run.
    pub runs: u32,
    /// Less of everything.
    pub quick: bool,
    /// Determines the scripts and the order.
    pub seed: u64,
}

impl Matrix<'_> {
    /// All cells: by runtime, strategy, experiment and case, in the order of their lists.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = self.all();
        if self.filters.is_empty() {
            return cells;
        }
        let ids: HashSet<String> = cells.iter().map(|cell| cell.id.to_string()).collect();
        cells.retain(|cell| {
            let id = cell.id.to_string();
            let fits = |part: &String| if ids.contains(part) { id == *part } else { id.contains(part.as_str()) };
            self.filters.iter().any(fits)
        });
        cells
    }

    fn all(&self) -> Vec<Cell> {
        let cases = [false, true].map(|syncs_each_line| self.cases(syncs_each_line));
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
                    // A crowd is so many runs at the same time.
                    cells.extend((0..self.runs * case.at_once).map(|run| Cell {
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
        let of = |experiment: &&'static Experiment| {
            let experiment = *experiment;
            (experiment.cases)(size).into_iter().map(move |case| (experiment, Arc::new(case)))
        };
        self.experiments.iter().flat_map(of).collect()
    }
}

/// The order in which cells run: shuffled from the seed, so that no strategy always follows the same other one.
pub fn shuffle<T>(cells: &mut [T], seed: u64) {
    fastrand::Rng::with_seed(seed).shuffle(cells);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strategy;
    use std::path::Path;

    fn cells(filters: &[String], runs: u32) -> Vec<Cell> {
        let capturers: Vec<_> =
            strategy::ALL.iter().map(|&one| Capturer::built_in(one, Path::new("crun-capture"))).collect();
        let runtimes = ["crun".to_owned(), "fake".to_owned()];
        let matrix = Matrix {
            runtimes: &runtimes,
            capturers: &capturers,
            experiments: crate::experiment::ALL,
            filters,
            runs,
            quick: true,
            seed: 7,
        };
        matrix.cells()
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
