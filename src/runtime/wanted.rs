//! A runtime that is asked for, and what came of looking for it.

use super::{Found, Parents, Programs, Runtime, Unusable, find, probe};
use crate::process::Family;
use std::path::PathBuf;

/// A runtime that is asked for.
#[derive(Clone)]
pub struct Wanted {
    /// Which.
    pub runtime: &'static dyn Runtime,
    /// What it is called in ids.
    pub label: String,
    /// Where it is. None: it is looked for.
    pub path: Option<PathBuf>,
    /// Whether the run fails without it.
    pub required: bool,
}

/// A runtime that was looked for.
#[derive(Clone)]
pub struct Sought {
    /// What was asked for.
    pub wanted: Wanted,
    /// What is there, or why it cannot be used.
    pub found: Result<Found, Unusable>,
}

impl Wanted {
    /// What `--runtime` takes to find it again.
    pub fn word(&self) -> String {
        match &self.path {
            Some(path) => format!("{}={}", self.label, path.display()),
            None => self.label.clone(),
        }
    }

    /// Looks for it, and runs one container. Blocks for as long as that takes.
    pub fn seek(self, programs: &Programs, parents: Parents<'_>, family: &Family) -> Sought {
        let found = find(self.runtime, Some(&self.label), self.path.as_deref(), programs, family);
        let found = found.and_then(|found| probe(&found, parents, family).map(|()| found));
        Sought { wanted: self, found }
    }
}
