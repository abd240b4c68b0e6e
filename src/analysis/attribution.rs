//! Attribution: whether a line was delivered as one of the stream that it was written to.

use super::Findings;
use super::loss::Matched;
use super::received::Received;
use super::truth::Truth;

pub(super) fn measure(truth: &Truth, received: &Received, matched: &Matched, findings: &mut Findings) {
    let mut seen = [false; 2];
    for (line, place) in truth.lines.iter().zip(&matched.places) {
        let Some(place) = place else { continue };
        match received.lines[*place].origin.stream() {
            None => findings.unattributed_lines += 1,
            Some(stream) if stream == line.stream => seen[stream.index()] = true,
            Some(_) => findings.misattributed_lines += 1,
        }
    }
    findings.attributed_streams = seen.into_iter().filter(|seen| *seen).count() as u64;
}
