//! Expected failures: which findings are known to be broken in which cells, whose fault that is, and where it is known
//! from.
//!
//! An entry says `always` or `sometimes`. A failure that no entry names is unexpected. So is an `always` that did not
//! happen, because a stale entry would hide the next failure, and so is a `sometimes` that happens too often.

mod entry;

pub use entry::{ExpectationError, Fault, When};

use crate::analysis::Findings;
use crate::finding::Finding;
use crate::recording::{CellId, Run};
use entry::{Entry, read};

/// A list of expected failures.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    entries: Vec<Entry>,
    /// The list as it was read.
    text: String,
}

/// The cell that is judged, as an entry sees it. The label of a runtime says nothing about how it behaves, so its kind
/// and its version stand in its place.
#[derive(Clone, Copy, Debug)]
pub struct Facing<'a> {
    /// The kind of the runtime: `crun`, whatever its label is.
    pub kind: &'a str,
    /// The version that the runtime prints.
    pub version: &'a str,
    /// The capturer's name.
    pub strategy: &'a str,
    /// The experiment's name.
    pub experiment: &'a str,
    /// The case's name.
    pub case: &'a str,
}

impl<'a> Facing<'a> {
    /// A cell on a runtime of this kind and version.
    pub fn new(id: &'a CellId, kind: &'a str, version: &'a str) -> Facing<'a> {
        Facing { kind, version, strategy: &id.strategy, experiment: &id.experiment, case: &id.case }
    }

    /// A cell of a run.
    pub fn of(id: &'a CellId, run: &'a Run) -> Facing<'a> {
        Facing::named([&id.runtime, &id.strategy, &id.experiment, &id.case], run)
    }

    /// The cell of these names (runtime, strategy, experiment, case).
    pub(super) fn named([runtime, strategy, experiment, case]: [&'a str; 4], run: &'a Run) -> Facing<'a> {
        let found = run.runtimes.iter().find(|one| one.name == runtime);
        let (kind, version) = found.map_or((runtime, ""), |one| (&one.kind, &one.version));
        Facing { kind, version, strategy, experiment, case }
    }
}

/// What the expectations say about one cell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// The broken findings that no entry names.
    pub(super) unexplained: Vec<Finding>,
    /// The findings that are not broken, although an entry says `always`.
    pub(super) missing: Vec<Finding>,
    /// Why the first broken finding is expected.
    pub(super) reason: Option<String>,
    /// Whose fault the expected findings are. The strategy's, if one of them is.
    pub(super) fault: Option<Fault>,
}

/// What is expected of a strategy in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The strategy.
    pub strategy: String,
    /// Why it cannot be tried there. None: it can.
    pub unsupported: Option<String>,
    /// The findings that it breaks every time.
    pub always: Vec<Finding>,
    /// The findings that it may break.
    pub sometimes: Vec<Finding>,
}

/// A failure that happens more often than its entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TooOften {
    /// The places of the failed cells.
    pub(super) cells: Vec<usize>,
    /// What is wrong, in words.
    pub(super) reason: String,
}

/// A failure that has a lower probability than this, by its entry's rate, is no longer the race that the entry names.
const TOO_UNLIKELY: f64 = 1e-4;

