//! Latency: the time from the write of a line to its receipt, and the time from when it was due.

use super::loss::Matched;
use super::received::Received;
use super::truth::{Key, Truth, TruthLine};
use super::{Findings, LIVE_FRACTION, Quantiles, SOON_NS};
use crate::recording::Recording;
use crate::script::Step;
use hdrhistogram::Histogram;

/// With fewer values p99.9 would be one of the ten largest, so it is not given.
const P999_MIN: u64 = 10_000;

pub(super) fn measure(
    recording: &Recording,
    truth: &Truth,
    received: &Received,
    matched: &Matched,
    findings: &mut Findings,
) {
    findings.first_delivery_ns = match (truth.first_write_ns, received.lines.first()) {
        (Some(written), Some(line)) => Some(line.at_ns.saturating_sub(written)),
        _ => None,
    };
    let delivered = || truth.lines.iter().zip(&matched.places).filter_map(|(line, place)| Some((line, (*place)?)));
    let total = delivered().count();
    // The journal tells when the writing ended, however late the harness saw the end of the process.
    let played_ns = recording.journal.as_ref().map(|journal| journal.ended_ns).filter(|&ended_ns| ended_ns != 0);
    let ended_ns = played_ns.or(recording.facts.init_ended_ns).unwrap_or(recording.facts.capturer_ended_ns);
    let before = |place: usize| received.lines[place].at_ns <= ended_ns;
    let soon = |line: &TruthLine, place: usize| {
        line.written_ns.is_some_and(|written_ns| received.lines[place].at_ns <= written_ns + SOON_NS)
    };
    let early = delivered().filter(|(_, place)| before(*place)).count();
    let live = delivered().filter(|(line, place)| before(*place) || soon(line, *place)).count();
    findings.live_fraction = (total > 0).then(|| live as f64 / total as f64);
    findings.delivered_before_exit_fraction = (total > 0).then(|| early as f64 / total as f64);
    if findings.delivered_before_exit_fraction.is_none_or(|fraction| fraction <= LIVE_FRACTION) {
        return;
    }
    let since_write =
        delivered().filter_map(|(line, place)| Some(received.lines[place].at_ns.saturating_sub(line.written_ns?)));
    findings.latency_ns = quantiles(since_write);
    let by_itself = delivered().filter_map(|(line, place)| {
        let stamped_ns = received.lines[place].stamped_ns?;
        Some(stamped_ns.saturating_sub(line.written_ns?))
    });
    findings.self_latency_ns = quantiles(by_itself);
    let since_due = delivered().filter_map(|(_, place)| {
        let line = &received.lines[place];
        Some(line.at_ns.saturating_sub(line.stamp?.due_ns))
    });
    findings.due_latency_ns = quantiles(since_due);
}

/// The number of the capturer's own stamps that cannot be: before the line's write, or after its arrival here.
pub(super) fn impossible_stamps(recording: &Recording, truth: &Truth, received: &Received, matched: &Matched) -> u64 {
    let pairs = recording.deliveries.iter().zip(&recording.stamps);
    let late = pairs.filter(|(delivered, stamp)| stamp.is_some_and(|stamp| stamp > delivered.at_ns)).count();
    // Equal lines may stand for each other, so only lines that differ from all others have a write of their own.
    let lines = truth.lines.iter().zip(&matched.places).filter(|(line, _)| matches!(line.key, Key::Stamped(_)));
    let early = lines.filter(|(line, place)| {
        let stamped_ns = place.and_then(|place| received.lines[place].stamped_ns);
        stamped_ns.zip(line.written_ns).is_some_and(|(stamped_ns, written_ns)| stamped_ns < written_ns)
    });
    (late + early.count()) as u64
}

/// Whether an unterminated line had not arrived when the workload, which waits for an answer to it, wrote on. None: the
/// script does not begin with such a line.
pub(super) fn prompt_held(recording: &Recording) -> Option<bool> {
    let [Step::Write { data, .. }, Step::Wait { .. }, ..] = recording.facts.script.steps.as_slice() else {
        return None;
    };
    let prompt = data.to_bytes().filter(|bytes| !bytes.ends_with(b"\n"))?;
    let answered_ns = recording.journal.as_ref()?.writes.get(1)?.before_ns;
    let early = recording.deliveries.iter().filter(|delivered| delivered.at_ns <= answered_ns);
    let arrived: usize = early.map(|delivered| delivered.bytes.len()).sum();
    Some(arrived < prompt.len())
}

/// The number of lines that had not arrived when the workload, which waits for each line to arrive, wrote the next one.
/// None: the workload does not wait.
pub(super) fn held_lines(recording: &Recording, truth: &Truth, received: &Received, matched: &Matched) -> Option<u64> {
    if !recording.facts.script.is_one_at_a_time() {
        return None;
    }
    let next_ns = |at: usize| truth.lines.get(at + 1).and_then(|next| next.written_ns);
    let held = |(at, _): &(usize, &TruthLine)| {
        let arrived_ns = matched.places[*at].map(|place| received.lines[place].at_ns);
        next_ns(*at).is_some_and(|next_ns| arrived_ns.is_none_or(|arrived_ns| arrived_ns > next_ns))
    };
    Some(truth.accepted().filter(held).count() as u64)
}

fn quantiles(values: impl Iterator<Item = u64>) -> Option<Quantiles> {
    let mut histogram = Histogram::<u64>::new(3).expect("three digits are a valid precision");
    for value in values {
        histogram.record(value).expect("the histogram grows with its values");
    }
    let at = |quantile| histogram.value_at_quantile(quantile);
    (!histogram.is_empty()).then(|| Quantiles {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: (histogram.len() >= P999_MIN).then(|| at(0.999)),
        max: histogram.max(),
    })
}
