//! A fault that is planted in a recording gives exactly the finding for that fault.

use super::*;
use crate::experiment::ExpectedEnd;
use crate::recording::{CellId, Facts};
use crate::script::journal::{Journal, Write};
use crate::script::line::{StampedLine, encode};
use crate::script::{Content, Data, End, Lines, Script, Step};
use crun_capture_reactor::{Delivered, Ending, Exit, Origin, Stream};
use proptest::prelude::*;

/// The recording of a perfect capturer: write k of `script` begins at 1,000 k ns, takes 10 ns, and arrives 100 ns after
/// it began.
fn perfect(script: Script) -> Recording {
    let (mut writes, mut deliveries) = (Vec::new(), Vec::new());
    for (at, (stream, content)) in script.contents().into_iter().enumerate() {
        let before_ns = 1_000 * (at as u64 + 1);
        let mut bytes = Vec::new();
        match content {
            Content::Raw(raw) => bytes = raw,
            Content::Lines { first, count, length } => {
                for sequence in first..first + count {
                    let line = StampedLine { stream, sequence, stamp_ns: before_ns, due_ns: before_ns - 50, length };
                    encode(&line, script.seed, &mut bytes);
                    bytes.push(b'\n');
                }
            }
        }
        let accepted = bytes.len() as u64;
        writes.push(Write { stream, before_ns, after_ns: before_ns + 10, offered: accepted, accepted, errno: 0 });
        for (line, ending) in crun_capture_reactor::lines(&bytes) {
            let origin = Origin::from(stream);
            deliveries.push(Delivered::new(origin, line, ending, before_ns + 100));
        }
    }
    let ended_ns = 1_000 * (writes.len() as u64 + 2);
    let id = |part: &str| part.to_owned();
    Recording {
        facts: Facts {
            id: CellId { runtime: id("r"), strategy: id("s"), experiment: id("e"), case: id("c"), run: 0 },
            expected: ExpectedEnd { code: 0, runtime_error: false, starts: true, may_be_refused: false },
            live: true,
            placement: "unpinned".into(),
            started_ns: 1,
            init_ended_ns: Some(ended_ns),
            capturer_ended_ns: ended_ns + 500,
            capturer_exit: Some(Exit::Code(0)),
            summary: None,
            runtime_errors: Vec::new(),
            deadline_hit: false,
            left_behind: Vec::new(),
            left_elsewhere: Vec::new(),
            stop: None,
            pids_limit: None,
            threads: None,
            syscalls: None,
            protocol_error: None,
            program: false,
            stimulus: None,
            notes: Vec::new(),
            forced_errors: Vec::new(),
            file_had: String::new(),
            crowded: None,
            stimulus_error: None,
            capturer_cpu_ns: None,
            waited: None,
            diagnostics_bytes: 0,
            capturer_rss_bytes: None,
            memory_at_gate_bytes: None,
            memory_after_gate_bytes: None,
            file_owner: None,
            file_owner_changed: None,
            script,
        },
        journal: Some(Journal { pid: 1, started_ns: 1, ended_ns, overflow: false, writes }),
        stamps: Vec::new(),
        deliveries,
        files: [None, None],
    }
}

fn in_turn(count: u64) -> Script {
    Script::new(3, End::Exit(0)).then(Step::Lines(Lines::fast(&Stream::BOTH, count, 80)))
}

fn raw(bytes: &[u8]) -> Script {
    let write = Step::Write { stream: Stream::Stdout, data: Data::bytes(bytes), piece_bytes: None };
    Script::new(3, End::Exit(0)).then(write)
}

/// The faults in the content. Everything else must be as it is without the fault.
#[derive(Debug, Default, PartialEq, Eq)]
struct Faults {
    lost: u64,
    duplicated: u64,
    altered: u64,
    foreign: u64,
    endings: u64,
    misattributed: u64,
    unattributed: u64,
    inversions: u64,
}

fn faults(recording: &Recording) -> Faults {
    let found = findings(recording);
    assert_eq!(found.lost_lines == 0, found.lost_bytes == 0, "a lost line has lost bytes");
    Faults {
        lost: found.lost_lines,
        duplicated: found.duplicated_lines,
        altered: found.altered_lines,
        foreign: found.foreign_lines,
        endings: found.wrong_endings,
        misattributed: found.misattributed_lines,
        unattributed: found.unattributed_lines,
        inversions: found.stream_inversions,
    }
}

fn any_script() -> impl proptest::strategy::Strategy<Value = Script> {
    let raw_lines = prop::collection::vec("[a-c]{0,3}\r?", 1..12)
        .prop_map(|lines| raw(lines.iter().map(|line| format!("{line}\n")).collect::<String>().as_bytes()));
    prop_oneof![(2..60_u64).prop_map(in_turn), raw_lines]
}

