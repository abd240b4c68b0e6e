//! Loss: lines and bytes that were accepted and not delivered, and lines that were duplicated, altered or made up.
//!
//! Stamped lines are identified by sequence number and checksum. Scripts of raw bytes are compared line by line, by the
//! shortest edit script, in the order of each stream (or of the writes, if the origin is merged).

use super::Findings;
use super::received::{Received, ReceivedLine};
use super::truth::{Key, Truth, TruthLine};
use crate::recording::Recording;
use crun_capture_reactor::{Origin, Stream};
use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::collections::{HashMap, HashSet, VecDeque};

/// The result of matching: which received line is which line of the truth, and what is left over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Matched {
    /// For each line of the truth: the place of its first delivery.
    pub(super) places: Vec<Option<usize>>,
    pub(super) lost_lines: u64,
    pub(super) lost_bytes: u64,
    pub(super) duplicated: u64,
    pub(super) altered: u64,
    pub(super) foreign: u64,
    pub(super) wrong_endings: u64,
    /// Lines that arrived, but not where they belong (raw scripts only). Their places show the inversions.
    pub(super) moved: u64,
}

pub(super) fn match_lines(truth: &Truth, received: &Received) -> Matched {
    let mut matched = Matched { places: vec![None; truth.lines.len()], ..Matched::default() };
    if truth.stamped {
        match_stamped(truth, received, &mut matched);
    } else if received.is_merged() {
        match_raw(truth, received, &mut matched, |_| true, |_| true);
    } else {
        for stream in Stream::BOTH {
            let of = |line: &TruthLine| line.stream == stream;
            match_raw(truth, received, &mut matched, of, |line| line.origin.stream() == Some(stream));
        }
    }
    matched
}

/// Records in the findings what was delivered.
pub(super) fn deliveries(matched: &Matched, findings: &mut Findings) {
    findings.lost_lines = matched.lost_lines;
    findings.lost_bytes = matched.lost_bytes;
    findings.duplicated_lines = matched.duplicated;
    findings.altered_lines = matched.altered;
    findings.foreign_lines = matched.foreign;
    findings.wrong_endings = matched.wrong_endings;
}

/// Records the loss of a capturer without a live descriptor. It counts, and what is missing from its counts is lost.
pub(super) fn counts(truth: &Truth, recording: &Recording, findings: &mut Findings) {
    // A capturer that gives no account has counted nothing.
    let Some(summary) = &recording.facts.summary else { return };
    let counted = [summary.stdout, summary.stderr, summary.merged];
    let accepted_lines = truth.accepted().count() as u64;
    let accepted_bytes: u64 = truth.accepted_bytes.iter().sum();
    let lines = |stream: Stream| truth.accepted().filter(|(_, line)| line.stream == stream).count() as u64;
    // What is counted for the other stream is missing from its own. A merged count belongs to both.
    let pairs: Vec<[(u64, u64); 2]> = if summary.merged.bytes > 0 {
        let [all_lines, all_bytes] = [counted.map(|one| one.lines), counted.map(|one| one.bytes)];
        vec![[(accepted_lines, all_lines.iter().sum()), (accepted_bytes, all_bytes.iter().sum())]]
    } else {
        let of = |stream: Stream| {
            let (tally, accepted) = (counted[stream.index()], truth.accepted_bytes[stream.index()]);
            [(lines(stream), tally.lines), (accepted, tally.bytes)]
        };
        Stream::BOTH.map(of).to_vec()
    };
    let missing = |at: usize| pairs.iter().map(|pair| pair[at].0.saturating_sub(pair[at].1)).sum();
    findings.lost_lines = missing(0);
    findings.lost_bytes = missing(1);
    findings.duplicated_lines = pairs.iter().map(|pair| pair[0].1.saturating_sub(pair[0].0)).sum();
    findings.unattributed_lines = summary.merged.lines;
}

