//! The contract between a capturer and its runtime, as a table of cases: what crun does, and that the fake does the
//! same.
//!
//! Each case is played with a runtime, and what is seen must equal its fixture: `fixtures/crun/VERSION/CASE.txt`. The
//! trials `fake::CASE` need no crun. The trials `crun::CASE` compare the installed crun with the fixtures of its
//! version; with `UPDATE_CRUN=1` they write the fixtures instead. A fixture has a heading for every call. Below it
//! stands what was not empty: exit code, stdout, stderr, entries of the log, state directory, further files in the
//! bundle. If the fake differs on purpose, `fixtures/crun/differences.toml` says why. An entry without a difference
//! fails too.

mod case;
mod case_directory;
mod cases;
mod differences;
mod observation;
mod play;
mod runtime;
#[path = "../support/mod.rs"]
mod support;
mod terminal;

use case::Case;
use differences::Differences;
use libtest_mimic::{Arguments, Failed, Trial};
use observation::Observation;
use runtime::{CONTRACT, Runtime};
use similar::TextDiff;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    // The descriptors of whoever runs the tests (make has some) would show in the cases about descriptors.
    if let Err(error) = crun_capture::sys::close_on_exec_from(3) {
        tell(&format!("descriptors of the caller are handed on: {error}"));
    }
    let cases: &'static [Case] = cases::all().leak();
    let trials = [Runtime::Fake, Runtime::Crun].into_iter().flat_map(|runtime| trials(runtime, cases));
    let trials: Vec<Trial> = trials.chain([Trial::test("differences", || list_is_sound(cases))]).collect();
    tell(&format!("{} cases", cases.len()));
    // A case mostly waits for processes.
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A trial for each case. A case that cannot be played here shows as ignored, with the reason on stderr.
fn trials(runtime: Runtime, cases: &'static [Case]) -> Vec<Trial> {
    let version = version(runtime);
    if let Err(reason) = &version {
        tell(&format!("{}: not asked: {reason}", runtime.name()));
    }
    let trial = |case: &'static Case| {
        let refused = case.needs_root.filter(|_| Runtime::user_namespace());
        if let Some(reason) = refused {
            tell(&format!("{}::{}: ignored, only root can {reason}", runtime.name(), case.name));
        }
        let ignored = refused.is_some() || version.is_err() && !required(runtime);
        let version = version.clone();
        let name = format!("{}::{}", runtime.name(), case.name);
        Trial::test(name, move || check(case, runtime, &version?)).with_ignored_flag(ignored)
    };
    cases.iter().map(trial).collect()
}

/// The version of the contract that this runtime must keep, or why it is not tested.
fn version(runtime: Runtime) -> Result<String, String> {
    let version = runtime.version()?;
    if runtime == Runtime::Crun && !support::usable(&["crun"], &[])[0].1 {
        return Err("it does not work here; `crun-capture doctor` says why".to_owned());
    }
    let known = updating() || fixtures().join(&version).is_dir();
    if known { Ok(version) } else { Err(format!("there are no fixtures of version {version}")) }
}

fn required(runtime: Runtime) -> bool {
    let required = std::env::var("CRUN_CAPTURE_REQUIRE").unwrap_or_default();
    required.split(',').any(|name| name == runtime.name())
}

fn updating() -> bool {
    std::env::var_os("UPDATE_CRUN").is_some()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/crun")
}

fn differences() -> Result<Differences, Failed> {
    Ok(Differences::read(&fixtures().join("differences.toml"))?)
}

/// How often a case in which crun has a race is played at most.
const RACES_MAX: u32 = 10;

/// Checks the case. Repeats it if crun has lost a race of its own.
fn check(case: &Case, runtime: Runtime, version: &str) -> Result<(), Failed> {
    let times = if case.race.is_some() && runtime == Runtime::Crun { RACES_MAX } else { 1 };
    let mut checked = check_once(case, runtime, version);
    for _ in 1..times {
        if checked.is_ok() {
            break;
        }
        checked = check_once(case, runtime, version);
    }
    checked
}

/// Plays the case and compares what was seen with its fixture. With `UPDATE_CRUN=1` it writes the fixture instead.
fn check_once(case: &Case, runtime: Runtime, version: &str) -> Result<(), Failed> {
    let seen = play::play(case, runtime)?;
    let path = fixtures().join(version).join(format!("{}.txt", case.name));
    if updating() && runtime == Runtime::Crun {
        std::fs::create_dir_all(fixtures().join(version))?;
        std::fs::write(&path, seen.render())?;
        return Ok(());
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; UPDATE_CRUN=1 records it", path.display()))?;
    let expected = Observation::parse(&text);
    let allowed = if runtime == Runtime::Fake { differences()?.parts(case.name) } else { Vec::new() };
    let differing = seen.differing(&expected);
    if let Some(stale) = allowed.iter().find(|part| !differing.contains(part)) {
        return Err(format!("differences.toml says that `{stale}` differs, and it does not").into());
    }
    let (seen, expected) = (seen.without(&allowed).render(), expected.without(&allowed).render());
    if seen == expected {
        return Ok(());
    }
    let diff = TextDiff::from_lines(&expected, &seen);
    Err(format!("{}", diff.unified_diff().header("fixture", runtime.name())).into())
}

/// Checks that every entry of differences.toml is about an existing case, and that every fixture belongs to a case.
fn list_is_sound(cases: &[Case]) -> Result<(), Failed> {
    let known = |name: &str| cases.iter().any(|case| case.name == name);
    if let Some(unknown) = differences()?.cases().find(|name| !known(name)) {
        return Err(format!("differences.toml: there is no case {unknown}").into());
    }
    for (index, case) in cases.iter().enumerate() {
        if cases[..index].iter().any(|other| other.name == case.name) {
            return Err(format!("two cases are called {}", case.name).into());
        }
    }
    for entry in std::fs::read_dir(fixtures().join(CONTRACT))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if !known(&name) {
            return Err(format!("{} belongs to no case", path.display()).into());
        }
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a test program tells what it leaves out, and why")]
fn tell(text: &str) {
    eprintln!("contract: {text}");
}
