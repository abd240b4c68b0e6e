//! Every experiment × strategy × runtime is a test of its own, at the size of `--quick`: it must end as the
//! expectations say.
//!
//! The tests follow from the lists of the crate. On each runtime, one run of the harness measures all cells that were
//! asked for, and each test reads its own. `make test` tries crun and the fake, `make test-all` every runtime. A
//! missing runtime shows as ignored.

mod support;

use crun_capture::experiment;
use crun_capture::strategy;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// One run of the harness: what it is asked for, and its result.
struct Run {
    runtime: &'static str,
    strategies: BTreeSet<&'static str>,
    experiments: BTreeSet<&'static str>,
    /// The cells as JSON, or why there are none.
    result: OnceLock<Result<Vec<Value>, String>>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for (runtime, usable) in support::usable(&["crun", "fake"], &["runc", "youki", "bare"]) {
        let pairs = strategy::ALL.iter().flat_map(|one| experiment::ALL.iter().map(|other| (one.name(), other.name)));
        let pairs: Vec<(&str, &str)> =
            pairs.filter(|(one, other)| is_wanted(&arguments, &name(runtime, one, other))).collect();
        let run = Arc::new(Run {
            runtime,
            strategies: pairs.iter().map(|(strategy, _)| *strategy).collect(),
            experiments: pairs.iter().map(|(_, experiment)| *experiment).collect(),
            result: OnceLock::new(),
        });
        for (strategy, experiment) in pairs {
            let run = Arc::clone(&run);
            let trial = Trial::test(name(runtime, strategy, experiment), move || run.check(strategy, experiment));
            trials.push(trial.with_ignored_flag(!usable));
        }
    }
    // All tests of a runtime wait for the same run.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn name(runtime: &str, strategy: &str, experiment: &str) -> String {
    format!("{runtime}::{strategy}::{experiment}")
}

/// Whether the command line asks for this test, by the rules of libtest.
fn is_wanted(arguments: &Arguments, name: &str) -> bool {
    let fits = |pattern: &String| if arguments.exact { name == pattern } else { name.contains(pattern.as_str()) };
    arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
}

impl Run {
    fn check(&self, strategy: &str, experiment: &str) -> Result<(), Failed> {
        let cells = self.cells().map_err(Failed::from)?;
        let own: Vec<&Value> =
            cells.iter().filter(|cell| cell["strategy"] == strategy && cell["experiment"] == experiment).collect();
        if own.is_empty() {
            return Err("the run has no such cell".into());
        }
        let unexpected: Vec<String> =
            own.iter().filter(|cell| cell["expected"] != true).map(|cell| format!("{cell:#}")).collect();
        let skipped = own.iter().filter(|cell| cell["verdict"] == "skipped").count();
        match (unexpected.as_slice(), skipped) {
            ([], 0) => Ok(()),
            ([], _) => Err(format!("{skipped} cells were not run").into()),
            (unexpected, _) => Err(unexpected.join("\n").into()),
        }
    }

    /// All cells of the run. It takes place once.
    fn cells(&self) -> Result<&Vec<Value>, String> {
        // One run at a time, because each uses the whole machine.
        static ALONE: Mutex<()> = Mutex::new(());
        self.result
            .get_or_init(|| {
                let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
                self.run()
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    fn run(&self) -> Result<Vec<Value>, String> {
        let list = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(",");
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = support::crun_capture()
            .args(["compare", "--quick", "--export-json", "-", "--runtime", self.runtime])
            .args(["--strategy", &list(&self.strategies), "--experiment", &list(&self.experiments)])
            .current_dir(directory.path())
            .output()
            .map_err(|error| error.to_string())?;
        let export: Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
        export["cells"].as_array().cloned().ok_or_else(|| "the export has no cells".to_owned())
    }
}
