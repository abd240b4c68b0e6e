//! Each finding breaks its duty or declared capability, and nothing else does.

use super::*;
use crate::analysis::Findings;
use crate::experiment::ExpectedEnd;
use crate::finding::{About, Finding};
use crate::limit::LowLimit;
use crate::recording::{CapturerInfo, Planned};
use crate::strategy::Capability;

fn capturer(declares: &[Capability]) -> CapturerInfo {
    CapturerInfo { name: "any".into(), declares: declares.to_vec(), said: None, recommended: false, control: false }
}

fn sound() -> Findings {
    Findings { exit_reported: Some(0), ..Findings::default() }
}

/// A cell that tries everything.
fn planned() -> Planned {
    let [runtime, strategy, experiment, case] = ["r", "any", "e", "c"].map(str::to_owned);
    Planned {
        id: CellId { runtime, strategy, experiment, case, run: 0 },
        expected: Ok(ExpectedEnd { code: 0, runtime_error: false, starts: true, may_be_refused: false }),
        paced: true,
        tries: Capability::ALL.to_vec(),
        drains: false,
        forces_loss: false,
        excused: Vec::new(),
        excused_because: None,
    }
}

#[track_caller]
fn check(declares: &[Capability], change: impl Fn(&mut Findings), expected: &[Finding]) {
    check_of(&planned(), declares, change, expected);
}

#[track_caller]
fn check_of(planned: &Planned, declares: &[Capability], change: impl Fn(&mut Findings), expected: &[Finding]) {
    let mut findings = sound();
    change(&mut findings);
    assert_eq!(rule::judge(&findings, &capturer(declares), planned).broken, expected);
}

#[test]
fn a_sound_run_breaks_nothing() {
    check(&Capability::ALL, |_| {}, &[]);
}

/// A cell that tries nothing, so that only duties count.
fn plain() -> Planned {
    Planned { tries: Vec::new(), paced: false, ..planned() }
}

#[test]
fn duties_hold_for_everybody() {
    type Case = (fn(&mut Findings), Finding);
    let cases: [Case; 16] = [
        (|found| found.lost_bytes = 1, Finding::LostBytes),
        (|found| found.refused_bytes = 1, Finding::RefusedBytes),
        (|found| found.told_wrong_bytes = Some(1), Finding::ToldWrongBytes),
        (|found| found.false_alarm = true, Finding::FalseAlarm),
        (|found| found.duplicated_lines = 1, Finding::DuplicatedLines),
        (|found| found.altered_lines = 1, Finding::AlteredLines),
        (|found| found.foreign_lines = 1, Finding::ForeignLines),
        (|found| found.misattributed_lines = 1, Finding::MisattributedLines),
        (|found| found.impossible_stamps = 1, Finding::ImpossibleStamps),
        (|found| found.stream_inversions = 1, Finding::StreamInversions),
        (|found| found.exit_reported = Some(1), Finding::ExitReported),
        (|found| found.exit_reported = None, Finding::ExitReported),
        (|found| found.left_behind = 1, Finding::LeftBehind),
        (|found| found.protocol_error = Some("x".into()), Finding::ProtocolError),
        (|found| found.runtime_error = Some("x".into()), Finding::RuntimeError),
        (|found| found.runtime_error_expected = true, Finding::RuntimeError),
    ];
    for (change, finding) in cases {
        check_of(&plain(), &[], change, &[finding]);
        check_of(&plain(), &Capability::ALL, change, &[finding]);
    }
}

#[test]
fn whoever_declares_nothing_still_has_every_duty_but_those_of_what_it_cannot() {
    let of = |change: fn(&mut Findings)| {
        let mut findings = sound();
        change(&mut findings);
        rule::judge(&findings, &capturer(&[]), &planned())
    };
    let lost = of(|found| (found.lost_bytes, found.refused_bytes) = (1, 1));
    assert_eq!(lost.broken, []);
    assert!(lost.cannot.contains(&Capability::AnyLine) && lost.cannot.contains(&Capability::AnyWrite));
    for (change, finding) in [
        ((|found| found.deadline_hit = true) as fn(&mut Findings), Finding::DeadlineHit),
        (|found| found.exit_reported = Some(1), Finding::ExitReported),
        (|found| found.altered_lines = 1, Finding::AlteredLines),
        (|found| found.left_behind = 1, Finding::LeftBehind),
    ] {
        assert_eq!(of(change).broken, [finding], "a hang, a wrong status, an alteration and leftovers always count");
    }
}

