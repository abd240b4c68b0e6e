//! `compare --bundle`: runs the user's own bundle under every strategy, and never changes it.

use crate::run::{Ended, Run};
use crun_capture::bundle::{self, Contents, Flaw, OwnBundle, Rootfs};
use crun_capture::files;
use crun_capture::script::{Data, End, Lines, Script, Step};
use crun_capture_reactor::Stream;
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A user's bundle. The workload stands for the user's program, and what it writes for itself lies outside the bundle.
struct Own {
    directory: TempDir,
}

impl Own {
    fn new(script: &Script, flaw: Flaw) -> Own {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        files::make_directory(&path("bundle")).unwrap();
        let emit = Path::new(env!("CARGO_BIN_EXE_crun-capture-emit"));
        let rootfs = Rootfs::create(path("bundle/rootfs"), emit).unwrap();
        bundle::make_exchange(&path("exchange"), script).unwrap();
        let contents = Contents {
            rootfs: &rootfs,
            exchange: &path("exchange"),
            pid_namespace: true,
            user_namespace: !rustix::process::geteuid().is_root(),
            flaw,
            environment: &["MINE=1".to_owned()],
        };
        bundle::write(&path("made"), &contents).unwrap();
        if flaw != Flaw::MissingConfig {
            std::fs::rename(path("made/config.json"), path("bundle/config.json")).unwrap();
        }
        Own { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("bundle")
    }

    fn config(&self, change: impl FnOnce(&mut Value)) {
        let path = self.path().join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        change(&mut config);
        std::fs::write(&path, config.to_string()).unwrap();
    }

    fn compare(&self, more: &[&str]) -> Ended {
        let path = self.path();
        let words = ["compare", "--runtime", "fake", "--export-json", "-", "--bundle", path.to_str().unwrap()];
        Run::new(words.into_iter().chain(more.iter().copied())).ends()
    }
}

fn row<'a>(export: &'a Value, strategy: &str) -> &'a Value {
    let rows = export["rows"].as_array().unwrap();
    rows.iter().find(|row| row["strategy"] == strategy).unwrap_or_else(|| panic!("{strategy} is not in {rows:#?}"))
}

fn script() -> Script {
    let write = |stream, text: &str| Step::Write { stream, data: Data::Text(text.into()), piece_bytes: None };
    Script::new(1, End::Exit(7))
        .then(write(Stream::Stderr, "first\nsecond\n"))
        .then(write(Stream::Stdout, "one\r\ntwo\nno end"))
}

#[test]
fn every_strategy_is_held_against_the_files() {
    let own = Own::new(&script(), Flaw::None);
    let before = OwnBundle::open(&own.path()).unwrap().snapshot();
    let ended = own.compare(&["--strategy", "combined,buffered,scanner"]);
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    let export = ended.json();
    assert_eq!(export["rows"].as_array().unwrap().len(), 4, "the reference is run too");
    for strategy in ["combined", "buffered", "scanner", "file"] {
        assert_eq!(row(&export, strategy)["exit_code"], 7);
    }
    let held = |strategy: &str, origin: &str| row(&export, strategy)[origin]["held"].clone();
    assert_eq!((held("file", "stdout"), held("buffered", "stdout")), ("same".into(), "same".into()));
    assert_eq!((held("scanner", "stdout"), held("scanner", "stderr")), ("endings".into(), "same".into()));
    assert_eq!(row(&export, "buffered")["stdout"]["bytes"], 15);
    assert_eq!(held("combined", "merged"), "same");
    assert!(row(&export, "scanner")["first_delivery_ns"].is_u64());
    assert!(row(&export, "file")["first_delivery_ns"].is_null() && row(&export, "file")["cpu_ns"].is_u64());
    assert!(before.changed(&OwnBundle::open(&own.path()).unwrap().snapshot()).is_empty());
    assert_eq!(export["changed"], Value::Array(Vec::new()));
}

#[test]
fn what_loses_bytes_or_hangs_differs() {
    let long = Step::Write {
        stream: Stream::Stdout,
        data: Data::Fill { byte: b'x', length_bytes: 200_000 },
        piece_bytes: None,
    };
    let own = Own::new(&script().then(long), Flaw::None);
    let discards = "name = \"discards\"\nprogram = [\"sh\", \"-c\", 'shift; exec \"$@\" >/dev/null 2>&1', \"x\"]\n\
                    capabilities = [\"apart\"]\n";
    let declaration = own.directory.path().join("capturer.toml");
    std::fs::write(&declaration, discards).unwrap();
    let more = ["--strategy", "scanner,buffered", "--deadline", "2", "--capturer", declaration.to_str().unwrap()];
    let ended = own.compare(&more);
    assert_eq!(ended.code, Some(100), "{}\n{}", ended.stdout, ended.stderr);
    let export = ended.json();
    assert_eq!(
        (&row(&export, "discards")["differs"], &row(&export, "discards")["stderr"]["bytes"]),
        (&true.into(), &0.into())
    );
    let scanner = row(&export, "scanner");
    assert_eq!(
        (&scanner["differs"], &scanner["deadline_hit"], &scanner["exit_code"]),
        (&true.into(), &true.into(), &Value::Null)
    );
    assert_eq!(row(&export, "buffered")["differs"], false);
}

#[test]
fn a_bundle_that_asks_for_a_terminal_runs_without_one() {
    let own = Own::new(&script(), Flaw::None);
    own.config(|config| config["process"]["terminal"] = true.into());
    let before = std::fs::read(own.path().join("config.json")).unwrap();
    let ended = own.compare(&["--strategy", "buffered"]).says("asks for a terminal");
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(before, std::fs::read(own.path().join("config.json")).unwrap());
}

#[test]
fn output_that_is_new_each_time_is_told_so() {
    // Stamped lines carry the time.
    let script = Script::new(1, End::Exit(0)).then(Step::Lines(Lines::fast(&[Stream::Stdout], 20, 100)));
    let own = Own::new(&script, Flaw::None);
    let ended = own.compare(&["--strategy", "buffered"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert_eq!(row(&ended.json(), "buffered")["stdout"]["held"], "unknown");
}

#[test]
fn a_bundle_that_does_not_run_is_told_so() {
    let own = Own::new(&script(), Flaw::ExecutableNotFound);
    let ended = own.compare(&["--strategy", "buffered"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stdout);
    let error = row(&ended.json(), "buffered")["runtime_error"].as_str().unwrap().to_owned();
    assert!(error.contains("/no-such-program"), "{error}");
    let missing = Own::new(&script(), Flaw::MissingConfig);
    let ended = missing.compare(&[]).says("config.json: No such file");
    assert_eq!(ended.code, Some(1));
    assert_eq!(own.compare(&["--runtime", "bare"]).says("`bare` has none").code, Some(2));
}

#[test]
fn the_report_of_it_can_be_had_again() {
    let own = Own::new(&script(), Flaw::None);
    let path = own.path();
    let run = Run::new(["compare", "--runtime", "fake", "--strategy", "scanner", "--output", "run", "--bundle"]);
    let ended = run.with([path.to_str().unwrap()]).exits(0);
    assert!(ended.stdout.contains("same but for line ends"), "{}", ended.stdout);
    let again = Run::new(["report", "--from", ended.path("run").to_str().unwrap()]).exits(0);
    assert_eq!(again.stdout, ended.stdout);
}