proptest! {
    #[test]
    fn the_fate_of_each_line_is_told(count in 2..60_u64, lost in 0..60_usize) {
        let mut recording = perfect(in_turn(count));
        let whole = fates(&recording);
        prop_assert!(whole.iter().all(|fate| fate.delivered_ns.is_some() && !fate.swapped));
        prop_assert_eq!(whole.len() as u64, count);
        let lost = lost % recording.deliveries.len();
        recording.deliveries.remove(lost);
        let missing: Vec<usize> = (0..whole.len()).filter(|&at| fates(&recording)[at].delivered_ns.is_none()).collect();
        prop_assert_eq!(missing, vec![lost]);
        let mut swapped = perfect(in_turn(count));
        swapped.deliveries.swap(0, 1);
        prop_assert_eq!(fates(&swapped).iter().filter(|fate| fate.swapped).count(), 1);
    }

    #[test]
    fn a_perfect_recording_has_no_fault(script in any_script()) {
        prop_assert_eq!(faults(&perfect(script)), Faults::default());
    }

    #[test]
    fn pieces_are_no_fault(script in any_script(), cut in 0..5_usize) {
        let mut recording = perfect(script);
        recording.deliveries = recording.deliveries.into_iter().flat_map(|whole| {
            let (first, rest) = whole.bytes.split_at(cut.min(whole.bytes.len()));
            let piece = Delivered { bytes: first.to_vec(), ending: Ending::Partial, ..whole.clone() };
            [piece, Delivered { bytes: rest.to_vec(), ..whole }]
        }).collect();
        prop_assert_eq!(faults(&recording), Faults::default());
    }

    #[test]
    fn a_dropped_line_is_lost(count in 1..60_u64, at: prop::sample::Index) {
        let mut recording = perfect(in_turn(count));
        recording.deliveries.remove(at.index(count as usize));
        prop_assert_eq!(faults(&recording), Faults { lost: 1, ..Faults::default() });
        prop_assert_eq!(findings(&recording).lost_bytes, 81);
    }

    #[test]
    fn a_repeated_line_is_duplicated(count in 1..60_u64, at: prop::sample::Index) {
        let mut recording = perfect(in_turn(count));
        let again = recording.deliveries[at.index(count as usize)].clone();
        recording.deliveries.push(again);
        prop_assert_eq!(faults(&recording), Faults { duplicated: 1, ..Faults::default() });
    }

    #[test]
    fn a_changed_byte_is_an_altered_line(count in 1..60_u64, at: prop::sample::Index, byte in 0..80_usize) {
        let mut recording = perfect(in_turn(count));
        recording.deliveries[at.index(count as usize)].bytes[byte] ^= 0x11;
        prop_assert_eq!(faults(&recording), Faults { altered: 1, ..Faults::default() });
    }

    #[test]
    fn a_made_up_line_is_foreign(count in 1..60_u64, at: prop::sample::Index) {
        let mut recording = perfect(in_turn(count));
        let line = Delivered { bytes: b"hello".to_vec(), ..recording.deliveries[0].clone() };
        recording.deliveries.insert(at.index(count as usize), line);
        prop_assert_eq!(faults(&recording), Faults { foreign: 1, ..Faults::default() });
    }

    #[test]
    fn a_wrong_label_is_misattributed(count in 1..60_u64, at: prop::sample::Index) {
        let mut recording = perfect(in_turn(count));
        let delivered = &mut recording.deliveries[at.index(count as usize)];
        delivered.origin = if delivered.origin == Origin::Stdout { Origin::Stderr } else { Origin::Stdout };
        prop_assert_eq!(faults(&recording), Faults { misattributed: 1, ..Faults::default() });
    }

    #[test]
    fn merged_lines_are_unattributed_and_not_wrong(count in 1..60_u64) {
        let mut recording = perfect(in_turn(count));
        recording.deliveries.iter_mut().for_each(|delivered| delivered.origin = Origin::Merged);
        prop_assert_eq!(faults(&recording), Faults { unattributed: count, ..Faults::default() });
    }

    #[test]
    fn two_lines_of_a_stream_swapped_are_an_inversion(count in 3..60_usize, at: prop::sample::Index) {
        let mut recording = perfect(in_turn(count as u64));
        let at = at.index(count - 2);
        recording.deliveries.swap(at, at + 2);
        prop_assert_eq!(faults(&recording).inversions, 1);
        prop_assert_eq!(faults(&recording).lost, 0);
    }

    #[test]
    fn a_shuffled_recording_has_exactly_the_inversions_of_its_order(
        order in Just((0..40_usize).collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut recording = perfect(in_turn(order.len() as u64));
        let lines = std::mem::take(&mut recording.deliveries);
        recording.deliveries = order.iter().map(|&at| lines[at].clone()).collect();
        // Even lines are stdout's and odd ones stderr's.
        let descents = |stream: usize| {
            let own: Vec<usize> = order.iter().copied().filter(|at| at % 2 == stream).collect();
            own.windows(2).filter(|pair| pair[0] > pair[1]).count() as u64
        };
        let inversions = descents(0) + descents(1);
        prop_assert_eq!(faults(&recording), Faults { inversions, ..Faults::default() });
        let place = |line: usize| order.iter().position(|&at| at == line).unwrap();
        let swapped = (1..order.len()).filter(|&line| place(line - 1) > place(line)).count();
        let rate = findings(&recording).cross_inversion_rate.unwrap();
        prop_assert!((rate - swapped as f64 / (order.len() as f64 - 1.0)).abs() < 1e-9);
    }

    #[test]
    fn swapped_neighbours_are_counted_across_streams(count in 2..60_usize, at: prop::sample::Index) {
        let mut recording = perfect(in_turn(count as u64));
        let at = at.index(count - 1);
        recording.deliveries.swap(at, at + 1);
        prop_assert_eq!(faults(&recording), Faults::default());
        let rate = findings(&recording).cross_inversion_rate.unwrap();
        prop_assert!((rate - 1.0 / (count as f64 - 1.0)).abs() < 1e-9, "{}", rate);
    }

    #[test]
    fn raw_lines_are_compared_byte_for_byte(at in 0..4_usize) {
        let lines = [&b"one\r"[..], b"two", b"", b"\xff\0"];
        let bytes = lines.join(&b'\n');
        let mut recording = perfect(raw(&bytes));
        prop_assert_eq!(faults(&recording), Faults::default());
        recording.deliveries[at].bytes.push(b'!');
        prop_assert_eq!(faults(&recording), Faults { altered: 1, ..Faults::default() });
        recording.deliveries.remove(at);
        prop_assert_eq!(faults(&recording).lost, 1);
    }
}

#[test]
fn a_stripped_carriage_return_is_an_altered_line_and_a_told_one_is_not() {
    let mut recording = perfect(raw(b"one\r\ntwo\n"));
    recording.deliveries[0].bytes.pop();
    assert_eq!(faults(&recording), Faults { altered: 1, ..Faults::default() });
    recording.deliveries[0].ending = Ending::Crlf;
    assert_eq!(faults(&recording), Faults::default());
}

#[test]
fn a_made_up_final_newline_is_a_wrong_ending() {
    let mut recording = perfect(raw(b"one\ntwo"));
    assert_eq!(recording.deliveries[1].ending, Ending::None);
    recording.deliveries[1].ending = Ending::Lf;
    assert_eq!(faults(&recording), Faults { endings: 1, ..Faults::default() });
}

#[test]
fn merged_bytes_are_compared_in_the_order_of_the_writes() {
    let write = |stream, bytes: &[u8]| Step::Write { stream, data: Data::bytes(bytes), piece_bytes: None };
    let script = Script::new(3, End::Exit(0))
        .then(write(Stream::Stdout, b"one\ntwo"))
        .then(write(Stream::Stderr, b"three\nfour"));
    let mut recording = perfect(script);
    assert_eq!(faults(&recording), Faults::default());
    let merged = |bytes: &[u8], ending, at_ns| Delivered::new(Origin::Merged, bytes, ending, at_ns);
    recording.deliveries = vec![
        merged(b"one", Ending::Lf, 1_100),
        merged(b"twothree", Ending::Lf, 2_100),
        merged(b"four", Ending::None, 2_100),
    ];
    assert_eq!(faults(&recording), Faults { unattributed: 3, ..Faults::default() });
    recording.deliveries.remove(1);
    assert_eq!(faults(&recording), Faults { lost: 1, unattributed: 2, ..Faults::default() });
}

#[test]
fn raw_lines_that_moved_are_inversions() {
    let mut recording = perfect(raw(b"one\ntwo\nthree\n"));
    recording.deliveries.swap(0, 1);
    assert_eq!(faults(&recording), Faults { inversions: 1, ..Faults::default() });
    recording.deliveries.push(recording.deliveries[2].clone());
    assert_eq!(faults(&recording), Faults { inversions: 1, duplicated: 1, ..Faults::default() });
}

#[test]
fn what_the_kernel_did_not_accept_is_not_lost() {
    let mut recording = perfect(in_turn(4));
    recording.deliveries.truncate(2);
    assert_eq!(faults(&recording).lost, 2);
    let writes = &mut recording.journal.as_mut().unwrap().writes;
    (writes[2].accepted, writes[2].errno) = (0, libc::EPIPE);
    assert_eq!(faults(&recording).lost, 1);
    recording.journal.as_mut().unwrap().writes.truncate(3);
    assert_eq!(faults(&recording), Faults::default());
}

#[test]
fn a_line_that_was_accepted_in_part_may_come_or_not() {
    let mut recording = perfect(raw(b"one\ntwo\n"));
    recording.journal.as_mut().unwrap().writes[0].accepted = 6;
    recording.deliveries[1] =
        Delivered { bytes: b"tw".to_vec(), ending: Ending::None, ..recording.deliveries[1].clone() };
    assert_eq!(faults(&recording).lost, 0);
    recording.deliveries.pop();
    assert_eq!(faults(&recording), Faults::default());
}

#[test]
fn latency_is_receipt_minus_write_and_receipt_minus_due() {
    let recording = perfect(in_turn(20));
    let found = findings(&recording);
    assert_eq!(found.latency_ns.unwrap().p50, 100);
    assert_eq!(found.due_latency_ns.unwrap().max, 150);
    assert_eq!((found.latency_ns.unwrap().p999, found.first_delivery_ns), (None, Some(100)));
    assert_eq!(found.delivered_before_exit_fraction, Some(1.0));
    assert_eq!((found.exit_latency_ns, found.drain_latency_ns), (Some(500), Some(0)));
}

#[test]
fn what_is_delivered_at_the_exit_has_no_latency_to_compare() {
    let mut recording = perfect(in_turn(20));
    let ended_ns = recording.facts.init_ended_ns.unwrap();
    let mut at = |late_ns| {
        recording.deliveries.iter_mut().for_each(|delivered| delivered.at_ns = ended_ns + late_ns);
        findings(&recording)
    };
    let found = at(2 * SOON_NS);
    assert_eq!((found.latency_ns, found.due_latency_ns), (None, None));
    assert_eq!((found.delivered_before_exit_fraction, found.drain_latency_ns), (Some(0.0), Some(2 * SOON_NS)));
    let found = at(7);
    assert_eq!((found.delivered_before_exit_fraction, found.live_fraction), (Some(0.0), Some(1.0)), "soon is live");
}

#[test]
fn a_blocked_write_is_a_stall_whether_it_returned_or_not() {
    let mut recording = perfect(in_turn(2));
    assert_eq!(findings(&recording).workload_stalled_ns, Some(0));
    let writes = &mut recording.journal.as_mut().unwrap().writes;
    writes[0].after_ns = writes[0].before_ns + 3_000_000;
    writes[1].after_ns = 0;
    recording.facts.capturer_ended_ns = writes[1].before_ns + 5_000_000;
    assert_eq!(findings(&recording).workload_stalled_ns, Some(8_000_000));
}

#[test]
fn files_are_held_against_what_was_accepted() {
    let mut recording = perfect(in_turn(4));
    assert_eq!(findings(&recording).file_lost_bytes, None);
    let file = |stream: Stream| -> Vec<u8> {
        let of = recording.deliveries.iter().filter(|delivered| delivered.origin == Origin::from(stream));
        of.flat_map(|delivered| [delivered.bytes.as_slice(), b"\n"].concat()).collect()
    };
    let files = [Some(file(Stream::Stdout)), Some(file(Stream::Stderr))];
    recording.files = files.clone();
    let found = findings(&recording);
    assert_eq!((found.file_lost_bytes, found.file_altered_lines), (Some(0), Some(0)));
    recording.files[0].as_mut().unwrap().truncate(81);
    assert_eq!(findings(&recording).file_lost_bytes, Some(81));
    recording.files = files.clone();
    recording.files[1].as_mut().unwrap()[60] ^= 1;
    assert_eq!(findings(&recording).file_altered_lines, Some(1));
    recording.files = [None, files[1].clone()];
    assert_eq!(findings(&recording).file_lost_lines, Some(2));
}

#[test]
fn a_capturer_that_counts_is_held_to_its_counts() {
    let mut recording = perfect(in_turn(10));
    recording.facts.live = false;
    recording.deliveries.clear();
    let mut summary = crate::capturer::Summary::default();
    (summary.stdout.lines, summary.stdout.bytes) = (5, 405);
    (summary.stderr.lines, summary.stderr.bytes) = (4, 324);
    // What a capturer says of the time makes it no faster.
    (summary.cpu_user_ns, summary.exit_at_ns) = (Some(9), Some(1_001));
    recording.facts.capturer_ended_ns = 1_000 + 1_000_000;
    recording.facts.summary = Some(summary);
    let found = findings(&recording);
    assert_eq!((found.lost_lines, found.lost_bytes, found.cpu_user_ns), (1, 81, Some(9)));
    assert_eq!(found.throughput_bytes_per_s, Some(729_000));
}
