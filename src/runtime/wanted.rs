//! A runtime that the user asks for, and the result of the search for it.

use super::{Found, Parents, Programs, Runtime, Unusable, find, probe};
use crate::process::Family;
use std::path::PathBuf;

/// A runtime that the user asks for.
#[derive(Clone)]
pub struct Wanted {
    /// The runtime.
    pub runtime: &'static dyn Runtime,
    /// Its label in ids.
    pub label: String,
    /// The path of its program. None: the harness looks for it.
    pub path: Option<PathBuf>,
    /// Whether the run fails if the runtime is missing.
    pub required: bool,
}

/// The result of the search for a runtime.
#[derive(Clone)]
pub struct Sought {
    /// The runtime that the user asked for.
    pub wanted: Wanted,
    /// The runtime that was found, or the reason why it cannot be used.
    pub found: Result<Found, Unusable>,
}

impl Wanted {
    /// The argument of `--runtime` that finds it again.
    pub fn word(&self) -> String {
        match &self.path {
            Some(path) => format!("{}={}", self.label, path.display()),
            None => self.label.clone(),
        }
    }

    /// Looks for the runtime, and tests it with one container. Blocks as `find` and `probe` do.
    pub fn seek(self, programs: &Programs, parents: Parents<'_>, family: &Family) -> Sought {
        let found = find(self.runtime, Some(&self.label), self.path.as_deref(), programs, family);
        let found = found.and_then(|found| probe(&found, parents, family).map(|()| found));
        Sought { wanted: self, found }
    }
}
