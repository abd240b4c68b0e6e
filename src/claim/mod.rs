//! The claims of the spike: the words of each, the cells that test it, and the function that judges their findings.
//! Pure functions; no I/O.
//!
//! The spike is a design note for a Nomad task driver. It compared five ways of capturing the stdout and stderr of
//! `crun run`.
//!
//! A verdict is always computed from findings, never written by hand. Each report puts the spike's words beside what
//! was measured. A claim whose cells were not run is `not_measured`, and the reason says why.

mod architecture;
mod buffering;
mod conclusion;
mod current;
mod evidence;
mod finding;
mod memory;
mod rate;
mod recommendation;
mod table;
mod verification;

pub use evidence::{Evidence, Handles};
pub use rate::{INTERVAL_NS, TICKER};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// All claims, in the order of the spike's report.
pub static ALL: &[&[Claim]] = &[
    current::ALL,
    table::ALL,
    finding::ALL,
    recommendation::ALL,
    architecture::ALL,
    buffering::ALL,
    rate::ALL,
    memory::ALL,
    verification::ALL,
    conclusion::ALL,
];

/// Every claim, in the same order.
pub fn all() -> impl Iterator<Item = &'static Claim> {
    ALL.iter().copied().flatten()
}

/// One claim: a sentence of the spike, and how to judge it.
pub struct Claim {
    /// The id: the part of the spike that makes the claim, and its subject.
    pub id: &'static str,
    /// The spike's words.
    pub says: &'static str,
    /// The cells that test it, as `strategy/experiment/case`. `*` stands for every case.
    pub tried_by: &'static [&'static str],
    /// Judges the claim by the findings. The error says why no verdict is possible.
    pub judge: fn(&Evidence) -> Result<Judgement, String>,
}

/// The verdict on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is as the spike says.
    Confirmed,
    /// It is not as the spike says.
    Refuted,
    /// It is as the spike says, with a restriction that the spike does not mention.
    Qualified,
    /// It could not be tried here.
    NotMeasured,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Verdict; 4] = [Verdict::Confirmed, Verdict::Refuted, Verdict::Qualified, Verdict::NotMeasured];

    /// The name in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Confirmed => "confirmed",
            Verdict::Refuted => "refuted",
            Verdict::Qualified => "qualified",
            Verdict::NotMeasured => "not_measured",
        }
    }
}

/// A verdict, its reason and the numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The reason in one sentence, without its capital letter and full stop.
    pub why: String,
    /// What was measured.
    pub evidence: Map<String, Value>,
}

impl Judgement {
    fn new(verdict: Verdict, why: impl Into<String>) -> Judgement {
        Judgement { verdict, why: why.into(), evidence: Map::new() }
    }

    fn confirmed(why: impl Into<String>) -> Judgement {
        Judgement::new(Verdict::Confirmed, why)
    }

    fn refuted(why: impl Into<String>) -> Judgement {
        Judgement::new(Verdict::Refuted, why)
    }

    fn qualified(why: impl Into<String>) -> Judgement {
        Judgement::new(Verdict::Qualified, why)
    }

    /// Adds a number to the evidence.
    fn with(mut self, name: &str, value: impl Into<Value>) -> Judgement {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }
}

/// One claim with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// Its id.
    pub id: String,
    /// The spike's words.
    pub says: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The verdict on record in the repository, measured on crun; null for another runtime.
    pub recorded: Option<Verdict>,
    /// The reason, in one sentence.
    pub why: String,
    /// What was measured: times in ns, sizes in bytes.
    pub evidence: Map<String, Value>,
    /// The command that tries it again.
    pub repeat: String,
}

impl Tried {
    /// Whether the verdict differs from the recorded one. A claim that could not be measured here does not differ.
    pub fn differs(&self) -> bool {
        self.verdict != Verdict::NotMeasured && self.recorded.is_some_and(|recorded| recorded != self.verdict)
    }
}

impl Claim {
    /// Judges the claim. `options` go into the command that repeats it. `on_record` says whether the recorded verdict
    /// is about this runtime.
    pub fn tried(&self, evidence: &Evidence, options: &str, on_record: bool) -> Tried {
        let judged = (self.judge)(evidence);
        let judged = judged.unwrap_or_else(|reason| Judgement::new(Verdict::NotMeasured, reason));
        Tried {
            id: self.id.to_owned(),
            says: self.says.to_owned(),
            verdict: judged.verdict,
            recorded: recorded(self.id).filter(|_| on_record),
            why: judged.why,
            evidence: judged.evidence,
            repeat: format!("crun-capture claims {}{options}", self.id),
        }
    }

    /// Whether the claim needs this cell.
    pub fn needs(&self, strategy: &str, experiment: &str, case: &str) -> bool {
        self.tried_by.iter().any(|pattern| {
            let mut parts = pattern.split('/');
            parts.next() == Some(strategy)
                && parts.next() == Some(experiment)
                && parts.next().is_some_and(|wanted| wanted == "*" || wanted == case)
        })
    }
}

/// The verdict on record in the repository. It was measured on real crun.
fn recorded(id: &str) -> Option<Verdict> {
    static RECORDED: std::sync::LazyLock<std::collections::BTreeMap<String, Verdict>> =
        std::sync::LazyLock::new(|| {
            toml::from_str(include_str!("../../fixtures/verdicts.toml")).expect("a test reads the same text")
        });
    RECORDED.get(id).copied()
}

#[cfg(test)]
mod tests;
