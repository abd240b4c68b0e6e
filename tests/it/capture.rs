//! `capture`, as a user calls it.

use crate::run::Run;
use predicates::prelude::*;
use rstest::rstest;
use serde_json::Value;

const BOTH_AND_7: &str = "echo a; echo b >&2; exit 7";

/// The same, but it ends only when both lines are in the files, because task-log loses what it has not read by the
/// exit.
const BOTH_IN_FILES_AND_7: &str = "echo a; echo b >&2; until [ -s out.log ] && [ -s err.log ]; do :; done; exit 7";

const FILES: [&str; 4] = ["--stdout-path", "out.log", "--stderr-path", "err.log"];

fn capture(strategy: &str, options: &[&str], script: &str) -> Run {
    Run::new(["capture", "--strategy", strategy]).with(options.iter().copied()).with(["--", "sh", "-c", script])
}

#[rstest]
fn both_lines_pass_through_and_the_summary_says_so(
    #[values("combined", "buffered", "scanner", "file", "tee", "task-log")] strategy: &str,
) {
    let run = match strategy {
        "task-log" => capture(strategy, &[&["--summary", "s.json"][..], &FILES].concat(), BOTH_IN_FILES_AND_7),
        _ => capture(strategy, &["--summary", "s.json"], BOTH_AND_7),
    };
    let ended = run.exits(7);
    let summary: Value = serde_json::from_slice(&std::fs::read(ended.path("s.json")).unwrap()).unwrap();
    assert_eq!((&summary["exit_code"], &summary["signal"]), (&7.into(), &Value::Null));
    assert_eq!(summary["strategy"], strategy);
    if strategy == "combined" {
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("a\nb\n", ""));
        assert_eq!(summary["merged"], serde_json::json!({"bytes": 4, "lines": 2, "lost_bytes": 0}));
    } else {
        assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("a\n", "b\n"));
        for stream in ["stdout", "stderr"] {
            assert_eq!(summary[stream], serde_json::json!({"bytes": 2, "lines": 1, "lost_bytes": 0}), "{stream}");
        }
    }
}

#[test]
fn a_signal_is_reported_as_a_shell_does_and_named_in_the_summary() {
    let ended = capture("scanner", &["--summary", "-", "--live", "none"], "kill -TERM $$").exits(143);
    assert_eq!((&ended.json()["exit_code"], &ended.json()["signal"]), (&143.into(), &15.into()));
}

#[test]
fn live_json_has_one_object_a_line() {
    let ended = capture("combined", &["--live", "json"], "printf 'a\\r\\nb'").exits(0);
    let objects: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 2);
    assert_eq!((&objects[0]["line"], &objects[0]["ending"]), (&"a".into(), &"crlf".into()));
    assert_eq!((&objects[1]["ending"], &objects[1]["arrival"]), (&"none".into(), &1.into()));
}

#[rstest]
#[case("file")]
#[case("tee")]
#[case("task-log")]
fn a_strategy_that_writes_files_writes_them_where_it_is_told(#[case] strategy: &str) {
    let ended = capture(strategy, &[&FILES[..], &["--live", "none"]].concat(), BOTH_IN_FILES_AND_7).exits(7);
    assert_eq!(std::fs::read_to_string(ended.path("out.log")).unwrap(), "a\n");
    assert_eq!(std::fs::read_to_string(ended.path("err.log")).unwrap(), "b\n");
}

#[test]
fn a_path_for_a_strategy_that_writes_no_file_is_noted_and_not_created() {
    let ended = capture("scanner", &["--stdout-path", "out.log"], BOTH_AND_7).exits(7);
    assert!(predicate::str::contains("scanner writes no files: out.log").eval(&ended.stderr));
    assert!(!ended.path("out.log").exists());
}

#[test]
fn a_path_that_is_not_there_cannot_be_handed_on() {
    let ended = capture("passthrough", &["--stdout-path", "out.fifo"], BOTH_AND_7).exits(125);
    let ended = ended.says("cannot open out.fifo for the output: there is nothing to hand on; make it (mkfifo)");
    assert!(!ended.path("out.fifo").exists(), "a file without a reader was made");
}

#[test]
fn a_command_that_cannot_be_run_has_its_own_codes() {
    Run::new(["capture", "--strategy", "tee", "--", "./no-such-program"]).exits(127).says("./no-such-program");
    Run::new(["capture", "--strategy", "tee", "--", "./plain"]).file("plain", "text").exits(126).says("./plain");
    let unwritable = ["capture", "--strategy", "file", "--stdout-path", "no/such/dir", "--", "true"];
    Run::new(unwritable).exits(125).says("no/such/dir");
}

#[test]
fn an_unknown_strategy_is_a_usage_error_with_the_nearest_name() {
    Run::new(["capture", "--strategy", "scaner", "--", "true"]).exits(2).says("scanner");
    Run::new(["capture", "--strategy", "tee"]).exits(2);
}

#[test]
fn the_protocol_is_kept_from_the_environment() {
    let run = || capture("scanner", &[], "true").env("CRUN_CAPTURE_PROTOCOL", "1");
    run().env("CRUN_CAPTURE_LIVE_FD", "977").exits(125).says("CRUN_CAPTURE_LIVE_FD=977");
    run().env("CRUN_CAPTURE_LIVE_FD", "x").exits(125).says("not a descriptor");
    capture("scanner", &[], "true").env("CRUN_CAPTURE_PROTOCOL", "2").exits(125).says("version 1");
    run().env("CRUN_CAPTURE_SUMMARY_FILE", "s.json").exits(0);
}

