//! Expected failures: which findings are known to be broken in which cells, with the reason and its source.
//!
//! An entry says `always` or `sometimes`. A failure that no entry names is unexpected. So is an `always` that did not
//! happen: a stale entry fails the run.

use super::rule::RULES;
use crate::finding::{Finding, names};
use crate::recording::CellId;
use serde::Deserialize;

/// How often a failure happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Every time.
    Always,
    /// A race decides.
    Sometimes,
}

/// One name, or several. `"*"` fits every name, and `"!NAME"` every other name. A field that is left out fits every
/// name.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    fn any() -> Names {
        Names::One("*".to_owned())
    }

    fn has(&self, name: &str) -> bool {
        self.all().iter().any(|candidate| match candidate.strip_prefix('!') {
            Some(other) => other != name,
            None => candidate == "*" || candidate == name,
        })
    }

    fn all(&self) -> &[String] {
        match self {
            Names::One(one) => std::slice::from_ref(one),
            Names::Several(several) => several,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default = "Names::any")]
    runtime: Names,
    strategy: Names,
    #[serde(default = "Names::any")]
    experiment: Names,
    #[serde(default = "Names::any")]
    case: Names,
    #[serde(rename = "finding")]
    named: Names,
    /// The findings that `named` names.
    #[serde(skip)]
    findings: Vec<Finding>,
    when: When,
    reason: String,
    source: String,
}

impl Entry {
    fn is_about(&self, id: &CellId) -> bool {
        self.names([&id.runtime, &id.strategy, &id.experiment, &id.case])
    }

    fn names(&self, [runtime, strategy, experiment, case]: [&str; 4]) -> bool {
        self.runtime.has(runtime)
            && self.strategy.has(strategy)
            && self.experiment.has(experiment)
            && self.case.has(case)
    }
}

/// A list of expected failures.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectations {
    #[serde(default)]
    failure: Vec<Entry>,
    /// The list as it was read.
    #[serde(skip)]
    text: String,
}

