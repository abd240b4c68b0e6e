//! Every experiment × strategy × runtime as a test of its own, at the size of `--quick`: it ends as the expectations say.
//!
//! The list follows from the lists of the crate. A runtime that is missing shows as ignored.

mod support;

use crun_capture::{experiment, strategy};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (runtime, usable) in support::usable(&["crun", "runc", "youki", "fake", "bare"]) {
        for strategy in strategy::ALL {
            for experiment in experiment::ALL {
                let id = format!("{runtime}/{}/{}/", strategy.name(), experiment.name);
                let name = id.trim_end_matches('/').replace('/', "::");
                trials.push(Trial::test(name, move || check(runtime, &id)).with_ignored_flag(!usable));
            }
        }
    }
    // Each trial is a harness of its own, and one that hangs waits for its deadline.
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn check(runtime: &str, id: &str) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let output = support::crun_capture()
        .args(["compare", "--quick", "--runtime", runtime, "--filter", id])
        .current_dir(directory.path())
        .output()?;
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    match output.status.code() {
        Some(0) => Ok(()),
        // Nothing of it can be tried there: no pid namespace on `bare`, no file of a strategy that writes none.
        Some(4) if text[0].contains(" unsupported · 0 skipped") => Ok(()),
        code => Err(format!("exit code {code:?}\n{}\n{}", text[0], text[1]).into()),
    }
}
