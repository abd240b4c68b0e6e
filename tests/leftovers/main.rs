//! Nothing is left behind by a run that is killed, interrupted or panics, in any of its phases, on the fake and on real
//! crun.
//!
//! This program has two roles. `cargo test` calls it, and it starts a warden for each trial. With `--warden` it is a
//! warden: a subreaper with one harness, so that whatever the harness leaves is a child of the warden.
//! `CRUN_CAPTURE_KILLS=N` makes N runs per runtime, instead of one for each phase and each way of ending.

#[path = "../support/mod.rs"]
mod support;
mod warden;

use crun_capture::phase::Phase;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::{Command, ExitCode};

/// The ways of ending a run.
const WAYS: [&str; 4] = ["kill", "int", "term", "panic"];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, runtime, phase, way] = words.as_slice()
        && first == "--warden"
    {
        return warden::run(runtime, phase, way);
    }
    let mut trials = Vec::new();
    for (runtime, usable) in support::usable(&["fake", "crun"], &["crun-detached", "runc", "bare"]) {
        for (phase, way, number) in plan() {
            let name = format!("{runtime}::{phase}::{way}{number}");
            trials.push(Trial::test(name, move || watched(runtime, phase, way)).with_ignored_flag(!usable));
        }
        for phase in ["whole", "deadline", "failure", "capturer-killed", "many"] {
            let name = format!("{runtime}::{phase}");
            trials.push(Trial::test(name, move || watched(runtime, phase, "end")).with_ignored_flag(!usable));
        }
        for strategy in warden::strategies() {
            let name = format!("{runtime}::{strategy}::kill");
            trials.push(Trial::test(name, move || watched(runtime, strategy, "kill")).with_ignored_flag(!usable));
        }
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Every phase with every way of ending, repeated if there must be more trials.
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
