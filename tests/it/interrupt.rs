//! Ctrl-C and SIGTERM: the results so far are saved, and nothing is left behind.

use crate::run::{Run, program};
use crun_capture::process::descendants;
use rstest::rstest;
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A deadline that is long enough for any machine. To reach it is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

#[rstest]
#[case(libc::SIGINT)]
#[case(libc::SIGTERM)]
fn an_interrupted_run_saves_what_was_done_and_leaves_nothing(#[case] signal: i32) {
    let directory = tempfile::tempdir().unwrap();
    let temporary = directory.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    // Without --quick the cell that hangs does so for 10 s.
    let mut harness = Command::new(program())
        .args(["compare", "--runtime", "fake,bare", "--strategy", "scanner", "--output", "run"])
        .args(["--filter", "long-line/65537", "--filter", "exit-status/code-7"])
        .current_dir(directory.path())
        .env("TMPDIR", &temporary)
        .env_remove("CRUN_CAPTURE_REQUIRE")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let recorded = |cell: &str| directory.path().join("run/cells").join(cell).join("0/facts.json").exists();
    let short =
        ["fake", "bare"].map(|runtime| ["7", "77"].map(|code| format!("{runtime}/scanner/exit-status/code-{code}")));
    until("the short cells are recorded", || short.iter().flatten().all(|cell| recorded(cell)));
    // Two capturers, the fake's front process, and two workloads.
    until("both hanging cells run", || descendants(harness.id()).len() >= 5);
    let below = descendants(harness.id());
    let shared: Vec<_> = below.iter().filter_map(|process| cell_directory(process.pid)).collect();
    assert!(!shared.is_empty(), "the bare workload names its directory");
    let pid = rustix::process::Pid::from_child(&harness);
    rustix::process::kill_process(pid, rustix::process::Signal::from_named_raw(signal).unwrap()).unwrap();
    let mut table = String::new();
    std::io::Read::read_to_string(&mut harness.stdout.take().unwrap(), &mut table).unwrap();
    assert_eq!(harness.wait().unwrap().code(), Some(130));
    assert!(table.contains("The run was interrupted"), "{table}");
    for process in &below {
        assert!(!std::path::Path::new(&format!("/proc/{}", process.pid)).exists(), "{} is left", process.name);
    }
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "temporary files are left");
    assert!(shared.iter().all(|path| !path.exists()), "{shared:?} is left");
    let from = directory.path().join("run");
    let report = Run::new(["report", "--export-json", "-", "--from", from.to_str().unwrap()]).exits(130).json();
    let verdicts: Vec<&Value> = report["cells"].as_array().unwrap().iter().map(|cell| &cell["verdict"]).collect();
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == "pass").count(), 4);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == "skipped").count(), 2);
}

/// The directory of a workload that runs without a container: its only argument.
fn cell_directory(pid: u32) -> Option<std::path::PathBuf> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|&byte| byte == 0);
    let program = String::from_utf8_lossy(words.next()?).into_owned();
    let argument = String::from_utf8_lossy(words.next()?).into_owned();
    (program.ends_with("crun-capture-emit") && argument != "/exchange").then(|| argument.into())
}
