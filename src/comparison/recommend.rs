//! Which strategies do what somebody needs, by measurement, and why the others do not.

use super::rule;
use super::verdict::{CellResult, Verdict};
use super::{Comparison, Row};
use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a known kind of program needs.
pub struct Use {
    /// Its name.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// What it needs.
    pub needs: &'static [Capability],
}

/// All of them.
pub const USES: &[Use] = &[Use {
    name: "nomad-driver",
    summary: "a task driver of Nomad: logs as they come, each stream by itself, on disk, and tasks that outlive the driver",
    needs: &[Capability::Live, Capability::Apart, Capability::File, Capability::SurvivesDeath],
}];

/// The experiment by which the cost is told: lines of 100 bytes.
const COST: &str = "throughput";

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// What was asked for.
    pub needs: Vec<Capability>,
    /// On which runtime it was measured.
    pub runtime: String,
    /// Those that meet it come first, the cheapest of them at the top; then the spike's recommendation, then the others.
    pub candidates: Vec<Candidate>,
}

/// One strategy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Its name.
    pub strategy: String,
    /// Whether the spike recommends it.
    pub recommended_by_spike: bool,
    /// Whether it was measured to do all that is needed.
    pub meets: bool,
    /// What it does not do of that, and where it was seen.
    pub missing: Vec<Shown>,
    /// Duties that it breaks all the same, each with a cell that shows it.
    pub broken_duties: Vec<Shown>,
    /// Capabilities that were not asked for and that it was measured not to have.
    pub cannot: Vec<Shown>,
    /// CPU time of the capturer for a line of 100 bytes.
    pub cpu_ns_a_line: Option<u64>,
    /// Its peak resident set.
    pub max_rss_bytes: Option<u64>,
    /// Median of write(2) to receipt.
    pub latency_p50_ns: Option<u64>,
}

/// Something that a strategy does not do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// The capability, or the finding that breaks a duty.
    pub what: String,
    /// The cell that shows it; null where no cell of the run tries it.
    pub cell: Option<String>,
    /// Why, where that is known.
    pub why: Option<String>,
}

impl Recommendation {
    /// From the first runtime of a comparison.
    pub fn new(comparison: &Comparison, needs: &[Capability]) -> Recommendation {
        let runtime = comparison.rows.first().map(|row| row.runtime.clone()).unwrap_or_default();
        let rows = comparison.rows.iter().filter(|row| row.runtime == runtime);
        let mut candidates: Vec<Candidate> = rows.map(|row| candidate(row, comparison, needs)).collect();
        candidates.sort_by_key(|one| {
            let cost = one.cpu_ns_a_line.unwrap_or(u64::MAX);
            (
                !one.meets,
                !one.broken_duties.is_empty() && one.meets,
                !one.meets && !one.recommended_by_spike,
                one.missing.len(),
                cost,
            )
        });
        Recommendation { needs: needs.to_vec(), runtime, candidates }
    }

    /// The cheapest that does what is needed and breaks no duty; None where there is none.
    pub fn winner(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|one| one.meets && one.broken_duties.is_empty())
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
    let measured = own.iter().filter(|cell| cell.experiment == COST).filter_map(|cell| cell.findings.as_ref());
    let cost = measured
        .filter_map(|found| Some((found.cpu_user_ns? + found.cpu_system_ns?) / found.accepted_lines.max(1)))
        .next_back();
    Candidate {
        strategy: row.strategy.clone(),
        recommended_by_spike: row.recommended,
        meets: missing.is_empty(),
        broken_duties: broken_duties(&own),
        cannot: cannot.map(|capability| lacks(capability, &own)).collect(),
        missing,
        cpu_ns_a_line: cost,
        max_rss_bytes: row.max_rss_bytes,
        latency_p50_ns: row.latency_p50_ns,
    }
}

/// Where it shows that a strategy does not have a capability.
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

/// Each finding by which a duty is broken, once.
fn broken_duties(own: &[&CellResult]) -> Vec<Shown> {
    let mut broken: Vec<Shown> = Vec::new();
    for cell in own.iter().filter(|cell| cell.verdict == Verdict::Fail) {
        for finding in cell.broken.iter().filter(|name| rule::is_duty(name)) {
            if !broken.iter().any(|shown| shown.what == *finding) {
                broken.push(Shown { what: finding.clone(), cell: Some(cell.id.clone()), why: cell.reason.clone() });
            }
        }
    }
    broken
}