#[test]
fn only_force_excuses_a_loss_and_only_if_it_is_told() {
    let told = |found: &mut Findings| (found.lost_bytes, found.truncated) = (9, true);
    let silent = |found: &mut Findings| found.lost_bytes = 9;
    check_of(&plain(), &[], told, &[Finding::LostBytes]);
    let forced = Planned { forces_loss: true, ..plain() };
    check_of(&forced, &[], told, &[]);
    check_of(&forced, &[], silent, &[Finding::LostBytes]);
    let mut findings = sound();
    told(&mut findings);
    assert!(rule::judge(&findings, &capturer(&[]), &forced).told);
    assert!(!rule::judge(&findings, &capturer(&[]), &plain()).told);
}

#[test]
fn who_does_not_end_after_the_program_or_delivers_a_record_a_byte_is_caught() {
    let ends_after = |ms: u64| move |found: &mut Findings| found.exit_latency_ns = Some(ms * 1_000_000);
    check(&[], ends_after(1_700), &[Finding::ExitLatencyNs]);
    check(&[], ends_after(1_400), &[]);
    let drains = Planned { drains: true, ..planned() };
    check_of(&drains, &[], ends_after(1_700), &[]);
    check_of(&drains, &[], ends_after(2_500), &[Finding::ExitLatencyNs]);
    check(&[], |found| (found.deliveries, found.delivered_bytes) = (1_000, 1_000), &[Finding::Deliveries]);
    check(&[], |found| (found.deliveries, found.delivered_bytes) = (1_000, 100_000), &[]);
}

#[test]
fn at_the_deadline_there_is_no_status_to_be_wrong() {
    check(&[], |found| (found.deadline_hit, found.exit_reported) = (true, None), &[Finding::DeadlineHit]);
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
    type Case = (Capability, fn(&mut Findings), Finding);
    let cases: [Case; 12] = [
        (Capability::File, |found| found.file_lost_bytes = Some(1), Finding::FileLostBytes),
        (Capability::File, |found| found.file_altered_lines = Some(1), Finding::FileAlteredLines),
        (
            Capability::Live,
            |found| found.delivered_before_exit_fraction = Some(0.1),
            Finding::DeliveredBeforeExitFraction,
        ),
        (Capability::Apart, |found| found.unattributed_lines = 1, Finding::UnattributedLines),
        (Capability::Order, |found| found.cross_inversion_rate = Some(0.01), Finding::CrossInversionRate),
        (Capability::ExactBytes, |found| found.wrong_endings = 1, Finding::WrongEndings),
        (Capability::Prompts, |found| found.prompt_held = Some(true), Finding::PromptHeld),
        (Capability::FreeFlow, |found| found.workload_stalled_ns = Some(900_000_000), Finding::WorkloadStalledNs),
        (Capability::SurvivesDeath, |found| found.workload_survived = Some(false), Finding::WorkloadSurvived),
        (Capability::Live, |found| (found.held_lines, found.accepted_lines) = (Some(4), 5), Finding::HeldLines),
        (Capability::BoundedMemory, |found| found.memory_growth_bytes = Some(20 << 20), Finding::MemoryGrowthBytes),
        (Capability::File, |found| found.file_owner_changed = Some(true), Finding::FileOwnerChanged),
    ];
    for (capability, change, finding) in cases {
        let tries = Planned { tries: vec![capability], ..planned() };
        check_of(&tries, &[capability], change, &[finding]);
        check_of(&tries, &[], change, &[]);
    }
}

#[test]
fn what_a_case_does_not_try_it_does_not_break() {
    let nothing = Planned { tries: Vec::new(), paced: false, ..planned() };
    let late = |found: &mut Findings| {
        found.delivered_before_exit_fraction = Some(0.0);
        found.workload_stalled_ns = Some(900_000_000);
    };
    check_of(&nothing, &Capability::ALL, late, &[]);
}

