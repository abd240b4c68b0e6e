//! Reports from stored runs, `list`, `doctor`, and the schemas of the JSON formats.

use crate::run::Run;
use crun_capture::capturer::Summary;
use crun_capture::comparison::OwnComparison;
use crun_capture::report::{ClaimsExport, Export};
use std::path::Path;

#[test]
fn a_report_from_the_recordings_equals_the_one_made_at_the_run() {
    let exports = ["--export-json", "a.json", "--export-markdown", "a.md", "--export-csv", "a.csv"];
    let again = ["--export-json", "b.json", "--export-markdown", "b.md", "--export-csv", "b.csv"];
    let run = Run::new(["compare", "--quick", "--runtime", "fake,bare", "--output", "run"]);
    let first = run.with(["--experiment", "interleave,bytes,burst,throughput,paced"]).with(exports).exits(0);
    let mut second = assert_cmd::Command::new(crate::run::program());
    let second = second.current_dir(first.directory.path()).args(["report", "--from", "run"]).args(again).unwrap();
    assert_eq!(String::from_utf8(second.stdout).unwrap(), first.stdout);
    for (a, b) in [("a.json", "b.json"), ("a.md", "b.md"), ("a.csv", "b.csv")] {
        let read = |name| std::fs::read_to_string(first.path(name)).unwrap();
        assert_eq!(read(a), read(b), "{a}");
        assert!(read(a).len() > 1_000);
    }
}

#[test]
fn what_is_no_run_is_named() {
    Run::new(["report", "--from", "nowhere"]).exits(1).says("nowhere is not the directory of a run");
    let run = Run::new(["report", "--from", "."]).file("run.json", "{}");
    run.exits(1).says("run.json");
}

#[test]
fn everything_can_be_listed() {
    for what in ["strategies", "experiments", "stimuli", "failures", "runtimes", "capabilities", "claims", "reports"] {
        let text = Run::new(["list", what]).exits(0).stdout;
        let json = Run::new(["list", what, "--format", "json"]).exits(0).json();
        let items = json.as_array().unwrap();
        assert_eq!(text.lines().count(), items.len());
        for item in items {
            assert!(text.contains(item["name"].as_str().unwrap()));
        }
    }
    Run::new(["list", "strategy"]).exits(2).says("strategies");
}

#[test]
fn doctor_names_every_runtime_and_what_is_missing() {
    let run = || Run::new(["doctor"]).env("PATH", "/no/such");
    let text = run().exits(0).stdout;
    let json = run().with(["--format", "json"]).exits(0).json();
    let runtimes = json["runtimes"].as_array().unwrap();
    assert_eq!(runtimes.len(), crun_capture::runtime::ALL.len());
    for runtime in runtimes {
        assert!(text.contains(runtime["name"].as_str().unwrap()));
    }
    assert_eq!(runtimes[0]["skipped"], "crun is not in PATH");
    assert!(json["machine"]["kernel"].as_str().unwrap().starts_with("Linux "));
}

#[test]
fn completions_are_printed() {
    assert!(Run::new(["completions", "bash"]).exits(0).stdout.contains("crun-capture"));
}

/// With `UPDATE_SCHEMAS=1` the test writes the files instead.
#[track_caller]
fn check_schema<T: schemars::JsonSchema>(name: &str) {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(T)).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema").join(name);
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(&path, &schema).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == schema, "{} is not the format of this version; UPDATE_SCHEMAS=1 writes it", path.display());
}

#[test]
fn the_schemas_in_the_repository_are_those_of_the_formats() {
    check_schema::<Export>("compare.json");
    check_schema::<Summary>("summary.json");
    check_schema::<OwnComparison>("own-bundle.json");
    check_schema::<ClaimsExport>("claims.json");
}

#[test]
fn what_is_exported_can_be_read_back() {
    let stdout = Run::compare_fake(["--filter", "exit-status/code-7"]).exits(0).stdout;
    let export: Export = serde_json::from_str(&stdout).unwrap();
    assert_eq!(serde_json::to_string_pretty(&export).unwrap() + "\n", stdout);
}
