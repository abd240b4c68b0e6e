//! Real failures, one sentence each: captures that lost or altered output, hung, or killed the program, as issue
//! trackers report them.

use serde::Deserialize;
use std::sync::LazyLock;

/// A real failure.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RealFailure {
    /// The places that report it, as experiments name them.
    pub sources: Vec<String>,
    /// What happened, or what a capturer has to do.
    pub what: String,
    /// Why no experiment tries it yet. Empty if one does.
    #[serde(default)]
    pub open: String,
}

impl RealFailure {
    /// Whether `source` reports it.
    pub fn is_from(&self, source: &str) -> bool {
        self.sources.iter().any(|own| own == source)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    failure: Vec<RealFailure>,
}

static ALL: LazyLock<Vec<RealFailure>> = LazyLock::new(|| {
    let list: List = toml::from_str(include_str!("../../fixtures/failures.toml")).expect("a test reads the same text");
    list.failure
});

/// All real failures, grouped by what goes wrong.
pub fn failures() -> &'static [RealFailure] {
    &ALL
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment;

    fn tried(failure: &RealFailure) -> bool {
        experiment::ALL.iter().any(|one| one.sources.iter().any(|source| failure.is_from(source)))
    }

    #[test]
    fn most_real_failures_are_tried_and_the_others_say_why_not() {
        let (tried, open): (Vec<_>, Vec<_>) = failures().iter().partition(|failure| tried(failure));
        // The list has 53 failures of captures, and four related ones at its end.
        assert!(failures().len() >= 57 && tried.len() >= 45 + 4, "{} of {}", tried.len(), failures().len());
        for failure in open {
            assert!(!failure.open.is_empty(), "no experiment comes from {:?}", failure.sources);
        }
        for failure in tried {
            assert!(failure.open.is_empty(), "an experiment comes from {:?} by now", failure.sources);
        }
    }

    #[test]
    fn every_tracker_that_an_experiment_names_is_in_the_list() {
        for experiment in experiment::ALL {
            for source in experiment.sources.iter().filter(|source| source.contains('#')) {
                assert!(failures().iter().any(|failure| failure.is_from(source)), "{}: {source}", experiment.name);
            }
        }
    }

    #[test]
    fn no_failure_is_told_twice() {
        let mut sources: Vec<&String> = failures().iter().flat_map(|failure| &failure.sources).collect();
        let count = sources.len();
        sources.sort();
        sources.dedup();
        assert_eq!(sources.len(), count);
    }
}
