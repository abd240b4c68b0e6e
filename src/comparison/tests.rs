//! Each finding breaks its duty or declared capability, and nothing else does.

use super::*;
use crate::analysis::Findings;
use crate::strategy::Capability;

fn capturer(declares: &[Capability]) -> CapturerInfo {
    CapturerInfo { name: "any".into(), declares: declares.to_vec(), said: None, recommended: false }
}

fn sound() -> Findings {
    Findings { exit_reported: Some(0), ..Findings::default() }
}

#[track_caller]
fn check(declares: &[Capability], change: impl Fn(&mut Findings), expected: &[&str]) {
    let mut findings = sound();
    change(&mut findings);
    assert_eq!(broken(&findings, &capturer(declares), true), expected);
}

#[test]
fn a_sound_run_breaks_nothing() {
    check(&Capability::ALL, |_| {}, &[]);
}

#[test]
fn duties_hold_for_everybody() {
    check(&[], |found| found.lost_bytes = 1, &["lost_bytes"]);
    check(&[], |found| found.duplicated_lines = 1, &["duplicated_lines"]);
    check(&[], |found| found.altered_lines = 1, &["altered_lines"]);
    check(&[], |found| found.foreign_lines = 1, &["foreign_lines"]);
    check(&[], |found| found.misattributed_lines = 1, &["misattributed_lines"]);
    check(&[], |found| found.stream_inversions = 1, &["stream_inversions"]);
    check(&[], |found| found.exit_reported = Some(1), &["exit_reported"]);
    check(&[], |found| found.exit_reported = None, &["exit_reported"]);
    check(&[], |found| found.left_behind = 1, &["left_behind"]);
    check(&[], |found| found.protocol_error = Some("x".into()), &["protocol_error"]);
    check(&[], |found| found.runtime_error = Some("x".into()), &["runtime_error"]);
    check(&[], |found| found.runtime_error_expected = true, &["runtime_error"]);
}

#[test]
fn a_loss_that_is_told_is_no_silent_loss() {
    check(&[], |found| (found.lost_bytes, found.truncated) = (9, true), &[]);
}

#[test]
fn at_the_deadline_there_is_no_status_to_be_wrong() {
    check(&[], |found| (found.deadline_hit, found.exit_reported) = (true, None), &["deadline_hit"]);
}

#[test]
fn the_words_of_a_runtime_that_failed_are_not_made_up() {
    let failed = |found: &mut Findings| {
        found.runtime_error = Some("no config.json".into());
        found.runtime_error_expected = true;
        (found.exit_expected, found.exit_reported, found.foreign_lines) = (1, Some(1), 2);
    };
    check(&[], failed, &[]);
}

#[test]
fn capabilities_hold_for_those_who_declare_them() {
    type Case = (Capability, fn(&mut Findings), &'static str);
    let cases: [Case; 6] = [
        (Capability::File, |found| found.file_lost_bytes = Some(1), "file_lost_bytes"),
        (Capability::File, |found| found.file_altered_lines = Some(1), "file_altered_lines"),
        (Capability::Live, |found| found.delivered_before_exit_fraction = Some(0.1), "delivered_before_exit_fraction"),
        (Capability::Apart, |found| found.unattributed_lines = 1, "unattributed_lines"),
        (Capability::Order, |found| found.cross_inversion_rate = Some(0.01), "cross_inversion_rate"),
        (Capability::ExactBytes, |found| found.wrong_endings = 1, "wrong_endings"),
    ];
    for (capability, change, name) in cases {
        check(&[capability], change, &[name]);
        check(&[], change, &[]);
    }
}

#[test]
fn only_a_paced_script_can_be_late() {
    let late = Findings { delivered_before_exit_fraction: Some(0.0), ..sound() };
    assert!(broken(&late, &capturer(&[Capability::Live]), false).is_empty());
}
