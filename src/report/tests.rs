//! Snapshots of the reports: the whole way from findings to text, without a process.

use super::*;
use crate::analysis::{Findings, Quantiles};
use crate::comparison::{Comparison, Expectations};
use crate::experiment::ExpectedEnd;
use crate::machine::Machine;
use crate::recording::{CapturerInfo, CellId, NotRun, Planned, Run, RuntimeInfo, Said};
use crate::strategy::Capability;
use std::collections::HashMap;

const EXPECTATIONS: &str = r#"
[[failure]]
strategy = "tee"
experiment = "long-line"
finding = "deadline_hit"
when = "always"
reason = "the scanner stops"
source = "golang/go#11242"
"#;

fn runtime(name: &str, real: bool, skipped: Option<&str>) -> RuntimeInfo {
    RuntimeInfo {
        name: name.into(),
        kind: name.into(),
        version: "1.8.1".into(),
        path: format!("/usr/bin/{name}"),
        mode: "rootful".into(),
        real,
        required: false,
        skipped: skipped.map(Into::into),
        mend: skipped.map(|_| "apt-get install -y runc".into()),
    }
}

fn capturer(name: &str, declares: &[Capability], said: Option<Said>) -> CapturerInfo {
    CapturerInfo {
        name: name.into(),
        declares: declares.to_vec(),
        said,
        recommended: name == "tee",
        control: name == "control",
    }
}

fn id(runtime: &str, strategy: &str, experiment: &str, case: &str) -> CellId {
    let [runtime, strategy, experiment, case] = [runtime, strategy, experiment, case].map(str::to_owned);
    CellId { runtime, strategy, experiment, case, run: 0 }
}

/// Sound findings of a cell that delivers live, or at the exit.
fn sound(live: bool) -> Findings {
    let quantiles = Quantiles { p50: 9_300, p90: 20_000, p99: 41_000, p999: None, max: 50_000 };
    Findings {
        cross_inversion_rate: Some(0.0),
        attributed_streams: 2,
        latency_ns: live.then_some(quantiles),
        delivered_before_exit_fraction: Some(if live { 1.0 } else { 0.0 }),
        exit_reported: Some(0),
        ..Findings::default()
    }
}

