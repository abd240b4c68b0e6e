//! Every experiment × strategy × runtime is a test of its own, at the size of `--quick`: it must end as the
//! expectations say.
//!
//! The tests follow from the lists of the crate. One run of the harness measures all cells that were asked for, and each
//! test reads its own. `make test` tries crun and the fake, `make test-all` every runtime. A
//! missing runtime shows as ignored.

mod support;

use crun_capture::experiment;
use crun_capture::strategy;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

/// One run of the harness: what it is asked for, and its result.
#[derive(Default)]
struct Run {
    runtimes: BTreeSet<&'static str>,
    strategies: BTreeSet<&'static str>,
    experiments: BTreeSet<&'static str>,
    /// The cells as JSON, or why there are none.
    result: OnceLock<Result<Vec<Value>, String>>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let runtimes = support::usable(&["crun", "fake"], &["runc", "youki", "bare"]);
    let mut run = Run::default();
    let mut asked_for = Vec::new();
    for &(runtime, usable) in &runtimes {
        for (strategy, experiment) in
            strategy::ALL.iter().flat_map(|&one| experiment::ALL.iter().map(move |&other| (one.name(), other.name)))
        {
            let name = format!("{runtime}::{strategy}::{experiment}");
            if !is_wanted(&arguments, &name) {
                continue;
            }
            if usable {
                run.runtimes.insert(runtime);
                run.strategies.insert(strategy);
                run.experiments.insert(experiment);
            }
            asked_for.push((name, usable, [runtime, strategy, experiment]));
        }
    }
    let run = Arc::new(run);
    let trials = asked_for.into_iter().map(|(name, usable, place)| {
        let run = Arc::clone(&run);
        Trial::test(name, move || run.check(place)).with_ignored_flag(!usable)
    });
    let trials = trials.collect();
    // All tests wait for the same run.
    arguments.test_threads.get_or_insert(1);
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Whether the command line asks for this test, by the rules of libtest.
fn is_wanted(arguments: &Arguments, name: &str) -> bool {
    let fits = |pattern: &String| if arguments.exact { name == pattern } else { name.contains(pattern.as_str()) };
    arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
}

impl Run {
    fn check(&self, [runtime, strategy, experiment]: [&str; 3]) -> Result<(), Failed> {
        let cells = self.cells().map_err(Failed::from)?;
        let is_own = |cell: &&Value| {
            cell["runtime"] == runtime && cell["strategy"] == strategy && cell["experiment"] == experiment
        };
        let own: Vec<&Value> = cells.iter().filter(is_own).collect();
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
        self.result.get_or_init(|| self.run()).as_ref().map_err(Clone::clone)
    }

    fn run(&self) -> Result<Vec<Value>, String> {
        let list = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(",");
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = support::crun_capture()
            .args(["compare", "--quick", "--export-json", "-", "--runtime", &list(&self.runtimes)])
            .args(["--strategy", &list(&self.strategies), "--experiment", &list(&self.experiments)])
            .current_dir(directory.path())
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stderr);
        // 100 is an unexpected cell, which fails its own test.
        if !matches!(output.status.code(), Some(0 | 100)) {
            return Err(format!("{}: {said}", output.status));
        }
        let export: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {said}"))?;
        export["cells"].as_array().cloned().ok_or_else(|| "the export has no cells".to_owned())
    }
}
