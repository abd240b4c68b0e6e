//! Verdicts follow from findings: opposite findings are planted, and every claim turns.

use super::*;
use crate::analysis::{Findings, Quantiles};
use crate::experiment::{self, Size};
use crate::recording::CellId;
use crate::script::Script;

fn latency(p50: u64) -> Option<Quantiles> {
    Some(Quantiles { p50, p90: p50, p99: 2 * p50, p999: None, max: 3 * p50 })
}

/// A cell in which all is well.
fn good(cell: &str, code: i32) -> Findings {
    // A runtime whose own failure is like no end of a program, and a start that fails itself.
    let code = match cell {
        _ if cell.ends_with("missing-config") => 255,
        _ if cell.ends_with("not-found") => 127,
        _ => code,
    };
    let block = cell.contains("/block-");
    let unbuffered = cell.contains("/unbuffered-");
    let letting_go = cell.ends_with("files/renamed") || cell.ends_with("files/removed");
    Findings {
        accepted_lines: 300,
        delivered_before_exit_fraction: Some(1.0),
        latency_ns: latency(10_000),
        due_latency_ns: latency(if block {
            10_000_000
        } else if unbuffered {
            1_000
        } else {
            10_000
        }),
        exit_expected: code,
        exit_reported: Some(code),
        signal: cell.ends_with("signal-term").then_some(15),
        exit_latency_ns: Some(1_000_000),
        workload_started: Some(true),
        workload_survived: Some(!cell.contains("front-killed")),
        workload_stalled_ns: Some(0),
        workload_writes: Some(if unbuffered {
            1_500
        } else if block {
            10
        } else {
            300
        }),
        workload_writing_ns: Some(if block { 1_000_000 } else { 10_000_000 }),
        prompt_held: cell.ends_with("/prompt").then_some(false),
        cross_inversion_rate: Some(0.0),
        file_lost_bytes: Some(u64::from(letting_go)),
        file_lost_lines: Some(0),
        file_altered_lines: Some(0),
        max_rss_bytes: Some(3 << 20),
        memory_growth_bytes: Some(0),
        wall_ns: 10_000_000,
        ..Findings::default()
    }
}

/// The same where all is wrong.
fn bad(cell: &str, code: i32) -> Findings {
    let synced = cell.starts_with("task-log/file-system");
    let letting_go = cell.ends_with("files/renamed") || cell.ends_with("files/removed");
    Findings {
        delivered_before_exit_fraction: Some(0.0),
        latency_ns: None,
        due_latency_ns: latency(if synced { 1_000_000 } else { 20_000 }),
        deadline_hit: true,
        lost_bytes: 100,
        lost_lines: 1,
        altered_lines: 2,
        unattributed_lines: 3,
        exit_reported: Some(99),
        signal: None,
        exit_latency_ns: Some(5_000_000_000),
        workload_started: Some(true),
        workload_survived: Some(cell.contains("front-killed") || cell.starts_with("file/")),
        workload_stalled_ns: Some(2_000_000_000),
        workload_writes: Some(300),
        workload_writing_ns: Some(10_000_000),
        prompt_held: cell.ends_with("/prompt").then_some(true),
        cross_inversion_rate: Some(0.5),
        file_lost_bytes: if letting_go { Some(0) } else { None },
        file_lost_lines: if letting_go { Some(0) } else { None },
        file_altered_lines: Some(2).filter(|_| !letting_go).or(Some(0)),
        memory_growth_bytes: Some(100 << 20),
        wall_ns: 3_000_000_000,
        ..good(cell, code)
    }
}

/// All cells of a pattern.
fn cells(pattern: &str) -> Vec<(CellId, i32)> {
    let [strategy, name, wanted] = <[&str; 3]>::try_from(pattern.split('/').collect::<Vec<_>>()).unwrap();
    let experiment = experiment::find(name).unwrap_or_else(|| panic!("{pattern}"));
    let size = Size { seed: 7, quick: true, syncs_each_line: false };
    let cases = (experiment.cases)(size).into_iter().filter(|case| wanted == "*" || case.name == wanted);
    let found: Vec<_> = cases
        .map(|case| {
            let [runtime, strategy, experiment] = ["crun", strategy, name].map(str::to_owned);
            (CellId { runtime, strategy, experiment, case: case.name.clone(), run: 0 }, code(&case.script))
        })
        .collect();
    assert!(!found.is_empty(), "{pattern} names no case");
    found
}