/// Compares the files with what was accepted. If only one of the two files exists, the other counts as empty.
pub(super) fn files(truth: &Truth, recording: &Recording, findings: &mut Findings) {
    if recording.files.iter().all(Option::is_none) {
        return;
    }
    let mut total = Matched::default();
    for stream in Stream::BOTH {
        let bytes = recording.file(stream).unwrap_or_default();
        // A file may be emptied or continued. What was in it before is no output.
        let bytes = bytes.strip_prefix(recording.facts.file_had.as_bytes()).unwrap_or(bytes);
        let mut received =
            Received::of_file(Origin::from(stream), bytes, truth.seed).without(&recording.facts.runtime_errors);
        received.take_out(&recording.facts.script.background_lines());
        let of_stream = Truth {
            lines: truth.lines.iter().filter(|line| line.stream == stream).cloned().collect(),
            ..truth.clone()
        };
        let matched = match_lines(&of_stream, &received);
        total.lost_bytes += matched.lost_bytes;
        total.lost_lines += matched.lost_lines;
        total.duplicated += matched.duplicated;
        // If the runtime reports an error on stderr, the foreign lines are the runtime's. A final line feed that was made
        // up or left out is an alteration of the file.
        total.altered += matched.altered + matched.moved + matched.wrong_endings;
        total.foreign += matched.foreign;
    }
    let runtime_failed = !recording.facts.runtime_errors.is_empty();
    findings.file_lost_bytes = Some(total.lost_bytes);
    findings.file_lost_lines = Some(total.lost_lines);
    findings.file_duplicated_lines = Some(total.duplicated);
    findings.file_altered_lines = Some(total.altered + if runtime_failed { 0 } else { total.foreign });
}

fn match_stamped(truth: &Truth, received: &Received, matched: &mut Matched) {
    let by_sequence: HashMap<u64, usize> = truth
        .lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| match line.key {
            Key::Stamped(sequence) => Some((sequence, at)),
            Key::Raw(_) => None,
        })
        .collect();
    let mut unknown: Vec<&ReceivedLine> = Vec::new();
    for (place, line) in received.lines.iter().enumerate() {
        let known = match line.key {
            Key::Stamped(sequence) => by_sequence.get(&sequence).copied(),
            Key::Raw(_) => None,
        };
        match known {
            None => unknown.push(line),
            Some(at) if matched.places[at].is_some() => matched.duplicated += 1,
            Some(at) => {
                matched.places[at] = Some(place);
                matched.wrong_endings += u64::from(line.ending != truth.lines[at].ending);
            }
        }
    }
    let missing: Vec<&TruthLine> =
        truth.accepted().filter(|(at, _)| matched.places[*at].is_none()).map(|(_, line)| line).collect();
    let cut = truth.lines.iter().zip(&matched.places).filter(|(line, place)| line.cut && place.is_none()).count();
    settle(&missing, &unknown, cut, matched);
}

/// Pairs missing lines with unknown deliveries. Each pair is one altered line, and none of its bytes counts as lost. A
/// delivery that is still unknown may be the accepted part of one of the `cut` lines.
fn settle(missing: &[&TruthLine], unknown: &[&ReceivedLine], cut: usize, matched: &mut Matched) {
    let mut unpaired: Vec<Option<&ReceivedLine>> = unknown.iter().copied().map(Some).collect();
    for line in missing {
        let fits = |candidate: &ReceivedLine| candidate.origin.stream().is_none_or(|stream| stream == line.stream);
        let found = unpaired.iter_mut().find(|candidate| candidate.is_some_and(fits)).and_then(Option::take);
        match found {
            Some(_) => matched.altered += 1,
            None => {
                matched.lost_lines += 1;
                matched.lost_bytes += line.bytes;
            }
        }
    }
    matched.foreign += unpaired.iter().flatten().count().saturating_sub(cut) as u64;
}

/// The shortest edit script takes time and memory that grow with the square of the differences. So more lines than this
/// are matched by `nth_of_each`.
const DIFF_MAX_LINES: usize = 10_000;