/// An error in a list.
#[derive(Debug, thiserror::Error)]
pub enum ExpectationError {
    /// It is not TOML, or has unknown fields.
    #[error("{0}")]
    Parse(#[from] Box<toml::de::Error>),
    /// It names a finding that does not exist or that cannot break anything.
    #[error("`{0}` does not name a finding that can break something; use one of: {all}", all = names(&can_break()))]
    Finding(String),
    /// An entry has no reason or no source.
    #[error("the entry for `{0}` needs a reason and a source")]
    Unexplained(String),
}

/// The findings that can break a duty, a capability or the cell itself.
fn can_break() -> Vec<Finding> {
    RULES.iter().map(|(finding, _)| *finding).collect()
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

impl Expectations {
    /// The text of the list that comes with the program.
    pub fn built_in() -> &'static str {
        include_str!("../../fixtures/expected-failures.toml")
    }

    /// Reads a list.
    ///
    /// # Errors
    /// The text is not such a list, or an entry has no reason or no source.
    pub fn parse(text: &str) -> Result<Expectations, ExpectationError> {
        let mut expectations: Expectations = toml::from_str(text).map_err(Box::new)?;
        text.clone_into(&mut expectations.text);
        for entry in &mut expectations.failure {
            let known = |name: &String| Finding::of_name(name).filter(|finding| can_break().contains(finding));
            let find = |name: &String| known(name).ok_or_else(|| ExpectationError::Finding(name.clone()));
            entry.findings = entry.named.all().iter().map(find).collect::<Result<_, _>>()?;
            if entry.reason.trim().is_empty() || entry.source.trim().is_empty() {
                return Err(ExpectationError::Unexplained(entry.strategy.all().join(", ")));
            }
        }
        Ok(expectations)
    }

    /// The list as it was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this cell always reaches its deadline.
    pub fn waits_for_deadline(&self, id: &CellId) -> bool {
        let hang = |entry: &&Entry| entry.when == When::Always && entry.findings.contains(&Finding::DeadlineHit);
        self.failure.iter().filter(hang).any(|entry| entry.is_about(id))
    }

    /// Whether the first entry about this finding in the cell of these names (runtime, strategy, experiment, case) says
    /// that it is broken sometimes.
    pub(super) fn a_race_decides(&self, cell: [&str; 4], finding: Finding) -> bool {
        let mut entries = self.failure.iter().filter(|entry| entry.findings.contains(&finding) && entry.names(cell));
        entries.next().is_some_and(|entry| entry.when == When::Sometimes)
    }

    /// What is expected of another strategy in place of this cell's. `unsupported`: why it cannot be tried there.
    pub fn outlook(&self, id: &CellId, strategy: &str, unsupported: Option<String>) -> Outlook {
        let names = [&*id.runtime, strategy, &*id.experiment, &*id.case];
        let own = || self.failure.iter().filter(|entry| entry.names(names));
        let mut seen: Vec<Finding> = Vec::new();
        let mut of = |when: When| -> Vec<Finding> {
            let mut new = Vec::new();
            for &finding in own().filter(|entry| entry.when == when).flat_map(|entry| &entry.findings) {
                if !seen.contains(&finding) {
                    seen.push(finding);
                    new.push(finding);
                }
            }
            new
        };
        let (always, sometimes) = (of(When::Always), of(When::Sometimes));
        Outlook { strategy: strategy.to_owned(), unsupported, always, sometimes }
    }

    pub(super) fn judge(&self, id: &CellId, broken: &[Finding]) -> Judged {
        let entries: Vec<&Entry> = self.failure.iter().filter(|entry| entry.is_about(id)).collect();
        let mut judged = Judged::default();
        for &finding in broken {
            match entries.iter().find(|entry| entry.findings.contains(&finding)) {
                Some(entry) => {
                    judged.reason.get_or_insert_with(|| format!("{} ({})", entry.reason, entry.source));
                }
                None => judged.unexplained.push(finding),
            }
        }
        // If a race made the cell hang, nothing else about it is certain.
        let [runtime, strategy, experiment, case] = [&id.runtime, &id.strategy, &id.experiment, &id.case];
        if broken.contains(&Finding::DeadlineHit)
            && self.a_race_decides([runtime, strategy, experiment, case], Finding::DeadlineHit)
        {
            return judged;
        }
        for entry in entries.iter().filter(|entry| entry.when == When::Always) {
            judged.missing.extend(entry.findings.iter().filter(|finding| !broken.contains(finding)));
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(strategy: &str, case: &str) -> CellId {
        let [runtime, experiment] = ["crun", "long-line"].map(str::to_owned);
        CellId { runtime, strategy: strategy.to_owned(), experiment, case: case.to_owned(), run: 0 }
    }

    fn list(when: &str) -> Expectations {
        Expectations::parse(&format!(
            "[[failure]]\nstrategy = ['tee', 'scanner']\nexperiment = 'long-line'\ncase = '65537'\n\
             finding = 'deadline_hit'\nwhen = '{when}'\nreason = 'it stops'\nsource = 'golang/go#11242'\n"
        ))
        .unwrap()
    }

    #[test]
    fn a_named_failure_is_expected_and_another_is_not() {
        let judged = list("always").judge(&id("tee", "65537"), &[Finding::DeadlineHit, Finding::LostBytes]);
        assert_eq!(judged.unexplained, [Finding::LostBytes]);
        assert_eq!(judged.reason.as_deref(), Some("it stops (golang/go#11242)"));
        assert_eq!(
            list("always").judge(&id("file", "65537"), &[Finding::DeadlineHit]).unexplained,
            [Finding::DeadlineHit]
        );
        assert!(list("always").waits_for_deadline(&id("tee", "65537")));
        assert!(!list("sometimes").waits_for_deadline(&id("tee", "65537")));
    }

    #[test]
    fn a_failure_that_always_happens_must_happen() {
        assert_eq!(list("always").judge(&id("tee", "65537"), &[]).missing, [Finding::DeadlineHit]);
        assert_eq!(list("sometimes").judge(&id("tee", "65537"), &[]), Judged::default());
    }

    #[test]
    fn a_cell_that_hangs_by_a_race_need_not_show_what_always_happens() {
        let entry = |finding: &str, when: &str| {
            format!(
                "[[failure]]\nstrategy = 'tee'\nfinding = '{finding}'\nwhen = '{when}'\nreason = 'r'\nsource = 's'\n"
            )
        };
        let text = entry("exit_reported", "always") + &entry("deadline_hit", "sometimes");
        let both = Expectations::parse(&text).unwrap();
        assert_eq!(both.judge(&id("tee", "1"), &[Finding::DeadlineHit]).missing, []);
        assert_eq!(both.judge(&id("tee", "1"), &[]).missing, [Finding::ExitReported]);
        assert!(both.a_race_decides(["crun", "tee", "x", "1"], Finding::DeadlineHit));
        assert!(!both.a_race_decides(["crun", "tee", "x", "1"], Finding::ExitReported));
    }

    #[test]
    fn a_list_that_explains_nothing_is_refused() {
        let entry = |finding: &str, reason: &str| {
            format!(
                "[[failure]]\nstrategy = 'tee'\nfinding = '{finding}'\nwhen = 'always'\nreason = '{reason}'\nsource = 's'"
            )
        };
        let refused = |text: &str| Expectations::parse(text).unwrap_err().to_string();
        assert!(refused(&entry("lost", "r")).contains("one of: stimulus_error, deadline_hit"));
        assert!(refused(&entry("lost_bytes", " ")).contains("needs a reason"));
        assert!(refused("[[failure]]\nstrategie = 'x'").contains("strategie"));
    }

    #[test]
    fn a_name_may_be_excluded() {
        let names = |text: &str| toml::from_str::<toml::Table>(text).unwrap()["x"].clone().try_into::<Names>().unwrap();
        let but_runc = names("x = '!runc'");
        assert!(but_runc.has("crun") && but_runc.has("my-crun") && !but_runc.has("runc"));
        assert!(names("x = '*'").has("runc") && names("x = ['a', 'b']").has("b") && !names("x = 'a'").has("b"));
    }

    #[test]
    fn the_built_in_list_is_one() {
        Expectations::parse(Expectations::built_in()).unwrap();
    }
}
