//! One entry of a list of expected failures, and what is wrong with an entry that names or explains nothing.

use super::Facing;
use crate::analysis::Findings;
use crate::comparison::rule::RULES;
use crate::experiment::{self, Experiment, Size};
use crate::finding::{Finding, names};
use crate::{runtime, strategy};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How often a failure happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Every time.
    Always,
    /// A race decides.
    Sometimes,
}

/// Whose fault a failure is. The first of several faults decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The strategy's: another way of capturing would not fail so.
    #[default]
    Strategy,
    /// The runtime's, whoever captures.
    Runtime,
    /// The program's, whoever captures.
    Program,
    /// The stimulus did not do what it had to do, so the cell shows nothing.
    Stimulus,
    /// The machine was too busy.
    Machine,
}

impl Fault {
    /// Its word in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Fault::Strategy => "strategy",
            Fault::Runtime => "runtime",
            Fault::Program => "program",
            Fault::Stimulus => "stimulus",
            Fault::Machine => "machine",
        }
    }
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

    /// Whether it names single names, not all or all but some.
    fn is_bounded(&self) -> bool {
        self.all().iter().all(|name| name != "*" && !name.starts_with('!'))
    }

    /// A name that none of `known` is. Two negations in one list fit every name, and so does an empty list none.
    fn unknown(&self, known: &[String]) -> Option<String> {
        let negations = self.all().iter().filter(|name| name.starts_with('!')).count();
        if self.all().is_empty() || negations > 1 || negations == 1 && self.all().len() > 1 {
            return Some(self.all().join(", "));
        }
        let plain = |name: &&String| {
            let name = name.strip_prefix('!').unwrap_or(name);
            name == "*" || known.iter().any(|one| one == name)
        };
        self.all().iter().find(|name| !plain(name)).cloned()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    /// Kinds of runtimes, not labels.
    #[serde(default = "Names::any")]
    runtime: Names,
    /// The versions of the runtime, as in Cargo.toml: `">=1.9, <2"`. None: every version.
    version: Option<semver::VersionReq>,
    strategy: Names,
    #[serde(default = "Names::any")]
    experiment: Names,
    #[serde(default = "Names::any")]
    case: Names,
    #[serde(rename = "finding")]
    named: Names,
    /// The findings that `named` names.
    #[serde(skip)]
    pub(super) findings: Vec<Finding>,
    pub(super) when: When,
    /// In how many of the cells, from 0 to 1, `sometimes` may be at most.
    pub(super) rate_max: Option<f64>,
    /// The largest `exit_latency_ns` and `workload_stalled_ns` that the entry explains. None: any.
    ns_max: Option<u64>,
    #[serde(default)]
    pub(super) fault: Fault,
    pub(super) reason: String,
    pub(super) source: String,
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
    /// An entry names no finding.
    #[error("the entry for `{0}` names no finding")]
    NoFinding(String),
    /// An entry has no reason or no source.
    #[error("the entry for `{0}` needs a reason and a source")]
    Unexplained(String),
    /// An entry names what is not in the full matrix.
    #[error("the entry for `{entry}` fits no cell: there is no {kind} `{name}`")]
    NoSuchName {
        /// The strategies of the entry.
        entry: String,
        /// runtime, strategy, experiment, or case.
        kind: &'static str,
        /// The name, or the names.
        name: String,
    },
    /// A `sometimes` without bounds would hide every other failure of the same kind.
    #[error(
        "the entry for `{0}` says `sometimes`: it needs a `rate_max` between 0 and 1, and must name its experiments and its \
         cases one by one, unless its fault is \"runtime\", it names the runtimes, and the rate is below 1"
    )]
    Unbounded(String),
}

/// The findings that can break a duty, a capability or the cell itself.
fn can_break() -> Vec<Finding> {
    RULES.iter().map(|(finding, _)| *finding).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    failure: Vec<Entry>,
}

/// Reads the entries of a list.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, ExpectationError> {
    let mut list: List = toml::from_str(text).map_err(Box::new)?;
    for entry in &mut list.failure {
        let known = |name: &String| Finding::of_name(name).filter(|finding| can_break().contains(finding));
        let find = |name: &String| known(name).ok_or_else(|| ExpectationError::Finding(name.clone()));
        entry.findings = entry.named.all().iter().map(find).collect::<Result<_, _>>()?;
    }
    Ok(list.failure)
}

