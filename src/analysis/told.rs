//! What the capturer's account says of lost output, held against what was lost.

use super::Findings;
use super::loss::Matched;
use super::truth::Truth;
use crate::recording::Recording;
use crun_capture_reactor::Stream;

/// Measures after the loss and the files, whose findings it reads.
pub(super) fn measure(recording: &Recording, matched: &Matched, truth: &Truth, findings: &mut Findings) {
    let Some(summary) = &recording.facts.summary else { return };
    let figures = [summary.stdout.lost_bytes, summary.stderr.lost_bytes];
    let merged = summary.merged.lost_bytes.unwrap_or(0);
    // A figure of 0 beside a loss is a silent loss, and `lost_bytes` says so.
    if figures.iter().any(Option::is_some) || merged > 0 {
        findings.told_lost_bytes = Some(figures.iter().flatten().sum::<u64>() + merged);
        if recording.facts.live && findings.told_lost_bytes > Some(0) && findings.altered_lines == 0 {
            findings.told_wrong_bytes = Some(wrong_bytes(figures, merged, matched, truth));
        }
    }
    let told = summary.truncated || findings.told_lost_bytes.is_some_and(|bytes| bytes > 0);
    let whole = findings.lost_bytes == 0 && findings.refused_bytes == 0 && findings.file_loss_told.is_none();
    findings.false_alarm = told && whole && !findings.deadline_hit && findings.altered_lines == 0;
}

/// How far the figures are from what was lost of each stream. A stream without a figure is not held. A capturer that merges
/// the streams has one figure.
fn wrong_bytes(told: [Option<u64>; 2], merged: u64, matched: &Matched, truth: &Truth) -> u64 {
    let lost = Stream::BOTH.map(|stream| {
        let missing = truth.accepted().filter(|(at, line)| line.stream == stream && matched.places[*at].is_none());
        missing.map(|(_, line)| line.bytes).sum::<u64>()
    });
    if merged > 0 {
        return (told.iter().flatten().sum::<u64>() + merged).abs_diff(lost.iter().sum());
    }
    told.iter().zip(lost).filter_map(|(told, lost)| Some(told.as_ref()?.abs_diff(lost))).sum()
}
