//! Recommendations: which strategies do what the user needs, by measurement, and why the others do not.

use super::verdict::CellResult;
use super::{Comparison, Figures, Row};
use super::{duty, rule};
use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A known kind of program, and what it needs.
pub struct Use {
    /// The name of the kind.
    pub name: &'static str,
    /// One line that says what it is.
    pub summary: &'static str,
    /// The capabilities that it needs.
    pub needs: &'static [Capability],
}

/// All known kinds.
pub const USES: &[Use] = &[Use {
    name: "nomad-driver",
    summary: "a Nomad task driver: logs as they come, each stream by itself, on disk, and tasks that outlive the driver",
    needs: &[Capability::Live, Capability::Apart, Capability::File, Capability::SurvivesDeath],
}];

/// A recommendation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// The capabilities that were asked for.
    pub needs: Vec<Capability>,
    /// The runtime on which it was measured.
    pub runtime: String,
    /// The strategies. Those that meet the needs come first, the cheapest of them at the top; then the spike's
    /// recommendation, then the others.
    pub candidates: Vec<Candidate>,
}

/// One strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The name of the strategy.
    pub strategy: String,
    /// Whether the spike, a design note for a Nomad task driver, recommends it.
    pub recommended_by_spike: bool,
    /// Whether it was measured to do all that is needed.
    pub meets: bool,
    /// The needed capabilities that it lacks, each with a cell that shows it.
    pub missing: Vec<Shown>,
    /// The findings that break a duty, each with a cell that shows it.
    pub broken_duties: Vec<Shown>,
    /// The capabilities that were not asked for and that it was measured not to have.
    pub cannot: Vec<Shown>,
    /// What it takes in time, CPU and memory. Of those that meet the needs, the one with the smallest `cpu_ratio` is the
    /// cheapest.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Something that a strategy does not do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// The capability, or the finding that breaks a duty.
    pub what: String,
    /// The cell that shows it; null if no cell of the run tries it.
    pub cell: Option<String>,
    /// The reason, if it is known.
    pub why: Option<String>,
}

impl Recommendation {
    /// Recommends by the results on the first runtime of a comparison.
    pub fn new(comparison: &Comparison, needs: &[Capability]) -> Recommendation {
        let runtime = comparison.rows.first().map(|row| row.runtime.clone()).unwrap_or_default();
        let rows = comparison.rows.iter().filter(|row| row.runtime == runtime);
        let mut candidates: Vec<Candidate> = rows.map(|row| candidate(row, comparison, needs)).collect();
        candidates.sort_by_key(Candidate::rank);
        Recommendation { needs: needs.to_vec(), runtime, candidates }
    }

    /// The cheapest strategy that does what is needed and breaks no duty. None: there is none.
    pub fn winner(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|one| one.meets && one.broken_duties.is_empty())
    }
}

impl Candidate {
    /// What the CPU time is ranked by: its ratio to the control's in the same rounds, in millionths, then the time
    /// itself. What was not measured comes last.
    fn price(&self) -> (u64, u64) {
        let ratio = self.figures.cpu_ratio.map_or(u64::MAX, |ratio| (ratio * 1e6) as u64);
        (ratio, self.figures.cpu_ns_a_line.unwrap_or(u64::MAX))
    }

    /// The sort key for the order of `Recommendation::candidates`.
    fn rank(&self) -> (bool, bool, bool, usize, (u64, u64)) {
        (
            !self.meets,
            !self.broken_duties.is_empty() && self.meets,
            !self.meets && !self.recommended_by_spike,
            self.missing.len(),
            self.price(),
        )
    }
}

fn candidate(row: &Row, comparison: &Comparison, needs: &[Capability]) -> Candidate {
    let own: Vec<&CellResult> =
        comparison.cells.iter().filter(|cell| cell.runtime == row.runtime && cell.strategy == row.strategy).collect();
    let has = |capability: Capability| {
        row.capabilities.iter().find(|state| state.capability == capability).and_then(|state| state.measured)
    };
    let missing: Vec<Shown> =
        needs.iter().filter(|&&need| has(need) != Some(true)).map(|&need| lacks(need, &own)).collect();
    let cannot = Capability::ALL.into_iter().filter(|one| !needs.contains(one) && has(*one) == Some(false));
    Candidate {
        strategy: row.strategy.clone(),
        recommended_by_spike: row.recommended,
        meets: missing.is_empty(),
        broken_duties: broken_duties(&own),
        cannot: cannot.map(|capability| lacks(capability, &own)).collect(),
        missing,
        figures: row.figures,
    }
}

/// A capability that a strategy lacks, with the cell that shows it.
fn lacks(capability: Capability, own: &[&CellResult]) -> Shown {
    let shows_not = |cell: &&&CellResult| {
        let findings = cell.findings.as_ref();
        cell.tries.contains(&capability) && findings.and_then(|found| rule::shows(capability, found)) == Some(false)
    };
    let cell = own.iter().find(shows_not);
    Shown {
        what: capability.name().to_owned(),
        cell: cell.map(|cell| cell.id.clone()),
        why: cell.and_then(|cell| cell.reason.clone()),
    }
}

/// The findings that break a duty by the strategy's own fault, each once.
fn broken_duties(own: &[&CellResult]) -> Vec<Shown> {
    let mut broken: Vec<Shown> = Vec::new();
    for cell in own.iter().filter(|cell| duty::is_to_blame(cell)) {
        for finding in cell.broken.iter().filter(|finding| duty::duty_of(**finding).is_some()) {
            if !broken.iter().any(|shown| shown.what == finding.name()) {
                broken.push(Shown {
                    what: finding.name().to_owned(),
                    cell: Some(cell.id.clone()),
                    why: cell.reason.clone(),
                });
            }
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(count: usize) -> Vec<Shown> {
        vec![Shown { what: "lost_bytes".to_owned(), cell: None, why: None }; count]
    }

    fn candidate(strategy: &str, missing: usize, broken: usize, cost: Option<u64>) -> Candidate {
        Candidate {
            strategy: strategy.to_owned(),
            recommended_by_spike: strategy == "spike's",
            meets: missing == 0,
            missing: shown(missing),
            broken_duties: shown(broken),
            cannot: Vec::new(),
            figures: Figures { cpu_ratio: cost.map(|ns| ns as f64), ..Figures::default() },
        }
    }

    #[test]
    fn the_cheapest_that_breaks_nothing_is_first_and_the_spikes_is_answered_next() {
        let in_order = [
            candidate("cheap", 0, 0, Some(1)),
            candidate("dear", 0, 0, Some(2)),
            candidate("not measured", 0, 0, None),
            candidate("breaks a duty", 0, 1, Some(0)),
            candidate("spike's", 2, 1, Some(9)),
            candidate("lacks one", 1, 1, Some(3)),
            candidate("lacks one, dearer", 1, 0, Some(4)),
            candidate("lacks two", 2, 0, Some(0)),
        ];
        let mut candidates = in_order.to_vec();
        candidates.reverse();
        candidates.sort_by_key(Candidate::rank);
        assert_eq!(candidates, in_order);
        let first = |candidates: &[Candidate]| {
            let found = Recommendation { needs: vec![], runtime: "fake".to_owned(), candidates: candidates.to_vec() };
            found.winner().map(|one| one.strategy.clone())
        };
        assert_eq!(first(&candidates).as_deref(), Some("cheap"));
        assert_eq!(first(&candidates[3..]), None, "a strategy that breaks a duty is not recommended");
    }
}
