//! Findings: what a recording shows. Pure functions of script, journal and recording; no I/O.

mod attribution;
mod cost;
mod exit;
mod findings;
mod latency;
mod loss;
mod order;
mod received;
mod truth;

pub use findings::{Findings, Quantiles};
pub use latency::LIVE_FRACTION;

use crate::recording::Recording;
use received::Received;
use truth::Truth;

/// All findings of one recording.
pub fn findings(recording: &Recording) -> Findings {
    let (script, journal) = (&recording.facts.script, recording.journal.as_ref());
    let apart = Truth::of(script, journal);
    let received = Received::of(&recording.deliveries, script.seed).without(&recording.facts.runtime_errors);
    let merged = received.is_merged().then(|| apart.merged(script, journal)).flatten();
    let truth = merged.as_ref().unwrap_or(&apart);
    let matched = loss::match_lines(truth, &received);
    let mut findings = Findings::default();
    if recording.facts.live {
        loss::deliveries(&matched, &mut findings);
        attribution::measure(truth, &received, &matched, &mut findings);
        order::measure(truth, &matched, &mut findings);
        latency::measure(recording, truth, &received, &matched, &mut findings);
    } else {
        loss::counts(truth, recording, &mut findings);
    }
    loss::files(&apart, recording, &mut findings);
    exit::measure(recording, &mut findings);
    cost::measure(recording, &mut findings);
    findings
}

#[cfg(test)]
mod tests;
