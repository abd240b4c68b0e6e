//! Findings: what a recording shows. Pure functions of script, journal and recording; no I/O.

mod attribution;
mod cost;
mod exit;
mod findings;
mod latency;
mod loss;
mod order;
mod outside;
mod received;
mod truth;

pub use findings::{Findings, Quantiles};
pub use latency::LIVE_FRACTION;

use crate::recording::Recording;
use crate::script::journal::Journal;
use received::Received;
use truth::Truth;

/// All findings of one recording.
pub fn findings(recording: &Recording) -> Findings {
    let script = &recording.facts.script;
    // A program of the host's keeps no journal. What it writes is known, and all of it is to arrive.
    let supposed = recording.facts.program.then(|| Journal::supposed(script));
    let journal = recording.journal.as_ref().or(supposed.as_ref());
    let apart = Truth::of(script, journal);
    let mut received = Received::of(&recording.deliveries, script.seed).without(&recording.facts.runtime_errors);
    let background_lines = received.take_out(&script.background_lines());
    let merged = received.is_merged().then(|| apart.merged(script, journal)).flatten();
    let truth = merged.as_ref().unwrap_or(&apart);
    let matched = loss::match_lines(truth, &received);
    let accepted_lines = truth.accepted().count() as u64;
    let mut findings = Findings { background_lines, accepted_lines, ..Findings::default() };
    if recording.facts.live {
        loss::deliveries(&matched, &mut findings);
        attribution::measure(truth, &received, &matched, &mut findings);
        order::measure(truth, recording.facts.program, &matched, &mut findings);
        if !recording.facts.program {
            latency::measure(recording, truth, &received, &matched, &mut findings);
        }
        findings.prompt_held = latency::prompt_held(recording);
    } else {
        loss::counts(truth, recording, &mut findings);
    }
    loss::files(&apart, recording, &mut findings);
    exit::measure(recording, &mut findings);
    outside::measure(recording, &mut findings);
    cost::measure(recording, &mut findings);
    findings
}

#[cfg(test)]
mod tests;
