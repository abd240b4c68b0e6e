//! Shared code of the test programs with a `main` of their own: which runtimes this machine has.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// The path of a program of this package. Cargo sets it in the environment. Whoever runs a copy of the tests sets the
/// path of the copy.
pub(crate) fn program(variable: &str, built: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| built.into(), PathBuf::from)
}

/// The program under test, without the runtimes that the environment requires.
pub(crate) fn crun_capture() -> Command {
    let mut command = Command::new(program("CARGO_BIN_EXE_crun-capture", env!("CARGO_BIN_EXE_crun-capture")));
    command.env_remove("CRUN_CAPTURE_REQUIRE");
    command
}

/// The runtimes that a test program tries: `always`, and also the `others` if all tests run (`make test-all`,
/// CRUN_CAPTURE_TEST=all). Each comes with whether it works here or is named by `CRUN_CAPTURE_REQUIRE`. A test on a
/// runtime that is required but missing fails. On any other missing runtime it shows as ignored.
pub(crate) fn usable(always: &[&'static str], others: &[&'static str]) -> Vec<(&'static str, bool)> {
    let all = std::env::var("CRUN_CAPTURE_TEST").is_ok_and(|wanted| wanted == "all");
    let runtimes = [always, if all { others } else { &[] }].concat();
    let required = std::env::var("CRUN_CAPTURE_REQUIRE").unwrap_or_default();
    let output = crun_capture().args(["doctor", "--format", "json"]).output();
    let diagnosis: Value =
        output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default();
    let found = diagnosis["runtimes"].as_array().cloned().unwrap_or_default();
    let works = |name: &str| found.iter().any(|one| one["name"] == name && one["skipped"].is_null());
    let usable = |name: &'static str| (name, works(name) || required.split(',').any(|one| one == name));
    runtimes.into_iter().map(usable).collect()
}