/// Two strategies on two runtimes, with a third that is skipped. `change` plants what it likes.
fn comparison(change: impl Fn(&CellId, &mut Findings)) -> Comparison {
    let cases = [("interleave", "in-turn"), ("paced", "200us"), ("long-line", "65537"), ("exit-status", "code-0")];
    let mut findings = HashMap::new();
    let mut plan = Vec::new();
    for runtime in ["crun", "runc", "fake"] {
        for strategy in ["buffered", "tee", "control"] {
            // The control has only what measures time.
            let own = cases.iter().copied().filter(|(experiment, _)| strategy != "control" || *experiment == "paced");
            for (experiment, case) in own {
                let id = id(runtime, strategy, experiment, case);
                let skipped = NotRun::Skipped("runc is not in PATH".into());
                let end = ExpectedEnd { code: 0, runtime_error: false, starts: true, may_be_refused: false };
                let expected = if runtime == "runc" { Err(skipped) } else { Ok(end) };
                let mut found = sound(strategy != "buffered");
                if let Some(latency) = found.latency_ns.as_mut().filter(|_| strategy == "control") {
                    latency.p50 = 6_200;
                }
                found.deadline_hit = strategy == "tee" && experiment == "long-line";
                (found.file_lost_lines, found.file_altered_lines) = match strategy {
                    "tee" => (Some(0), Some(0)),
                    _ => (None, None),
                };
                found.cross_inversion_rate = Some(0.4);
                change(&id, &mut found);
                findings.insert(id.clone(), found);
                let tries = match experiment {
                    "paced" => vec![Capability::Live, Capability::File],
                    "interleave" => vec![Capability::Apart, Capability::Order],
                    "long-line" => vec![Capability::AnyLine],
                    _ => Vec::new(),
                };
                plan.push(Planned {
                    id,
                    expected,
                    paced: experiment == "paced",
                    tries,
                    drains: false,
                    forces_loss: false,
                    excused: Vec::new(),
                    excused_because: None,
                });
            }
        }
    }
    let said = |live, file| Some(Said { live, apart: true, file });
    let run = Run {
        schema_version: Run::SCHEMA_VERSION,
        generated_at: "2026-01-02T03:04:05Z".into(),
        tool: "crun-capture 0".into(),
        machine: Machine {
            kernel: "Linux 6".into(),
            cpu: "any".into(),
            cpus: 2,
            cgroup: "v2".into(),
            root: true,
            pipe_max_size_bytes: None,
            user_namespaces_max: None,
        },
        low_limits: Vec::new(),
        seed: 7,
        quick: true,
        wall_ns: 41_000_000_000,
        interrupted: false,
        finished: None,
        left_behind: Vec::new(),
        runtime_words: ["crun", "runc", "fake"].map(Into::into).to_vec(),
        other_words: String::new(),
        runtimes: vec![
            runtime("crun", true, None),
            runtime("runc", true, Some("runc is not in PATH")),
            runtime("fake", false, None),
        ],
        capturers: vec![
            capturer("buffered", &[Capability::Apart, Capability::ExactBytes], said(false, false)),
            capturer("tee", &[Capability::Live, Capability::Apart, Capability::File], said(true, true)),
            capturer("control", &[Capability::Live, Capability::Apart], None),
        ],
        expectations: EXPECTATIONS.into(),
        left_out: vec!["buffering".into()],
        cases: cases.len(),
        plan,
        checksum: 0,
    };
    Comparison::new(run, &findings, &Expectations::parse(EXPECTATIONS, &[]).unwrap())
}

fn text(report: &str, comparison: &Comparison) -> String {
    let mut bytes = Vec::new();
    find(report).unwrap().write(comparison, &mut bytes).unwrap();
    String::from_utf8(anstream::adapter::strip_bytes(&bytes).into_vec()).unwrap()
}

#[test]
fn the_table_as_expected() {
    let comparison = comparison(|_, _| {});
    assert_eq!(comparison.exit_code, 0);
    insta::assert_snapshot!(text("table", &comparison));
}

#[test]
fn the_table_with_what_nobody_expected() {
    let comparison = comparison(|id, found| {
        if id.strategy == "buffered" && id.experiment == "interleave" && id.runtime == "fake" {
            (found.lost_lines, found.lost_bytes) = (3, 303);
        }
        if id.strategy == "tee" && id.experiment == "long-line" && id.runtime == "crun" {
            found.deadline_hit = false;
        }
    });
    assert_eq!(comparison.exit_code, 100);
    insta::assert_snapshot!(text("table", &comparison));
}

#[test]
fn markdown() {
    insta::assert_snapshot!(text("markdown", &comparison(|_, _| {})));
}

#[test]
fn what_comes_from_outside_steers_no_terminal_and_is_no_markup() {
    let mut comparison = comparison(|_, _| {});
    comparison.run.runtimes[1].skipped = Some("\u{1b}[2J<script>|\n".into());
    comparison.cells[2].reason = Some("\u{1b}]0;owned\u{7}<b>".into());
    for report in ["table", "markdown", "csv"] {
        let mut bytes = Vec::new();
        find(report).unwrap().write(&comparison, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("\u{1b}[2J") && !text.contains("\u{1b}]0") && !text.contains('\u{7}'), "{report}");
        assert!(report != "markdown" || !text.contains("<script>") && !text.contains("<b>"), "{text}");
    }
}

#[test]
fn the_same_findings_give_the_same_report() {
    for report in ALL {
        let once = text(report.name(), &comparison(|_, _| {}));
        assert_eq!(once, text(report.name(), &comparison(|_, _| {})));
    }
}