impl Expectations {
    /// The text of the list that comes with the program.
    pub fn built_in() -> &'static str {
        include_str!("../../fixtures/expected-failures.toml")
    }

    /// Reads a list. `capturers` are the names of the user's own capturers, which an entry may name, too.
    ///
    /// # Errors
    /// The text is not such a list; or an entry names what is not there, explains nothing, or sets no bounds.
    pub fn parse(text: &str, capturers: &[String]) -> Result<Expectations, ExpectationError> {
        let entries = read(text)?;
        for entry in &entries {
            entry.check(capturers)?;
        }
        Ok(Expectations { entries, text: text.to_owned() })
    }

    /// The list as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn about<'s>(&'s self, cell: &Facing<'_>) -> impl Iterator<Item = &'s Entry> {
        self.entries.iter().filter(move |entry| entry.is_about(cell))
    }

    /// Whether this cell always reaches its deadline.
    pub fn waits_for_deadline(&self, cell: &Facing<'_>) -> bool {
        let hang = |entry: &Entry| entry.when == When::Always && entry.findings.contains(&Finding::DeadlineHit);
        self.about(cell).any(hang)
    }

    /// Whether the first entry about this finding in the cell says that it is broken sometimes.
    pub(super) fn a_race_decides(&self, cell: &Facing<'_>, finding: Finding) -> bool {
        let mut entries = self.about(cell).filter(|entry| entry.findings.contains(&finding));
        entries.next().is_some_and(|entry| entry.when == When::Sometimes)
    }

    /// What is expected of a strategy in its cell. `unsupported`: why it cannot be tried there.
    pub fn outlook(&self, cell: &Facing<'_>, unsupported: Option<String>) -> Outlook {
        let mut seen: Vec<Finding> = Vec::new();
        let mut of = |when: When| -> Vec<Finding> {
            let mut new = Vec::new();
            for &finding in self.about(cell).filter(|entry| entry.when == when).flat_map(|entry| &entry.findings) {
                if !seen.contains(&finding) {
                    seen.push(finding);
                    new.push(finding);
                }
            }
            new
        };
        let (always, sometimes) = (of(When::Always), of(When::Sometimes));
        Outlook { strategy: cell.strategy.to_owned(), unsupported, always, sometimes }
    }

    pub(super) fn judge(&self, cell: &Facing<'_>, broken: &[Finding], findings: &Findings) -> Judged {
        let entries: Vec<&Entry> = self.about(cell).collect();
        let mut judged = Judged::default();
        for &finding in broken {
            match entries.iter().find(|entry| entry.findings.contains(&finding) && entry.bounds(finding, findings)) {
                Some(entry) => {
                    judged.reason.get_or_insert_with(|| format!("{} ({})", entry.reason, entry.source));
                    judged.fault = Some(judged.fault.map_or(entry.fault, |fault| fault.min(entry.fault)));
                }
                None => judged.unexplained.push(finding),
            }
        }
        // If a race made the cell hang, nothing else about it is certain.
        if broken.contains(&Finding::DeadlineHit) && self.a_race_decides(cell, Finding::DeadlineHit) {
            return judged;
        }
        for entry in entries.iter().filter(|entry| entry.when == When::Always) {
            judged.missing.extend(entry.findings.iter().filter(|finding| !broken.contains(finding)));
        }
        judged
    }

    /// The failures that happen too often for their entry: with its rate, so many failures in so many cells would have a
    /// probability below 1 in 10,000. `cells` has each judged cell with what it breaks.
    pub(super) fn too_often(&self, cells: &[(Facing<'_>, &[Finding])]) -> Vec<TooOften> {
        let mut found = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.when == When::Sometimes) {
            let own: Vec<usize> = (0..cells.len()).filter(|&at| entry.is_about(&cells[at].0)).collect();
            // What an earlier entry explains is not this one's.
            let explains = |cell: &Facing<'_>, finding: &Finding| {
                let first = self.about(cell).find(|other| other.findings.contains(finding));
                first.is_some_and(|first| std::ptr::eq(first, entry))
            };
            let breaks = |at: &usize| cells[*at].1.iter().any(|finding| explains(&cells[*at].0, finding));
            let failed: Vec<usize> = own.iter().copied().filter(breaks).collect();
            let rate = entry.rate_max.unwrap_or(0.0);
            if !failed.is_empty() && at_least(failed.len(), own.len(), rate) < TOO_UNLIKELY {
                let reason = format!(
                    "it happens in {} of {} cells, but is expected in at most {:.0}%: {}",
                    failed.len(),
                    own.len(),
                    rate * 100.0,
                    entry.reason
                );
                found.push(TooOften { cells: failed, reason });
            }
        }
        found
    }
}

/// The probability of at least `failed` failures in `tried` tries at this rate (binomial distribution).
fn at_least(failed: usize, tried: usize, rate: f64) -> f64 {
    if rate >= 1.0 {
        return 1.0;
    }
    // Terms are built up from the first by their ratio, so that no factorial overflows.
    let mut term = (1.0 - rate).powi(tried as i32);
    let mut below = 0.0;
    for count in 0..failed {
        below += term;
        term *= (tried - count) as f64 / (count + 1) as f64 * rate / (1.0 - rate);
    }
    (1.0 - below).max(0.0)
}

#[cfg(test)]
mod tests;
