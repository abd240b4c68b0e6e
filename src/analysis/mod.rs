//! Analysis: computes the findings of a recording. Pure functions of script, journal and recording; no I/O.

mod attribution;
mod cost;
mod exit;
mod findings;
mod latency;
mod loss;
mod order;
mod outside;
mod received;
mod threshold;
mod told;
mod truth;

pub use findings::{Findings, Quantiles};
pub use threshold::{DRAIN_NS, END_NS, LIVE_FRACTION, LIVE_MIN, MEMORY_GROWTH_MAX_BYTES, SOON_NS, STALLED_NS};

use crate::recording::Recording;
use crate::script::journal::Journal;
use crun_capture_reactor::{Delivered, Stream};
use loss::Matched;
use received::Received;
use truth::Truth;

/// A recording, in which what arrived is matched with what was written.
struct Matching {
    /// The lines of each stream by itself.
    apart: Truth,
    /// The lines for a reader that cannot tell the streams apart, if that makes a difference.
    merged: Option<Truth>,
    received: Received,
    matched: Matched,
    background_lines: u64,
}

impl Matching {
    fn of(recording: &Recording) -> Matching {
        let script = &recording.facts.script;
        // A program of the host keeps no journal. Its output is known, and all of it must arrive.
        let supposed = recording.facts.program.then(|| Journal::supposed(script));
        let journal = recording.journal.as_ref().or(supposed.as_ref());
        let apart = Truth::of(script, journal, &recording.facts.forced_errors);
        let mut received = Received::of(&recording.deliveries, &recording.stamps, script.seed)
            .without(&recording.facts.runtime_errors);
        let background_lines = received.take_out(&script.background_lines());
        let merged = received.is_merged().then(|| apart.merged(script, journal)).flatten();
        let matched = loss::match_lines(merged.as_ref().unwrap_or(&apart), &received);
        Matching { apart, merged, received, matched, background_lines }
    }

    /// The truth that the deliveries are compared with.
    fn truth(&self) -> &Truth {
        self.merged.as_ref().unwrap_or(&self.apart)
    }
}

/// What became of one line that the kernel accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// The stream it was written to.
    pub stream: Stream,
    /// When it was written. None: the writer kept no journal.
    pub written_ns: Option<u64>,
    /// When it was delivered. None: it was not.
    pub delivered_ns: Option<u64>,
    /// Whether it arrived before the line of the other stream that was written just before it.
    pub swapped: bool,
}

/// What became of each accepted line, in the order of the writes. Empty if the capturer only counted.
pub fn fates(recording: &Recording) -> Vec<Fate> {
    if !recording.facts.live {
        return Vec::new();
    }
    let matching = Matching::of(recording);
    let (truth, places) = (matching.truth(), &matching.matched.places);
    let swapped = |at: usize| {
        let before = at.checked_sub(1).filter(|&before| truth.lines[before].stream != truth.lines[at].stream);
        before.and_then(|before| Some(places[before]? > places[at]?)).unwrap_or(false)
    };
    let fate = |(at, line): (usize, &truth::TruthLine)| Fate {
        stream: line.stream,
        written_ns: line.written_ns,
        delivered_ns: places[at].map(|place| matching.received.lines[place].at_ns),
        swapped: swapped(at),
    };
    truth.accepted().map(fate).collect()
}

/// All findings of one recording.
pub fn findings(recording: &Recording) -> Findings {
    let matching = Matching::of(recording);
    let (truth, received, matched) = (matching.truth(), &matching.received, &matching.matched);
    let accepted_lines = truth.accepted().count() as u64;
    let mut findings = Findings { background_lines: matching.background_lines, accepted_lines, ..Findings::default() };
    findings.refused_lines = matching.apart.lines.iter().filter(|line| line.refused).count() as u64;
    findings.deliveries = recording.deliveries.len() as u64;
    let bytes = |delivered: &Delivered| (delivered.bytes.len() + delivered.ending.terminator().len()) as u64;
    findings.delivered_bytes = recording.deliveries.iter().map(bytes).sum();
    if recording.facts.live {
        loss::deliveries(matched, &mut findings);
        attribution::measure(truth, received, matched, &mut findings);
        order::measure(truth, recording.facts.program, matched, &mut findings);
        if !recording.facts.program {
            latency::measure(recording, truth, received, matched, &mut findings);
        }
        findings.prompt_held = latency::prompt_held(recording);
        findings.impossible_stamps = latency::impossible_stamps(recording, truth, received, matched);
        findings.held_lines = latency::held_lines(recording, truth, received, matched);
    } else {
        loss::counts(truth, recording, &mut findings);
    }
    loss::files(&matching.apart, recording, &mut findings);
    exit::measure(recording, &mut findings);
    outside::measure(recording, &mut findings);
    told::measure(recording, matched, truth, &mut findings);
    cost::measure(recording, &mut findings);
    findings
}

#[cfg(test)]
mod tests;