/// For each wanted line, the place of its delivery: the n-th line with some bytes is matched with the n-th delivery of
/// these bytes. This takes one pass. It tells what is missing, but not which one of several equal lines.
fn nth_of_each(wanted: &[&Key], got: &[&Key]) -> Vec<Option<usize>> {
    let mut places: HashMap<&Key, VecDeque<usize>> = HashMap::new();
    for (place, key) in got.iter().enumerate() {
        places.entry(key).or_default().push_back(place);
    }
    wanted.iter().map(|key| places.get_mut(key)?.pop_front()).collect()
}

fn match_raw(
    truth: &Truth,
    received: &Received,
    matched: &mut Matched,
    of_truth: impl Fn(&TruthLine) -> bool,
    of_received: impl Fn(&ReceivedLine) -> bool,
) {
    // Cut lines take part too, because a delivery of their accepted part must not count as foreign.
    let wanted: Vec<(usize, &TruthLine)> =
        truth.lines.iter().enumerate().filter(|(_, line)| (line.accepted || line.cut) && of_truth(line)).collect();
    let got: Vec<(usize, &ReceivedLine)> =
        received.lines.iter().enumerate().filter(|(_, line)| of_received(line)).collect();
    let wanted_keys: Vec<&Key> = wanted.iter().map(|(_, line)| &line.key).collect();
    let got_keys: Vec<&Key> = got.iter().map(|(_, line)| &line.key).collect();
    let (mut missing, mut extra) = (Vec::new(), Vec::new());
    if wanted.len() + got.len() > DIFF_MAX_LINES {
        let found = nth_of_each(&wanted_keys, &got_keys);
        for ((at, line), place) in wanted.iter().zip(&found) {
            let Some(place) = *place else { continue };
            matched.places[*at] = Some(got[place].0);
            matched.wrong_endings += u64::from(got[place].1.ending != line.ending);
        }
        let taken: HashSet<usize> = found.iter().copied().flatten().collect();
        let known: HashSet<&Key> = wanted_keys.iter().copied().collect();
        let left = (0..got.len()).filter(|place| !taken.contains(place));
        let (again, foreign): (Vec<usize>, Vec<usize>) = left.partition(|&place| known.contains(got_keys[place]));
        matched.duplicated += again.len() as u64;
        let absent = wanted.iter().zip(&found).filter(|(_, place)| place.is_none()).map(|((_, line), _)| *line);
        let (absent, cut): (Vec<&TruthLine>, Vec<&TruthLine>) = absent.partition(|line| line.accepted);
        let foreign: Vec<&ReceivedLine> = foreign.into_iter().map(|place| got[place].1).collect();
        return settle(&absent, &foreign, cut.len(), matched);
    }
    for operation in capture_diff_slices(Algorithm::Myers, &wanted_keys, &got_keys) {
        if let DiffOp::Equal { old_index, new_index, len } = operation {
            for step in 0..len {
                let (at, line) = wanted[old_index + step];
                let (place, delivered) = got[new_index + step];
                matched.places[at] = Some(place);
                matched.wrong_endings += u64::from(delivered.ending != line.ending);
            }
            continue;
        }
        missing.extend(operation.old_range());
        extra.extend(operation.new_range());
    }
    // A line that is missing in one place and extra in another has moved.
    extra.retain(|&place| {
        let moved = missing.iter().position(|&at| wanted_keys[at] == got_keys[place]);
        if let Some(moved) = moved {
            let at = missing.remove(moved);
            matched.places[wanted[at].0] = Some(got[place].0);
            matched.moved += 1;
        }
        moved.is_none()
    });
    // An extra line that equals a wanted line is a duplicate of it.
    extra.retain(|&place| {
        let again = wanted_keys.contains(&got_keys[place]);
        matched.duplicated += u64::from(again);
        !again
    });
    let (missing, cut): (Vec<&TruthLine>, Vec<&TruthLine>) =
        missing.into_iter().map(|at| wanted[at].1).partition(|line| line.accepted);
    let extra: Vec<&ReceivedLine> = extra.into_iter().map(|place| got[place].1).collect();
    settle(&missing, &extra, cut.len(), matched);
}
