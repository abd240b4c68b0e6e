//! Lists of expected failures: what they explain, and what they refuse.

use super::entry::ExpectationError;
use super::*;

fn facing<'a>(kind: &'a str, strategy: &'a str, case: &'a str) -> Facing<'a> {
    Facing { kind, version: "1.8.1", strategy, experiment: "long-line", case }
}

fn parse(text: &str) -> Result<Expectations, ExpectationError> {
    Expectations::parse(text, &[])
}

fn entry(finding: &str, rest: &str) -> String {
    format!(
        "[[failure]]\nstrategy = ['tee', 'scanner']\nexperiment = 'long-line'\ncase = '65537'\nfinding = {finding}\n\
         reason = 'it stops'\nsource = 'golang/go#11242'\n{rest}\n"
    )
}

const ALWAYS: &str = "when = 'always'";
const SOMETIMES: &str = "when = 'sometimes'\nrate_max = 0.25";

fn judge(list: &Expectations, cell: &Facing<'_>, broken: &[Finding]) -> Judged {
    list.judge(cell, broken, &Findings::default())
}

#[test]
fn a_named_failure_is_expected_and_another_is_not() {
    let list = parse(&entry("'deadline_hit'", ALWAYS)).unwrap();
    let tee = facing("crun", "tee", "65537");
    let judged = judge(&list, &tee, &[Finding::DeadlineHit, Finding::LostBytes]);
    assert_eq!(judged.unexplained, [Finding::LostBytes]);
    assert_eq!(judged.reason.as_deref(), Some("it stops (golang/go#11242)"));
    assert_eq!(judged.fault, Some(Fault::Strategy));
    let file = facing("crun", "file", "65537");
    assert_eq!(judge(&list, &file, &[Finding::DeadlineHit]).unexplained, [Finding::DeadlineHit]);
    assert!(list.waits_for_deadline(&tee));
    assert!(!parse(&entry("'deadline_hit'", SOMETIMES)).unwrap().waits_for_deadline(&tee));
}

#[test]
fn a_failure_that_always_happens_must_happen() {
    let tee = facing("crun", "tee", "65537");
    let always = parse(&entry("'deadline_hit'", ALWAYS)).unwrap();
    assert_eq!(judge(&always, &tee, &[]).missing, [Finding::DeadlineHit]);
    let sometimes = parse(&entry("'deadline_hit'", SOMETIMES)).unwrap();
    assert_eq!(judge(&sometimes, &tee, &[]), Judged::default());
}

#[test]
fn a_cell_that_hangs_by_a_race_need_not_show_what_always_happens() {
    let both = parse(&(entry("'exit_reported'", ALWAYS) + &entry("'deadline_hit'", SOMETIMES))).unwrap();
    let tee = facing("crun", "tee", "65537");
    assert_eq!(judge(&both, &tee, &[Finding::DeadlineHit]).missing, []);
    assert_eq!(judge(&both, &tee, &[]).missing, [Finding::ExitReported]);
    assert!(both.a_race_decides(&tee, Finding::DeadlineHit));
    assert!(!both.a_race_decides(&tee, Finding::ExitReported));
}

#[test]
fn the_kind_and_the_version_of_a_runtime_decide_and_its_label_does_not() {
    let list = parse(&entry("'deadline_hit'", "when = 'always'\nruntime = 'crun'\nversion = '<1.9'")).unwrap();
    let broken = [Finding::DeadlineHit];
    assert_eq!(judge(&list, &facing("crun", "tee", "65537"), &broken).unexplained, []);
    assert_eq!(judge(&list, &facing("runc", "tee", "65537"), &broken).unexplained, broken);
    let newer = Facing { version: "1.21", ..facing("crun", "tee", "65537") };
    assert_eq!(judge(&list, &newer, &broken).unexplained, broken);
}

#[test]
fn the_fault_of_a_runtime_is_not_the_strategys_unless_the_strategy_fails_too() {
    let runtime = entry("'deadline_hit'", "when = 'always'\nfault = 'runtime'");
    let tee = facing("crun", "tee", "65537");
    let broken = [Finding::DeadlineHit, Finding::LostBytes];
    assert_eq!(judge(&parse(&runtime).unwrap(), &tee, &broken[..1]).fault, Some(Fault::Runtime));
    let both = parse(&(runtime + &entry("'lost_bytes'", ALWAYS))).unwrap();
    assert_eq!(judge(&both, &tee, &broken).fault, Some(Fault::Strategy));
}

