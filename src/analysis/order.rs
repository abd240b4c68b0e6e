//! Order: within a stream, where any inversion is a fault, and across the two streams.

use super::Findings;
use super::loss::Matched;
use super::truth::Truth;
use crun_capture_reactor::Stream;

/// Measures the order. `supposed`: there is no journal, and the supposed writes tell only the order within each stream.
pub(super) fn measure(truth: &Truth, supposed: bool, matched: &Matched, findings: &mut Findings) {
    for stream in Stream::BOTH {
        findings.stream_inversions += inversions(truth, matched, stream);
    }
    findings.cross_inversion_rate = if supposed { None } else { cross_inversion_rate(truth, matched) };
}

/// The number of lines of `stream` that arrived right after a line that was written later.
fn inversions(truth: &Truth, matched: &Matched, stream: Stream) -> u64 {
    // Nobody knows when a second writer wrote its lines.
    let of_stream = truth.lines.iter().zip(&matched.places);
    let of_stream = of_stream.filter(|(line, _)| line.stream == stream && line.written_ns.is_some());
    let mut arrivals: Vec<(usize, usize)> =
        of_stream.enumerate().filter_map(|(written, (_, place))| place.map(|place| (place, written))).collect();
    arrivals.sort_unstable();
    arrivals.windows(2).filter(|pair| pair[0].1 > pair[1].1).count() as u64
}

/// The fraction of the neighbours that arrived swapped. Neighbours are lines of consecutive writes on different
/// streams. Lines are compared, so that merged bytes count too.
fn cross_inversion_rate(truth: &Truth, matched: &Matched) -> Option<f64> {
    let (mut neighbours, mut swapped) = (0_u64, 0_u64);
    for at in 1..truth.lines.len() {
        let (before, after) = (&truth.lines[at - 1], &truth.lines[at]);
        if before.stream == after.stream || before.write == after.write {
            continue;
        }
        if let (Some(first), Some(second)) = (matched.places[at - 1], matched.places[at]) {
            neighbours += 1;
            swapped += u64::from(first > second);
        }
    }
    (neighbours > 0).then(|| swapped as f64 / neighbours as f64)
}
