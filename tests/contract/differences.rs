//! `fixtures/crun/differences.toml`: where the fake differs from crun on purpose, and why.

use serde::Deserialize;
use std::io;
use std::path::Path;

/// The list of differences.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// A difference: one part of one case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    case: String,
    /// The heading in the fixture.
    part: String,
    reason: String,
}

impl Differences {
    /// Reads the list. An entry without a reason is an error.
    pub(crate) fn read(path: &Path) -> io::Result<Differences> {
        let list: Differences = toml::from_str(&std::fs::read_to_string(path)?).map_err(io::Error::other)?;
        match list.difference.iter().find(|one| one.reason.trim().is_empty()) {
            Some(one) => Err(io::Error::other(format!("differences.toml: {} has no reason", one.case))),
            None => Ok(list),
        }
    }

    /// The parts in which this case may differ, and must differ.
    pub(crate) fn parts(&self, case: &str) -> Vec<String> {
        self.difference.iter().filter(|one| one.case == case).map(|one| one.part.clone()).collect()
    }

    /// The cases that the list names.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &str> {
        self.difference.iter().map(|one| one.case.as_str())
    }
}
