//! What the test programs with a `main` of their own share: which runtimes this machine has.

use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// A program of this package. Cargo names its path in the environment; whoever runs a copy of the tests names that of the copy.
pub(crate) fn program(variable: &str, built: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| built.into(), PathBuf::from)
}

/// The program under test, without what the environment would require of it.
pub(crate) fn crun_capture() -> Command {
    let mut command = Command::new(program("CARGO_BIN_EXE_crun-capture", env!("CARGO_BIN_EXE_crun-capture")));
    command.env_remove("CRUN_CAPTURE_REQUIRE");
    command
}

/// Those of `runtimes` that work here, or that `CRUN_CAPTURE_REQUIRE` names: a test on one that is required and missing
/// fails, and on any other it shows as ignored.
pub(crate) fn usable(runtimes: &[&'static str]) -> Vec<(&'static str, bool)> {
    let required = std::env::var("CRUN_CAPTURE_REQUIRE").unwrap_or_default();
    let output = crun_capture().args(["doctor", "--format", "json"]).output();
    let diagnosis: Value =
        output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok()).unwrap_or_default();
    let found = diagnosis["runtimes"].as_array().cloned().unwrap_or_default();
    let works = |name: &str| found.iter().any(|one| one["name"] == name && one["skipped"].is_null());
    runtimes.iter().map(|&name| (name, works(name) || required.split(',').any(|one| one == name))).collect()
}