impl Entry {
    /// Checks that the entry says something, and about cells that exist.
    pub(super) fn check(&self, capturers: &[String]) -> Result<(), ExpectationError> {
        let own = || self.strategy.all().join(", ");
        if self.findings.is_empty() {
            return Err(ExpectationError::NoFinding(own()));
        }
        if self.reason.trim().is_empty() || self.source.trim().is_empty() {
            return Err(ExpectationError::Unexplained(own()));
        }
        let runtimes: Vec<String> = runtime::ALL.iter().map(|one| one.name().to_owned()).collect();
        let strategies: Vec<String> =
            strategy::ALL.iter().map(|one| one.name().to_owned()).chain(capturers.iter().cloned()).collect();
        let experiments: Vec<String> = experiment::ALL.iter().map(|one| one.name.to_owned()).collect();
        let known = [
            ("runtime", &self.runtime, runtimes),
            ("strategy", &self.strategy, strategies),
            ("experiment", &self.experiment, experiments),
            ("case", &self.case, self.cases()),
        ];
        for (kind, named, known) in known {
            if let Some(name) = named.unknown(&known) {
                return Err(ExpectationError::NoSuchName { entry: own(), kind, name });
            }
        }
        let rate = self.rate_max.is_some_and(|rate| rate > 0.0 && rate <= 1.0);
        // A race in the runtime itself may hit any case, but not every one, and only on that runtime.
        let of_runtime = self.fault == Fault::Runtime && self.runtime.is_bounded() && self.rate_max < Some(1.0);
        let bounded = self.experiment.is_bounded() && self.case.is_bounded() || of_runtime;
        if self.when == When::Sometimes && !(bounded && rate) {
            return Err(ExpectationError::Unbounded(own()));
        }
        Ok(())
    }

    /// The cases of the experiments that the entry names. Their names do not depend on the size.
    fn cases(&self) -> Vec<String> {
        let size = Size { seed: 0, quick: true, syncs_each_line: true };
        let own = experiment::ALL.iter().filter(|one| self.experiment.has(one.name));
        let cases = |one: &&Experiment| (one.cases)(size).into_iter().map(|case| case.name);
        own.flat_map(cases).collect()
    }

    pub(super) fn is_about(&self, cell: &Facing<'_>) -> bool {
        self.runtime.has(cell.kind)
            && self.strategy.has(cell.strategy)
            && self.experiment.has(cell.experiment)
            && self.case.has(cell.case)
            && self.version.as_ref().is_none_or(|wanted| is_of_version(wanted, cell.version))
    }

    /// Whether the value of the finding is one that the entry explains.
    pub(super) fn bounds(&self, finding: Finding, findings: &Findings) -> bool {
        let value = match finding {
            Finding::ExitLatencyNs => findings.exit_latency_ns,
            Finding::WorkloadStalledNs => findings.workload_stalled_ns,
            _ => None,
        };
        value.zip(self.ns_max).is_none_or(|(value, most)| value <= most)
    }
}

/// Whether a version, such as `1.8.1`, `1.21` or `1.1.5+ds1`, is in the range. An unknown version is in no range.
fn is_of_version(wanted: &semver::VersionReq, version: &str) -> bool {
    let numbers = version.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
    let mut numbers = numbers.split('.').map(|number| number.parse::<u64>());
    let Some(Ok(major)) = numbers.next() else { return false };
    let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
    let (minor, patch) = (next(), next());
    wanted.matches(&semver::Version::new(major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_be_excluded() {
        let names = |text: &str| toml::from_str::<toml::Table>(text).unwrap()["x"].clone().try_into::<Names>().unwrap();
        let but_runc = names("x = '!runc'");
        assert!(but_runc.has("crun") && !but_runc.has("runc"));
        assert!(names("x = '*'").has("runc") && names("x = ['a', 'b']").has("b") && !names("x = 'a'").has("b"));
    }

    #[test]
    fn versions_of_two_numbers_and_with_a_suffix_are_in_their_range() {
        let range = |text: &str| semver::VersionReq::parse(text).unwrap();
        for (wanted, version, is_in) in [
            ("<1.9", "1.8.1", true),
            ("<1.9", "1.21", false),
            (">=1.21", "1.21", true),
            ("=1.1.5", "1.1.5+ds1", true),
            ("*", "", false),
        ] {
            assert_eq!(is_of_version(&range(wanted), version), is_in, "{wanted} {version}");
        }
    }
}
