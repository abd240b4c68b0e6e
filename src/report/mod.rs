//! Reports: a comparison, written for a reader.

mod claims;
mod csv;
mod failures;
mod json;
mod markdown;
mod own_bundle;
mod recommendation;
mod table;
mod timeline;
mod words;

pub use claims::{ClaimsExport, write_claims_markdown, write_claims_text};
pub use json::Export;
pub use own_bundle::write_own_bundle;
pub use recommendation::write_recommendation;
pub use timeline::{Explained, write_explained};

use crate::comparison::Comparison;
use std::io::{self, Write};

/// All reports.
pub static ALL: &[&dyn Report] = &[&table::Table, &json::Json, &markdown::Markdown, &csv::Csv];

/// One way to write a comparison. It writes to its writer and nowhere else.
pub trait Report: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// One line that says what it is.
    fn summary(&self) -> &'static str;

    /// Writes the whole report. It never contains the raw output of a workload.
    ///
    /// # Errors
    /// The writer fails.
    fn write(&self, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()>;
}

/// The report of this name.
pub fn find(name: &str) -> Option<&'static dyn Report> {
    ALL.iter().copied().find(|report| report.name() == name)
}

#[cfg(test)]
mod tests;
