//! `compare`: its output, its exit code, and what it leaves.

use crate::run::Run;
use rstest::rstest;
use serde_json::Value;

/// Small cells that pass on the fake, and one that fails as expected.
const SMALL: [&str; 6] =
    ["--filter", "exit-status/code-7", "--filter", "bytes/crlf", "--filter", "bytes/no-final-newline"];

#[test]
fn every_strategy_is_run_and_the_json_has_the_documented_fields() {
    let ended = Run::compare_fake(SMALL).exits(0);
    let export = ended.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let documented = [
        "schema_version",
        "generated_at",
        "tool",
        "machine",
        "low_limits",
        "seed",
        "exit_code",
        "counts",
        "runtimes",
        "rows",
        "controls",
        "cells",
    ];
    assert_eq!(keys(&export).len(), documented.len());
    assert!(documented.iter().all(|key| export.get(key).is_some()), "{:?}", keys(&export));
    let strategies = crun_capture::strategy::ALL.len();
    assert_eq!(export["rows"].as_array().unwrap().len(), strategies);
    assert_eq!(export["counts"]["cells"], strategies * 4, "code-7 and code-77");
    assert_eq!((&export["counts"]["unexpected"], &export["exit_code"]), (&0.into(), &0.into()));
    let cell = &export["cells"][0];
    for key in ["id", "runtime", "strategy", "experiment", "case", "run", "verdict", "expected", "reason", "repeat"] {
        assert!(cell.get(key).is_some(), "{key}");
    }
    for key in ["lost_bytes", "cross_inversion_rate", "latency_ns", "exit_reported", "drain_latency_ns", "signal"] {
        assert!(cell["findings"].get(key).is_some(), "{key}");
    }
}

#[test]
fn a_control_stands_beside_each_cell_that_measures_time_and_beside_no_other() {
    let run = |filter: &str| Run::compare_fake(["--runs", "2", "--filter", filter]).exits(0).json();
    let ids = |export: &Value| -> Vec<String> {
        let cells = export["cells"].as_array().unwrap().iter();
        cells.map(|cell| cell["id"].as_str().unwrap().to_owned()).collect()
    };
    let export = run("lines/paced/200us");
    let [own, control] = ["fake/lines/paced/200us", "fake/control/paced/200us"];
    assert_eq!(ids(&export), [own, own, control, control], "in the same rounds");
    assert_eq!(export["rows"].as_array().unwrap().len(), 1, "it is no row");
    let figure = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("no figure: {export:#}"));
    assert!(figure(&export["controls"][0]["latency_p50_ns"]) > 0.0);
    let ratio = figure(&export["rows"][0]["latency_p50_ratio"]);
    assert!((0.01..100.0).contains(&ratio), "{ratio}");
    assert!(export["rows"][0]["throughput_ratio"].is_null(), "throughput was not run");
    assert_eq!(ids(&run("lines/bytes/crlf")).len(), 2);
    assert_eq!(ids(&run(control)), [control, control], "one can run it again");
}

#[test]
fn the_bare_runtime_says_what_it_cannot_try() {
    let filters = ["--filter", "missing-config", "--filter", "signal-pid1/term", "--filter", "executable-not-found"];
    let run = Run::new(["compare", "--quick", "--runtime", "bare", "--strategy", "scanner", "--export-json", "-"]);
    let export = run.with(filters).exits(0).json();
    let verdicts: Vec<_> = export["cells"].as_array().unwrap().iter().map(|cell| &cell["verdict"]).collect();
    assert_eq!(verdicts, ["unsupported", "pass", "unsupported"]);
    assert!(
        export["cells"].as_array().unwrap().iter().all(|cell| cell["verdict"] == "pass" || cell["reason"].is_string())
    );
}

#[test]
fn a_hang_is_a_failure_and_ends_at_the_deadline() {
    let export = Run::compare_fake(["--filter", "scanner/long-line/65537"]).exits(0).json();
    let cell = &export["cells"][0];
    assert_eq!((&cell["verdict"], &cell["deadline_hit"]), (&"fail".into(), &true.into()));
    assert_eq!((&cell["expected"], &cell["findings"]["exit_reported"]), (&true.into(), &Value::Null));
    assert!(cell["findings"]["workload_stalled_ns"].as_u64().unwrap() > 1_000_000_000, "the workload was blocked");
    assert_eq!(export["rows"][0]["long_line"], "hangs");
}