#[test]
fn what_a_stimulus_excuses_is_not_held_against_anybody() {
    let excused = Planned { excused: vec![Finding::LostBytes, Finding::LeftBehind], ..planned() };
    let change = |found: &mut Findings| (found.lost_bytes, found.left_behind, found.duplicated_lines) = (1, 1, 1);
    check_of(&excused, &[], change, &[Finding::DuplicatedLines]);
}

#[test]
fn a_file_that_nobody_could_keep_is_to_be_told_of() {
    let excused = vec![Finding::FileLostBytes, Finding::FileAlteredLines];
    let full = Planned { excused, ..planned() };
    let untold = |found: &mut Findings| (found.file_lost_bytes, found.file_loss_told) = (Some(9), Some(false));
    check_of(&full, &[Capability::File], untold, &[Finding::FileLossTold]);
    check_of(&full, &[], untold, &[]);
    let told = |found: &mut Findings| (found.file_lost_bytes, found.file_loss_told) = (Some(9), Some(true));
    check_of(&full, &[Capability::File], told, &[]);
}

#[test]
fn a_capturer_may_refuse_where_it_is_let_and_nowhere_else() {
    let refused = |found: &mut Findings| (found.exit_reported, found.workload_started) = (Some(125), Some(false));
    check(&[], refused, &[Finding::WorkloadStarted, Finding::ExitReported]);
    let mut may = planned();
    may.expected = may.expected.map(|end| ExpectedEnd { may_be_refused: true, ..end });
    check_of(&may, &[], refused, &[]);
    check_of(&may, &[], |found| found.exit_reported = Some(125), &[Finding::ExitReported]);
    let silent = |found: &mut Findings| found.workload_started = Some(false);
    check_of(&may, &[], silent, &[Finding::WorkloadStarted]);
}

#[test]
fn what_is_held_against_something_has_a_rule_and_the_reverse() {
    let in_rules = |finding: &Finding| rule::RULES.iter().any(|(of, _)| of == finding);
    for finding in Finding::ALL {
        let only_reported = finding.description().about == About::Report;
        assert_eq!(in_rules(finding), !only_reported, "{finding}");
    }
    assert_eq!(Finding::ALL.iter().filter(|finding| finding.is_duty()).count(), 17);
}

#[test]
fn what_was_not_done_proves_nothing() {
    check(&[], |found| found.stimulus_error = Some("no front".into()), &[Finding::StimulusError]);
}

#[test]
fn who_waits_busily_is_caught() {
    let waited = |cpu_ns| {
        move |found: &mut Findings| {
            (found.waited_ns, found.waited_cpu_ns) = (Some(2_000_000_000), Some(cpu_ns));
        }
    };
    check(&[], waited(900_000_000), &[Finding::WaitedCpuNs]);
    check(&[], waited(20_000_000), &[]);
    check(&[], |found| found.diagnostics_bytes = 1 << 20, &[Finding::DiagnosticsBytes]);
}

/// A run of `cells` cells of one capturer, with these findings each.
fn compared(cells: usize, findings: impl Fn(usize) -> Findings, expectations: &str) -> Comparison {
    let planned = |at: usize| Planned { id: CellId { run: at as u32, ..planned().id }, ..plain() };
    let plan: Vec<Planned> = (0..cells).map(planned).collect();
    let found = plan.iter().enumerate().map(|(at, planned)| (planned.id.clone(), findings(at))).collect();
    let run = Run {
        schema_version: Run::SCHEMA_VERSION,
        generated_at: String::new(),
        tool: String::new(),
        machine: crate::machine::this(),
        low_limits: Vec::new(),
        seed: 1,
        quick: true,
        wall_ns: 0,
        interrupted: false,
        finished: None,
        left_behind: Vec::new(),
        runtime_words: Vec::new(),
        other_words: String::new(),
        runtimes: Vec::new(),
        capturers: vec![capturer(&[])],
        expectations: String::new(),
        left_out: Vec::new(),
        cases: 1,
        plan,
        checksum: 0,
    };
    Comparison::new(run, &found, &Expectations::parse(expectations, &["any".to_owned()]).unwrap())
}