fn code(script: &Script) -> i32 {
    match script.end {
        crate::script::End::Exit(code) => i32::from(code),
        crate::script::End::Signal(number) => 128 + number,
        crate::script::End::Abort => 134,
    }
}

type Make = fn(&str, i32) -> Findings;

/// Evidence for one claim; the cells of the pattern `other` are made otherwise.
fn world(claim: &Claim, make: Make, other: Option<(&str, Make)>) -> Evidence {
    let mut evidence = Evidence::default();
    for pattern in claim.tried_by {
        let make = other.filter(|(other, _)| other == pattern).map_or(make, |(_, make)| make);
        for (id, code) in cells(pattern) {
            let name = format!("{}/{}/{}", id.strategy, id.experiment, id.case);
            evidence.add(&id, make(&name, code));
        }
    }
    let is_good = std::ptr::fn_addr_eq(make, good as Make);
    evidence.compiled = Some(if is_good { Ok(()) } else { Err("main.go:1:1: no".into()) });
    evidence.handles = Some(Handles { captures: 1, before: 5, after: if is_good { 5 } else { 6 } });
    evidence
}

#[test]
fn opposite_findings_turn_every_verdict() {
    for claim in all() {
        let [well, wrong] = [good as Make, bad].map(|make| claim.tried(&world(claim, make, None), "", true));
        assert_ne!(well.verdict, wrong.verdict, "{}: {} / {}", claim.id, well.why, wrong.why);
        for tried in [&well, &wrong] {
            assert_ne!(tried.verdict, Verdict::NotMeasured, "{}: {}", claim.id, tried.why);
            assert!(tried.why.len() > 10 && !tried.why.ends_with('.'), "{}", tried.why);
        }
    }
}

#[test]
fn every_cell_of_a_claim_matters() {
    let nothing: Make = |_, _| Findings::default();
    for claim in all() {
        let well = claim.tried(&world(claim, good, None), "", true);
        for pattern in claim.tried_by {
            let changed = [bad, nothing].map(|make| claim.tried(&world(claim, good, Some((pattern, make))), "", true));
            assert!(changed.iter().any(|tried| *tried != well), "{} does not look at {pattern}", claim.id);
        }
    }
}

#[test]
fn what_was_not_run_is_not_measured_and_says_so() {
    for claim in all().filter(|claim| !claim.tried_by.is_empty()) {
        let tried = claim.tried(&Evidence::default(), "", true);
        assert_eq!(tried.verdict, Verdict::NotMeasured, "{}", claim.id);
        assert!(tried.why.contains("was not run"), "{}", tried.why);
    }
    let compiles = all().find(|claim| claim.id == "arch/code-compiles").unwrap();
    assert_eq!(compiles.tried(&Evidence::default(), "", true).verdict, Verdict::NotMeasured);
}

#[test]
fn a_cell_that_cannot_be_tried_here_gives_its_reason() {
    let claim = all().find(|claim| claim.id == "finding/4-kill").unwrap();
    let mut evidence = Evidence::default();
    evidence.miss(&cells("scanner/death/front-killed")[0].0, "without a runtime there is no front process");
    let tried = claim.tried(&evidence, "", true);
    assert_eq!(tried.verdict, Verdict::NotMeasured);
    assert!(tried.why.contains("no front process"), "{}", tried.why);
    assert!(!tried.differs(), "what cannot be tried differs from nothing");
}

#[test]
fn each_sentence_of_the_spike_has_one_id_and_a_verdict_on_record() {
    let ids: Vec<&str> = all().map(|claim| claim.id).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len());
    assert_eq!(ids.iter().filter(|id| id.starts_with("table/")).count(), 15, "five methods, three columns");
    assert_eq!(ids.len(), 45);
    for id in ids {
        assert!(recorded(id).is_some_and(|verdict| verdict != Verdict::NotMeasured), "{id} has no verdict on record");
    }
}
