//! Requests: what is to be run. They are plain data: the command line makes one, and so can anybody.

use super::{Host, SessionError};
use crate::capturer::Capturer;
use crate::comparison::Expectations;
use crate::plan::{Cell, Matrix, Selection};
use crate::recording::CellId;
use crate::runtime;
use std::path::PathBuf;
use std::time::Duration;

/// What is to be run. There are no defaults: every field must be given.
#[derive(Clone)]
pub struct Request {
    /// The runtimes.
    pub runtimes: Runtimes,
    /// The capturers, in the order of the report.
    pub capturers: Vec<Capturer>,
    /// The cells.
    pub selection: Selection,
    /// How often each cell is run.
    pub runs: u32,
    /// Whether to do less of everything (`--quick`).
    pub quick: bool,
    /// The seed of the scripts and of the order of the cells.
    pub seed: u64,
    /// The time that a cell may take.
    pub deadline: Duration,
    /// How many of the cells that do not measure time run at once.
    pub jobs: usize,
    /// The failures that are expected.
    pub expectations: Expectations,
    /// The place for the recordings.
    pub output: Destination,
    /// The options that `crun-capture compare` needs to run a cell again, each after a space, ready for a shell.
    pub repeat_options: String,
}

/// The runtimes of a request.
#[derive(Clone)]
pub enum Runtimes {
    /// Each of these. One that does not work here is skipped.
    All(Vec<runtime::Wanted>),
    /// The first of these that works here.
    FirstThatWorks(Vec<runtime::Wanted>),
}

/// The place for the recordings of a session.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A directory that is named by time and seed, below `.crun-capture` in the current directory.
    Default,
    /// This directory.
    Directory(PathBuf),
    /// None: they are removed with the session's temporary files.
    Discard,
}

impl Request {
    /// How many cells run at a time by default: two per CPU, because they wait most of their time.
    pub fn jobs_of_this_machine() -> usize {
        2 * crate::machine::this().cpus
    }

    /// All cells, on runtimes with these labels.
    ///
    /// # Errors
    /// No id fits one of the filters.
    pub fn cells(&self, labels: &[String]) -> Result<Vec<Cell>, SessionError> {
        let matrix = Matrix {
            runtimes: labels,
            capturers: &self.capturers,
            selection: &self.selection,
            runs: self.runs,
            quick: self.quick,
            seed: self.seed,
        };
        let cells = matrix.cells();
        let picks = |id: &CellId, filter: &str| match &self.selection {
            Selection::Matching(_) => id.fits(filter),
            _ => id.to_string().contains(filter),
        };
        let filters: &[String] = match &self.selection {
            Selection::Named { filters: all, .. } | Selection::Matching(all) => all,
            Selection::Everything | Selection::Bundle(_) => &[],
        };
        // A filter that fits nothing is misspelt, and the cells that it should have picked would be missed.
        let unused = filters.iter().find(|filter| !cells.iter().any(|cell| picks(&cell.id, filter)));
        let Some(unused) = unused else { return Ok(cells) };
        let ids = matrix.all().into_iter().map(|cell| cell.id).collect();
        Err(SessionError::NoSuchCell { filter: unused.clone(), ids })
    }

    /// The labels of all runtimes that are asked for.
    pub fn labels(&self) -> Vec<String> {
        let (Runtimes::All(wanted) | Runtimes::FirstThatWorks(wanted)) = &self.runtimes;
        wanted.iter().map(|one| one.label.clone()).collect()
    }

    pub(super) fn directory(&self, host: &Host) -> Option<PathBuf> {
        match &self.output {
            Destination::Default => None,
            Destination::Directory(path) => Some(path.clone()),
            Destination::Discard => Some(host.scratch.disk().join("recordings")),
        }
    }
}
