//! A stored run is what was run: what was changed, exchanged or removed later is an error, and what was never reached is
//! skipped.

use crate::run::{Ended, Run};
use rstest::rstest;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const CELLS: [&str; 4] = [
    "fake/scanner/bytes/crlf",
    "fake/scanner/exit-status/code-7",
    "fake/tee/bytes/crlf",
    "fake/tee/exit-status/code-7",
];

/// A run of four cells, and its directory.
fn run() -> (Ended, PathBuf) {
    let run = Run::compare_fake(["--strategy", "scanner,tee", "--output", "run"]);
    let ended =
        run.with(["--experiment", "bytes,exit-status"]).with(CELLS.iter().flat_map(|cell| ["--filter", cell])).exits(0);
    let path = ended.path("run");
    (ended, path)
}

fn folder(run: &Path, cell: &str) -> PathBuf {
    run.join("cells").join(cell).join("0")
}

/// The report of the run must fail, and say this.
#[track_caller]
fn refused(run: &Path, says: &[&str]) {
    let from = run.to_str().unwrap();
    says.iter().fold(Run::new(["report", "--from", from]).exits(1), |ended, part| ended.says(part));
}

/// Cuts the journal to its header, so that nothing seems to have been written.
fn cut_journal(run: &Path) {
    let path = folder(run, CELLS[0]).join("journal");
    let bytes = fs::read(&path).unwrap();
    let mut header = bytes[..48].to_vec();
    // The fifth word counts the writes.
    header[32..40].fill(0);
    fs::write(path, header).unwrap();
}

fn exchange(run: &Path) {
    let [own, other] = [folder(run, CELLS[0]), folder(run, CELLS[2])];
    let kept = other.join("../../kept");
    fs::rename(&other, &kept).unwrap();
    fs::rename(&own, &other).unwrap();
    fs::rename(kept, own).unwrap();
}

fn deliver_another_line(run: &Path) {
    let path = folder(run, CELLS[0]).join("deliveries");
    let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
    fs::write(path, text.replacen("two", "owt", 1)).unwrap();
}

fn change_the_status(run: &Path) {
    let path = folder(run, CELLS[1]).join("facts.json");
    let mut facts: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    facts["capturer_exit"] = serde_json::json!({"code": 0});
    fs::write(path, facts.to_string()).unwrap();
}

#[rstest]
#[case::journal(cut_journal, CELLS[0])]
#[case::exchanged(exchange, "bytes/crlf")]
#[case::deliveries(deliver_another_line, CELLS[0])]
#[case::status(change_the_status, CELLS[1])]
fn a_recording_that_was_changed_is_refused_by_name(#[case] change: fn(&Path), #[case] cell: &str) {
    let (_ended, run) = run();
    change(&run);
    refused(&run, &["is not what was run", cell]);
}

#[test]
fn a_finished_cell_without_its_recording_is_an_error() {
    let (_ended, run) = run();
    fs::remove_dir_all(folder(&run, CELLS[3])).unwrap();
    refused(&run, &["is gone", CELLS[3]]);
}

#[test]
fn a_list_of_finished_cells_that_is_not_whole_is_an_error() {
    let (_ended, run) = run();
    let list = run.join("finished.jsonl");
    let text = fs::read_to_string(&list).unwrap();
    let three: String = text.lines().take(3).map(|line| format!("{line}\n")).collect();
    fs::write(&list, &three).unwrap();
    refused(&run, &["says that 4 cells were finished", "its list has 3"]);
    let first = text.lines().next().unwrap();
    fs::write(&list, format!("{three}{first}\n")).unwrap();
    refused(&run, &["lists it twice"]);
    fs::remove_file(&list).unwrap();
    refused(&run, &["its list has 0"]);
}

#[test]
fn a_run_that_was_killed_is_reported_as_far_as_it_came() {
    let (_ended, run) = run();
    // Such a run could neither say that it has ended nor how many cells it has finished.
    let mut killed = crun_capture::recording::Run::load(&run).unwrap();
    (killed.interrupted, killed.finished) = (true, None);
    killed.save(&run).unwrap();
    let list = run.join("finished.jsonl");
    let text = fs::read_to_string(&list).unwrap();
    let two: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
    // The last line was cut in the middle.
    fs::write(&list, format!("{two}{{\"runtime\":\"fa")).unwrap();
    let report = Run::new(["report", "--from", run.to_str().unwrap(), "--export-json", "-"]).exits(130).json();
    assert_eq!((&report["counts"]["cells"], &report["counts"]["skipped"]), (&4.into(), &2.into()));
}

#[test]
fn a_plan_that_was_changed_is_refused() {
    let (_ended, run) = run();
    let path = run.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to) in [("\"excused\": []", "\"excused\": [\"lost_bytes\"]"), ("\"seed\": ", "\"seed\": 1")] {
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        refused(&run, &["run.json is not what the run wrote"]);
    }
}

#[test]
fn a_run_of_an_older_version_is_refused_by_name() {
    let (_ended, run) = run();
    let path = run.join("run.json");
    let mut json: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["schema_version"] = 1.into();
    fs::write(&path, json.to_string()).unwrap();
    refused(&run, &["run.json", "version 1"]);
}

#[test]
fn each_of_several_filters_must_fit() {
    let filters = ["--filter", "fake/tee/exit-status/code-7", "--filter", "fake/tee/exit-stauts/code-1"];
    Run::compare_fake(filters).exits(2).says("contains \"fake/tee/exit-stauts/code-1\"");
}
