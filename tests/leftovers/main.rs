//! Nothing is left behind: a run that is killed, interrupted or panics, in any of its phases, on the fake and on real crun.
//!
//! This program is both: called by `cargo test`, it starts a warden for each trial; called with `--warden`, it is one: a
//! subreaper with one harness, so that whatever that leaves is a child of its own. `CRUN_CAPTURE_KILLS=N` makes N runs a
//! runtime in place of one for each phase and way of ending.

#[path = "../support/mod.rs"]
mod support;
mod warden;

use crun_capture::phase::Phase;
use libtest_mimic::{Arguments, Failed, Trial};
use std::io::{self, Write};
use std::process::{Command, ExitCode};

/// How a run is ended.
const WAYS: [&str; 4] = ["kill", "int", "term", "panic"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, runtime, phase, way] = words.as_slice()
        && first == "--warden"
    {
        return warden::run(runtime, phase, way);
    }
    let mut trials = Vec::new();
    for (runtime, usable) in support::usable(&["fake", "crun", "crun-detached", "runc", "bare"]) {
        for (phase, way, number) in plan() {
            let name = format!("{runtime}::{phase}::{way}{number}");
            trials.push(Trial::test(name, move || watched(runtime, phase, way)).with_ignored_flag(!usable));
        }
        for phase in ["whole", "deadline", "failure", "capturer-killed", "many"] {
            let name = format!("{runtime}::{phase}");
            trials.push(Trial::test(name, move || watched(runtime, phase, "end")).with_ignored_flag(!usable));
        }
        for strategy in warden::STRATEGIES {
            let name = format!("{runtime}::{strategy}::kill");
            trials.push(Trial::test(name, move || watched(runtime, strategy, "kill")).with_ignored_flag(!usable));
        }
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    let before = warden::outside();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // A trial knows the ids of the runs that it has held; what the others have left shows when all have ended.
    let left: Vec<String> =
        warden::outside().into_iter().filter(|name| is_ours(name) && !before.contains(name)).collect();
    if !left.is_empty() {
        writeln!(io::stderr(), "leftovers: outside of any directory of the trials there is left: {left:?}")
            .expect("it is open");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// Directories of a run in memory, and the control groups of its containers.
fn is_ours(name: &str) -> bool {
    name.contains("crun-capture-") || name.contains("/cc-")
}

/// Every phase with every way, as often as it takes.
fn plan() -> Vec<(&'static str, &'static str, String)> {
    let each = Phase::ALL.iter().flat_map(|phase| WAYS.map(|way| (phase.name(), way)));
    let wanted = std::env::var("CRUN_CAPTURE_KILLS").ok().and_then(|number| number.parse().ok());
    let count = wanted.unwrap_or(Phase::ALL.len() * WAYS.len());
    let numbered = each.cycle().take(count).enumerate();
    numbered.map(|(at, (phase, way))| (phase, way, wanted.map(|_| format!("::{at}")).unwrap_or_default())).collect()
}

fn watched(runtime: &str, phase: &str, way: &str) -> Result<(), Failed> {
    let output = Command::new(std::env::current_exe()?).args(["--warden", runtime, phase, way]).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}