#[test]
fn an_unexpected_result_gives_100_and_so_does_a_stale_expectation() {
    Run::compare_fake(["--filter", "tee/bytes/crlf", "--expectations", "none.toml"]).file("none.toml", "").exits(100);
    let stale = "[[failure]]\nstrategy = 'tee'\nfinding = 'lost_bytes'\nwhen = 'always'\nreason = 'r'\nsource = 's'\n";
    let run = Run::compare_fake(["--filter", "tee/exit-status/code-7", "--expectations", "e.toml"]);
    let ended = run.file("e.toml", stale).exits(100);
    assert_eq!(ended.json()["cells"][0]["reason"], "lost_bytes was expected to happen always, but did not");
}

#[rstest]
#[case(&["--strategy", "tee,tee"], "named twice")]
#[case(&["--experiment", "burst,burst"], "named twice")]
#[case(&["--runtime", "a b=/bin/sh"], "the label \"a b\"")]
#[case(&["--runs", "0"], "0 is not in")]
fn what_cannot_be_is_a_usage_error(#[case] arguments: &[&str], #[case] says: &str) {
    Run::new(["compare", "--quick"]).with(arguments.iter().copied()).exits(2).says(says);
}

/// The longest name of each kind, without its last letter. Whatever is added to the lists, that name stays the nearest.
#[test]
fn what_is_misspelt_is_a_usage_error_with_the_nearest_name() {
    let longest = |names: Vec<&'static str>| names.into_iter().max_by_key(|name| name.len()).unwrap();
    let runtimes = || longest(crun_capture::runtime::ALL.iter().map(|one| one.name()).collect());
    for (option, name) in [
        ("--strategy", longest(crun_capture::strategy::ALL.iter().map(|one| one.name()).collect())),
        ("--experiment", longest(crun_capture::experiment::ALL.iter().map(|one| one.name).collect())),
        ("--runtime", runtimes()),
        ("--require", runtimes()),
    ] {
        let typed = &name[..name.len() - 1];
        let says = format!("did you mean {name:?}?");
        Run::new(["compare", "--quick", option, typed]).exits(2).says(&says);
    }
    let filter = ["compare", "--quick", "--filter", "fake/tee/long-line/65555"];
    Run::new(filter).exits(2).says("the nearest is \"fake/tee/long-line/65");
}

#[test]
fn paths_that_cannot_be_used_are_named() {
    Run::new(["compare", "--runtime", "x=/no/such/crun"]).exits(1).says("/no/such/crun");
    Run::new(["compare", "--runtime", "x=./plain"]).file("plain", "").exits(1).says("is not an OCI runtime");
    Run::compare_fake(["--output", "plain/sub"]).file("plain", "").exits(1).says("plain/sub");
    Run::compare_fake(["--export-csv", "no/such/dir.csv"]).exits(1).says("no/such/dir.csv");
    Run::compare_fake(["--capturer", "missing.toml"]).exits(1).says("missing.toml");
    Run::compare_fake(["--expectations", "bad.toml"]).file("bad.toml", "x = 1").exits(1).says("bad.toml");
    let used = Run::compare_fake(["--output", "run"]);
    std::fs::create_dir(used.directory().join("run")).unwrap();
    used.file("run/run.json", "{}").exits(2).says("holds a run already");
}

#[test]
fn a_runtime_that_is_missing_is_skipped_loudly_and_fails_where_it_is_required() {
    let compare = || Run::new(["compare", "--quick", "--filter", "tee/exit-status/code-7"]).env("PATH", "/no/such");
    let ended = compare().with(["--runtime", "crun,fake"]).exits(0);
    assert!(ended.stdout.starts_with("SKIPPED crun: crun is not in PATH"), "{}", ended.stdout);
    let ended = compare().with(["--runtime", "fake", "--require", "crun"]).exits(100);
    assert!(ended.stdout.contains("It is required"), "{}", ended.stdout);
    compare().env("CRUN_CAPTURE_REQUIRE", "crun").exits(100);
    let nothing = compare().with(["--runtime", "crun"]).exits(4);
    assert!(nothing.stdout.contains("skipped"));
}

