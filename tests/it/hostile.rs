//! A hostile workload, bundle or recording reaches neither the terminal nor anything outside the run's directory.

use crate::run::Run;
use crun_capture::bundle::{self, Contents, Flaw, Rootfs};
use crun_capture::files;
use crun_capture::script::{Data, End, Script, Step};
use crun_capture_reactor::Stream;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use tempfile::TempDir;

const ESCAPES: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}<script>]]>";

/// A bundle whose workload plays `script`.
fn own_bundle(script: &Script) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let rootfs = Rootfs::create(path("rootfs"), Path::new(env!("CARGO_BIN_EXE_crun-capture-emit"))).unwrap();
    bundle::make_exchange(&path("exchange"), script).unwrap();
    let contents = Contents {
        rootfs: &rootfs,
        exchange: &path("exchange"),
        pid_namespace: true,
        user_namespace: false,
        flaw: Flaw::None,
        environment: &[],
    };
    bundle::write(&path("bundle"), &contents).unwrap();
    directory
}

/// Asserts that a text has no control character except the end of a line.
#[track_caller]
fn is_plain(text: &str) {
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert!(control.is_none(), "{control:?} is in {text:?}");
}

#[test]
fn a_line_of_100_mb_is_held_to_the_byte() {
    let line = |stream, byte| Step::Write {
        stream,
        data: Data::Fill { byte, length_bytes: 100_000_000 },
        piece_bytes: Some(1 << 16),
    };
    let directory = own_bundle(&Script::new(1, End::Exit(3)).then(line(Stream::Stdout, b'x')));
    let bundle = directory.path().join("bundle");
    let words = ["compare", "--runtime", "fake", "--strategy", "buffered", "--export-json", "-", "--bundle"];
    let export = Run::new(words).with([bundle.to_str().unwrap()]).exits(0).json();
    for row in export["rows"].as_array().unwrap() {
        assert_eq!((&row["exit_code"], &row["stdout"]["bytes"]), (&3.into(), &100_000_000.into()));
        assert_eq!(row["stdout"]["held"], "same", "{row:#}");
    }
}

#[test]
fn a_bundle_cannot_steer_the_terminal() {
    let directory = own_bundle(&Script::new(1, End::Exit(0)));
    let bundle = directory.path().join("bundle");
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["process"]["args"] = serde_json::json!([format!("/{ESCAPES}")]);
    fs::write(&path, config.to_string()).unwrap();
    let words = ["compare", "--runtime", "fake", "--strategy", "file", "--bundle"];
    let ended = Run::new(words).with([bundle.to_str().unwrap()]).exits(4);
    assert!(ended.stdout.contains("owned"), "the runtime's message names the program: {}", ended.stdout);
    is_plain(&ended.stdout);
    is_plain(&ended.stderr);
}

#[test]
fn what_a_workload_writes_is_in_no_report() {
    let words =
        ["compare", "--quick", "--runtime", "fake,bare", "--experiment", "hostile", "--strategy", "tee,buffered"];
    let exports = ["--export-markdown", "a.md", "--export-csv", "a.csv", "--export-json", "a.json"];
    let ended = Run::new(words.into_iter().chain(exports)).exits(0);
    let texts = ["a.md", "a.csv", "a.json"].map(|name| fs::read_to_string(ended.path(name)).unwrap());
    for text in texts.iter().chain([&ended.stdout, &ended.stderr]) {
        is_plain(text);
        assert!(!text.contains("<script>") && !text.contains("]]>"), "{text}");
    }
    let export: Value = serde_json::from_str(&texts[2]).unwrap();
    let storm =
        export["cells"].as_array().unwrap().iter().find(|cell| cell["id"] == "fake/tee/hostile/fork-storm").unwrap();
    if storm["verdict"] == "pass" {
        let limit = storm["findings"]["pids_limit"].as_str();
        assert!(matches!(limit, Some("cgroup" | "rlimit")), "the findings say what stopped it: {limit:?}");
    } else {
        assert_eq!(storm["verdict"], "unsupported", "{storm:#}");
    }
}

/// All paths below `folder`.
fn below(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { [vec![path.clone()], below(&path)].concat() } else { vec![path] })
        .collect()
}

#[test]
fn what_a_run_keeps_is_for_its_user_alone() {
    let run = Run::compare_fake(["--filter", "interleave/in-turn", "--output", "run"]);
    let ended = run.exits(0);
    let paths = below(&ended.path("run"));
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths.iter().chain([&ended.path("run")]) {
        let mode = path.metadata().unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[test]
fn a_link_in_the_place_of_a_recording_is_not_followed() {
    let directory = tempfile::tempdir().unwrap();
    let (target, link) = (directory.path().join("target"), directory.path().join("link"));
    fs::write(&target, "mine").unwrap();
    symlink(&target, &link).unwrap();
    assert!(crun_capture::files::replace(&link, b"theirs").is_err());
    assert!(crun_capture::files::read_regular(&link).is_err());
    assert!(crun_capture::script::journal::Journal::read(&link).is_err());
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
}

#[test]
fn a_run_cannot_name_folders_outside_of_itself() {
    let run = Run::compare_fake(["--filter", "file/exit-status/code-7", "--output", "run"]).exits(0);
    let path = run.path("run/run.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"code-7\"", "\"../../../../../elsewhere\"")).unwrap();
    Run::new(["report", "--from", run.path("run").to_str().unwrap()]).exits(1).says("elsewhere");
}

/// A directory that looks like that of a dead run, with `handle` in place of a container's handle.
fn dead_run(parent: &Path, suffix: &str, handle: impl FnOnce(&Path)) -> std::path::PathBuf {
    let path = parent.join(format!("crun-capture-{:016x}{suffix}", fastrand::u64(..)));
    files::make_directory(&path).unwrap();
    files::make_directory(&path.join("cc-x")).unwrap();
    handle(&path.join("cc-x/container.json"));
    path
}

#[test]
fn what_a_workload_left_in_its_directory_is_not_executed_by_the_next_start() {
    let run = Run::new(["doctor"]);
    let owned = run.directory().join("owned");
    let words = ["/bin/sh", "-c", "touch \"$0\"", owned.to_str().unwrap()].map(std::ffi::OsString::from);
    let plant = |path: &Path| {
        let state_root = path.parent().unwrap().join("state");
        fs::create_dir_all(state_root.join("x")).unwrap();
        let handle = serde_json::json!({ "words": words.iter().map(|word| serde_json::to_value(word).unwrap()).collect::<Vec<_>>(), "state_root": state_root, "id": "x" });
        fs::write(path, handle.to_string()).unwrap();
    };
    // Workloads write below TMPDIR if that is the only place. The usual one is /dev/shm.
    let temporary = run.directory().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let planted = dead_run(&temporary, "-cells", plant);
    let ended = run.env("TMPDIR", temporary.to_str().unwrap()).exits(0).says("removed what a killed run had left");
    assert!(!owned.exists() && !planted.exists(), "{}", ended.stderr);
}

#[test]
fn a_fifo_in_the_place_of_a_handle_holds_nobody_up() {
    let run = Run::new(["doctor"]);
    let temporary = run.directory().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let planted = dead_run(&temporary, "", |path| rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap());
    let ended = run.env("TMPDIR", temporary.to_str().unwrap()).exits(0).says("removed what a killed run had left");
    assert!(!planted.exists(), "{}", ended.stderr);
}