#[test]
fn the_rate_limit_of_the_spike_holds_lines_back() {
    let options = ["--line-interval-ns", "20000000", "--summary", "-", "--live", "none"];
    let script = "for i in 1 2 3 4 5; do echo $i; done; until [ \"$(grep -c . out.log)\" = 5 ]; do :; done";
    let summary = capture("task-log", &[&options[..], &FILES].concat(), script).exits(0).json();
    assert_eq!(summary["stdout"]["lines"], 5);
    assert!(summary["wall_ns"].as_u64().unwrap() >= 5 * 20_000_000, "{summary}");
}

#[rstest]
fn the_command_has_no_input_and_none_of_the_protocol_variables(
    #[values("combined", "buffered", "scanner", "file", "tee", "task-log")] strategy: &str,
) {
    let wait = if strategy == "task-log" { "until [ -s out.log ]; do :; done" } else { "true" };
    let options = if strategy == "task-log" { &FILES[..] } else { &[] };
    let script = format!("cat; env | grep -c ^CRUN_CAPTURE_; {wait}");
    let run = capture(strategy, options, &script).env("CRUN_CAPTURE_SUMMARY_FILE", "nowhere.json");
    assert_eq!(run.exits(0).stdout, "0\n");
}

#[test]
fn what_cannot_be_resumed_is_refused() {
    let paths = ["--stdout-path", "o", "--stderr-path", "e"];
    Run::new(["capture", "--strategy", "lines", "--resume", "0,0"]).with(paths).exits(2).says("cannot resume");
    Run::new(["capture", "--strategy", "follow", "--resume", "7"]).with(paths).exits(2).says("two numbers of bytes");
    let run = Run::new(["capture", "--strategy", "follow", "--resume", "9,0"]).with(paths);
    std::fs::write(run.directory().join("o"), "four").unwrap();
    std::fs::write(run.directory().join("e"), "").unwrap();
    run.exits(125).says("the offset to go on from is 9");
}

/// Runs a shell command with `$0` as the program, in a directory of its own. Returns the directory, the exit code and
/// the output.
fn shell(words: &str) -> (tempfile::TempDir, Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("sh");
    command.args(["-c", words]).arg(crate::run::program()).current_dir(directory.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (directory, output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

/// At each descriptor limit a strategy captures everything, or says in one line why it cannot.
#[test]
fn at_the_descriptor_limit_nothing_is_half_done() {
    for strategy in crun_capture::strategy::ALL.iter().filter(|strategy| !strategy.needs().needs_reader) {
        let name = strategy.name();
        let (mut captured, mut refused) = (0, 0);
        for limit in 4..=14 {
            let words = format!(
                "export TMPDIR=$PWD; ulimit -S -n {limit}; exec \"$0\" capture --strategy {name} --stdout-path o --stderr-path e -- \
                 sh -c 'ulimit -S -n 64; echo out; echo err >&2; exit 7'"
            );
            let (directory, code, said) = shell(&words);
            let entries = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let left: Vec<_> = entries.filter(|entry| entry != "o" && entry != "e").collect();
            assert!(left.is_empty(), "{name} at {limit} leaves {left:?}");
            match code {
                Some(7) => captured += 1,
                Some(125) => refused += 1,
                other => panic!("{name} at {limit}: {other:?}: {said}"),
            }
            // The architecture of the spike loses what it has not read by the exit.
            let whole = said.contains("out\n") && said.contains("err\n");
            assert!(code == Some(125) || whole || name == "task-log", "{name} at {limit}: {said}");
            assert!(code == Some(7) || said.contains("Too many open files"), "{name} at {limit}: {said}");
        }
        assert!(captured > 0 && refused > 0, "{name}: {captured} captured, {refused} refused");
    }
}

#[test]
fn a_reader_that_goes_does_not_take_an_independent_file_with_it() {
    let workload = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i + 1)); done; exit 7";
    let words = |files: &str| {
        format!("{{ \"$0\" capture --strategy splice {files} -- sh -c '{workload}'; echo $? > code; }} | head -n 1")
    };
    let (directory, _, said) = shell(&words("--stdout-path o --stderr-path e"));
    assert!(said.contains("line 0\n") && said.contains("consumer: "), "{said}");
    let read = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!((read("o").lines().count(), read("code").trim()), (20_000, "7"));
    // Without a file of the user there is nothing to stay for: the capturer dies of SIGPIPE like any filter.
    let (directory, _, said) = shell(&words(""));
    assert_eq!(std::fs::read_to_string(directory.path().join("code")).unwrap().trim(), "141", "{said}");
}

#[test]
fn a_file_that_may_grow_no_further_is_given_up_and_told() {
    let words = "ulimit -f 8; exec \"$0\" capture --strategy splice --stdout-path o --stderr-path e -- \
                 sh -c 'head -c 20000 /dev/zero; echo; echo end; exit 7'";
    let (directory, code, said) = shell(words);
    assert!(said.contains("the file is given up") && said.contains("end\n"), "{code:?} {said}");
    assert_eq!(code, Some(7));
    assert!(std::fs::metadata(directory.path().join("o")).unwrap().len() <= 8 * 1024);
}