#[test]
fn runs_are_kept_beside_each_other_and_the_latest_is_linked() {
    let run =
        Run::new(["compare", "--quick", "--runtime", "fake", "--filter", "tee/exit-status/code-7", "--runs", "2"]);
    let ended = run.exits(0);
    let latest = std::fs::canonicalize(ended.path(".crun-capture/latest")).unwrap();
    assert!(latest.join("run.json").is_file());
    for run in ["0", "1"] {
        assert!(latest.join("cells/fake/tee/exit-status/code-7").join(run).join("facts.json").is_file());
    }
}

#[test]
fn the_same_seed_gives_the_same_rows_but_for_what_time_decides() {
    let rows = || {
        let export =
            Run::compare_fake(["--experiment", "bytes,exit-status", "--strategy", "combined,file"]).exits(0).json();
        let cells = export["cells"].as_array().unwrap().clone();
        cells.into_iter().map(|cell| (cell["id"].clone(), cell["verdict"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(rows(), rows());
}

#[test]
fn another_program_with_the_command_line_of_crun_is_a_runtime_too() {
    let fake = env!("CARGO_BIN_EXE_fake-crun");
    let runtime = format!("mine={fake}");
    let run = Run::new(["compare", "--quick", "--export-json", "-", "--filter", "mine/tee/exit-status/code-7"]);
    // A runtime at a path gets crun's options. What it does with them is its own business.
    let export = run.with(["--runtime", &runtime]).exits(0).json();
    assert_eq!(export["runtimes"][0]["name"], "mine");
    assert_eq!(export["cells"][0]["verdict"], "pass");
}

#[test]
fn nothing_is_left_in_the_directory_for_temporary_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    Run::compare_fake(SMALL).env("TMPDIR", path).exits(0);
    Run::compare_fake(["--filter", "scanner/long-line/65537"]).env("TMPDIR", path).exits(0);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_table_is_for_the_first_runtime_and_the_others_fold_to_a_line() {
    let run = Run::new(["compare", "--quick", "--runtime", "fake,bare"]).with(SMALL);
    let ended = run.exits(0);
    assert!(ended.stdout.starts_with("fake "), "{}", ended.stdout);
    let cells = 4 * crun_capture::strategy::ALL.len();
    let agrees = format!("bare agrees with fake on {cells} of {cells} cells, races aside");
    assert!(ended.stdout.contains(&agrees), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "no colour where nobody watches");
    assert!(ended.stderr.contains("recordings:"));
}

/// stdio buffers 4 KiB unless it sees a terminal. On a terminal a line comes when it is printed.
#[test]
fn a_terminal_makes_a_program_live_that_buffers_without_one() {
    let cells = ["--filter", "fake/pty/stdio-buffered/auto", "--filter", "fake/lines/stdio-buffered/auto"];
    let export = Run::compare_fake(cells).exits(0).json();
    let fraction = |strategy: &str| {
        let cells = export["cells"].as_array().unwrap();
        let cell = cells.iter().find(|cell| cell["strategy"] == strategy).unwrap();
        cell["findings"]["delivered_before_exit_fraction"].as_f64().unwrap()
    };
    // stderr, which has half of the lines, is not buffered.
    assert!(fraction("pty") > 0.9 && fraction("lines") < 0.6, "{} {}", fraction("pty"), fraction("lines"));
}

/// A socket address has room for 108 bytes.
#[test]
fn a_deep_directory_for_temporary_files_holds_sockets_all_the_same() {
    let run = Run::compare_fake(["--strategy", "pty,sequenced", "--experiment", "burst"]);
    let deep = run.directory().join("d".repeat(100));
    std::fs::create_dir(&deep).unwrap();
    let ended = run.env("TMPDIR", deep.to_str().unwrap()).exits(0);
    let export = ended.json();
    let cells = export["cells"].as_array().unwrap();
    assert!(cells.len() >= 4 && cells.iter().all(|cell| cell["broken"] == serde_json::json!([])), "{cells:?}");
    assert_eq!(std::fs::read_dir(&deep).unwrap().count(), 0);
}