#[test]
fn a_time_above_its_bound_is_not_explained() {
    let list = parse(&entry("'exit_latency_ns'", "when = 'always'\nns_max = 3000000000")).unwrap();
    let tee = facing("crun", "tee", "65537");
    let after = |ns| {
        let findings = Findings { exit_latency_ns: Some(ns), ..Findings::default() };
        list.judge(&tee, &[Finding::ExitLatencyNs], &findings).unexplained
    };
    assert_eq!(after(2_900_000_000), []);
    assert_eq!(after(3_100_000_000), [Finding::ExitLatencyNs]);
}

#[test]
fn a_list_that_explains_nothing_names_nothing_or_hides_everything_is_refused() {
    let refused = |text: &str| parse(text).unwrap_err().to_string();
    assert!(refused(&entry("'lost'", ALWAYS)).contains("one of: stimulus_error, deadline_hit"));
    assert!(refused(&entry("[]", ALWAYS)).contains("names no finding"));
    assert!(refused(&entry("'lost_bytes'", ALWAYS).replace("it stops", " ")).contains("needs a reason"));
    assert!(refused("[[failure]]\nstrategie = 'x'").contains("strategie"));
    for (from, to, says) in [
        ("'tee'", "'tea'", "there is no strategy `tea`"),
        ("'long-line'", "'long-lines'", "there is no experiment `long-lines`"),
        ("'65537'", "'crlf'", "there is no case `crlf`"),
        ("['tee', 'scanner']", "'!tea'", "there is no strategy `!tea`"),
        ("['tee', 'scanner']", "['!tee', '!scanner']", "there is no strategy `!tee, !scanner`"),
        ("['tee', 'scanner']", "[]", "there is no strategy"),
    ] {
        let message = refused(&entry("'lost_bytes'", ALWAYS).replace(from, to));
        assert!(message.contains(says), "{message}");
    }
    let message = refused(&entry("'lost_bytes'", "when = 'always'\nruntime = 'old'"));
    assert!(message.contains("there is no runtime `old`"), "{message}");
    let own = Expectations::parse(&entry("'lost_bytes'", ALWAYS).replace("tee", "mine"), &["mine".to_owned()]);
    assert!(own.is_ok(), "a capturer of the user may be named");
}

#[test]
fn a_race_is_bounded_by_its_cases_and_its_rate() {
    let refused = |rest: &str, from: &str, to: &str| {
        let message = parse(&entry("'lost_bytes'", rest).replace(from, to)).unwrap_err().to_string();
        assert!(message.contains("one by one"), "{message}");
    };
    refused("when = 'sometimes'", "", "");
    refused("when = 'sometimes'\nrate_max = 1.5", "", "");
    refused(SOMETIMES, "case = '65537'", "case = '*'");
    refused(SOMETIMES, "case = '65537'", "case = '!65537'");
    refused(SOMETIMES, "experiment = 'long-line'\n", "");
}

#[test]
fn a_race_that_is_lost_too_often_is_no_race() {
    let list = parse(&entry("'lost_bytes'", SOMETIMES)).unwrap();
    let tee = facing("crun", "tee", "65537");
    let broken = [Finding::LostBytes];
    let run = |failed: usize, tried: usize| {
        let cells: Vec<(Facing<'_>, &[Finding])> =
            (0..tried).map(|at| (tee, if at < failed { &broken[..] } else { &[] })).collect();
        list.too_often(&cells)
    };
    assert_eq!(run(0, 20), []);
    assert_eq!(run(6, 20), [], "0.25 of 20 is 5");
    assert_eq!(run(2, 2), [], "two of two have a probability of 1 in 16");
    let found = run(15, 20);
    assert_eq!(found[0].cells, (0..15).collect::<Vec<_>>());
    assert!(found[0].reason.contains("15 of 20 cells, but is expected in at most 25%"), "{}", found[0].reason);
}

#[test]
fn what_another_entry_explains_is_not_counted_for_a_race() {
    let list = parse(&(entry("'lost_bytes'", ALWAYS) + &entry("['lost_bytes', 'altered_lines']", SOMETIMES))).unwrap();
    let tee = facing("crun", "tee", "65537");
    let broken = [Finding::LostBytes];
    let cells: Vec<(Facing<'_>, &[Finding])> = (0..20).map(|_| (tee, &broken[..])).collect();
    assert_eq!(list.too_often(&cells), []);
}

#[test]
fn the_tail_of_the_binomial_distribution_is_right() {
    let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
    near(at_least(0, 10, 0.5), 1.0);
    near(at_least(10, 10, 0.5), 0.5_f64.powi(10));
    near(at_least(1, 2, 0.25), 1.0 - 0.75 * 0.75);
    near(at_least(3, 3, 1.0), 1.0);
}