#[test]
fn a_failure_on_a_busy_machine_is_not_measured_and_too_many_are_no_result() {
    let busy = |failed: usize| {
        move |at: usize| {
            let machine_busy = Some("the machine was busy".to_owned());
            Findings { deadline_hit: at < failed, machine_busy, ..sound() }
        }
    };
    let few = compared(100, busy(2), "");
    assert_eq!((few.counts().not_measured, few.counts().pass, few.exit_code), (2, 98, 0));
    assert_eq!(few.cells[0].fault, Some(Fault::Machine));
    let many = compared(100, busy(3), "");
    assert_eq!((many.counts().not_measured, many.exit_code), (3, 5));
    let calm = compared(100, |at| Findings { machine_busy: None, ..busy(1)(at) }, "");
    assert_eq!((calm.counts().fail, calm.exit_code), (1, 100), "nothing excuses a failure on a calm machine");
}

#[test]
fn a_machine_that_is_a_little_late_explains_only_what_is_about_time() {
    let judged = |late_ms: u64, change: fn(&mut Findings)| {
        let mut found = Findings { machine_busy: Some("busy".to_owned()), ..sound() };
        found.machine_late_ns = Some(late_ms * 1_000_000);
        change(&mut found);
        compared(1, move |_| found.clone(), "").cells[0].verdict
    };
    let late: fn(&mut Findings) = |found| found.exit_latency_ns = Some(1_700_000_000);
    let lost: fn(&mut Findings) = |found| found.lost_bytes = 1;
    assert_eq!(judged(25, late), Verdict::NotMeasured);
    assert_eq!(judged(25, lost), Verdict::Fail, "25 ms do not lose anything");
    assert_eq!(judged(60, lost), Verdict::NotMeasured);
}

#[test]
fn a_duty_is_kept_only_if_every_case_was_run() {
    let all = compared(1, |_| sound(), "");
    assert!(all.rows.is_empty(), "a run without runtimes has no rows");
    let own: Vec<&CellResult> = all.cells.iter().collect();
    assert!(duty::states(&own, 0, false).iter().all(|state| state.kept == Some(true)));
    assert!(duty::states(&own, 1, false).iter().all(|state| state.kept.is_none()));
    let lost = compared(1, |_| Findings { lost_bytes: 1, ..sound() }, "");
    let own: Vec<&CellResult> = lost.cells.iter().collect();
    let states = duty::states(&own, 1, false);
    assert_eq!(states.iter().find(|state| state.kept == Some(false)).unwrap().duty, crate::finding::Duty::NoSilentLoss);
    let kept = |state: &&DutyState| state.kept.is_none();
    assert_eq!(states.iter().filter(kept).count(), 4);
    let states = duty::states(&all.cells.iter().collect::<Vec<_>>(), 0, true);
    let unknown: Vec<_> = states.iter().filter(kept).map(|state| state.duty).collect();
    assert_eq!(unknown, [crate::finding::Duty::NothingLeft], "nobody can tell who left something behind");
}

#[test]
fn a_capturer_that_starts_nothing_where_a_limit_is_low_is_not_measured() {
    let cannot_start = |_| Findings { workload_started: Some(false), exit_reported: Some(125), ..sound() };
    let planned = plain();
    let judged = |low: &[LowLimit], found: Findings| {
        let run = Run { low_limits: low.to_vec(), ..compared(1, |_| sound(), "").run };
        let found = HashMap::from([(planned.id.clone(), found)]);
        CellResult::new(&planned, &run, &found, &Expectations::parse("", &[]).unwrap())
    };
    let words = |text: &str| text.to_owned();
    let low = LowLimit {
        name: words("open files"),
        has: words("20"),
        needed: words("x"),
        mend: words("ulimit -n 9"),
        spoils: false,
    };
    let of_machine = judged(std::slice::from_ref(&low), cannot_start(0));
    assert_eq!((of_machine.verdict, of_machine.fault), (Verdict::NotMeasured, Some(Fault::Machine)));
    assert!(of_machine.reason.unwrap().contains("To fix it: ulimit -n 9"));
    assert_eq!(judged(&[], cannot_start(0)).verdict, Verdict::Fail, "no limit explains it");
    let ran = judged(std::slice::from_ref(&low), Findings { exit_reported: Some(125), ..sound() });
    assert_eq!(ran.verdict, Verdict::Fail, "it could start the command");
    let spoils = LowLimit { spoils: true, ..low };
    let spoiled = judged(&[spoils], Findings { lost_bytes: 1, ..sound() });
    assert_eq!(spoiled.verdict, Verdict::NotMeasured, "want of memory may do anything");
}
