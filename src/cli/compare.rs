//! `compare`: runs the strategies on the runtimes, and compares what they do.

use super::export::Exports;
use super::prepare::{self, DEADLINE, DEADLINE_QUICK, Progress, worded};
use super::{complain, refuse_twice, unknown};
use anyhow::Context;
use crun_capture::capturer::Capturer;
use crun_capture::comparison::{Comparison, Expectations};
use crun_capture::experiment::{self, Experiment};
use crun_capture::plan::Selection;
use crun_capture::session::{self, Destination, Ran, Request, Runtimes};
use crun_capture::text::shell_word;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The runtimes: names, `all`, or LABEL=PATH for a program with crun's command line [default: crun,fake]
    #[arg(long, value_name = "RUNTIME", value_delimiter = ',')]
    pub(super) runtime: Vec<String>,
    /// The strategies [default: all]
    #[arg(long, value_name = "STRATEGY", value_delimiter = ',')]
    pub(super) strategy: Vec<String>,
    /// The experiments [default: all]
    #[arg(long, value_name = "EXPERIMENT", value_delimiter = ',')]
    pub(super) experiment: Vec<String>,
    /// Only cells whose id (runtime/strategy/experiment/case) contains this; may be repeated
    #[arg(long, value_name = "ID-PART")]
    pub(super) filter: Vec<String>,
    /// A capturer of your own, declared in TOML; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) capturer: Vec<PathBuf>,
    /// Run a bundle of your own with every strategy, instead of the experiments, and compare its output with what
    /// `file` captures
    #[arg(long, value_name = "DIR", conflicts_with_all = ["experiment", "filter", "quick", "expectations"])]
    pub(super) bundle: Option<PathBuf>,
    /// The time that a cell may take, in seconds [default: 10; with --quick 3, with --bundle 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) deadline: Option<u64>,
    /// How often to run each cell
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) runs: u32,
    /// Write fewer lines, leave out some cases, and shorten the deadline
    #[arg(long)]
    pub(super) quick: bool,
    /// The seed of the scripts and of the order of the cells [default: another one each time; the report says which]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// Fail if this runtime is missing, instead of skipping it
    #[arg(long, value_name = "RUNTIME", value_delimiter = ',', env = "CRUN_CAPTURE_REQUIRE")]
    pub(super) require: Vec<String>,
    /// The directory for the recordings [default: .crun-capture/UTC-SEED]
    #[arg(long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// Run N cells at once, except those that measure time [default: two per CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// A list of expected failures of your own, instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(super) expectations: Option<PathBuf>,
    #[command(flatten)]
    pub(super) exports: Exports,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let default = if arguments.quick { DEADLINE_QUICK } else { DEADLINE };
    let mut request = request(arguments, cells(arguments)?, default, jobs(arguments))?;
    request.capturers.push(Capturer::control(&prepare::own_path()?));
    // Errors in the plan and in the output paths show before anything runs.
    request.cells(&request.labels()).map_err(worded)?;
    arguments.exports.check()?;
    let host = prepare::host()?;
    let measured = session::measure(&request, &host, &Progress::default()).map_err(worded)?;
    host.close()?;
    let comparison = Comparison::new(measured.ran.run, &measured.findings, &request.expectations);
    arguments.exports.write(&comparison)?;
    tell_of_output(&measured.ran.output, measured.ran.not_latest.as_deref());
    Ok(comparison.exit_code)
}

/// The request that the arguments describe.
pub(super) fn request(
    arguments: &Arguments,
    selection: Selection,
    deadline: Duration,
    jobs: usize,
) -> anyhow::Result<Request> {
    let capturers = prepare::capturers(&arguments.capturer, &arguments.strategy)?;
    Ok(Request {
        runtimes: Runtimes::All(prepare::runtimes(&arguments.runtime, &arguments.require)?),
        expectations: expectations(arguments.expectations.as_deref(), &capturers)?,
        capturers,
        selection,
        runs: arguments.runs,
        quick: arguments.quick,
        seed: prepare::seed(arguments.seed),
        deadline: arguments.deadline.map_or(deadline, Duration::from_secs),
        jobs,
        output: arguments.output.clone().map_or(Destination::Default, Destination::Directory),
        repeat_options: repeat_options(&arguments.capturer, arguments.expectations.as_deref()),
    })
}

/// Says where the recordings are.
pub(super) fn tell_of_output(output: &Path, not_latest: Option<&str>) {
    if let Some(error) = not_latest {
        complain(error);
    }
    complain(&format!("recordings: {}", output.display()));
}

fn jobs(arguments: &Arguments) -> usize {
    arguments.jobs.map_or_else(Request::jobs_of_this_machine, usize::from)
}

/// The cells that the experiments and filters select.
fn cells(arguments: &Arguments) -> anyhow::Result<Selection> {
    if arguments.experiment.is_empty() && arguments.filter.is_empty() {
        return Ok(Selection::Everything);
    }
    let known: Vec<&str> = experiment::ALL.iter().map(|one| one.name).collect();
    let find = |name: &String| experiment::find(name).ok_or_else(|| unknown("experiment", name, &known));
    refuse_twice("experiment", arguments.experiment.iter().map(String::as_str))?;
    let experiments = arguments.experiment.iter().map(find).collect::<anyhow::Result<Vec<&'static Experiment>>>()?;
    Ok(Selection::Named { experiments, filters: arguments.filter.clone() })
}

/// The user's list of expected failures, or the built-in one.
pub(super) fn expectations(path: Option<&Path>, capturers: &[Capturer]) -> anyhow::Result<Expectations> {
    let text = match path {
        None => Expectations::built_in().to_owned(),
        Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
    };
    let names: Vec<String> = capturers.iter().map(|capturer| capturer.name.clone()).collect();
    Expectations::parse(&text, &names).with_context(|| {
        let path = path.unwrap_or(Path::new("the built-in expectations"));
        format!("cannot use {}", path.display())
    })
}

/// The options that name the files which a repeated cell needs, each by its full path.
pub(super) fn repeat_options(capturers: &[PathBuf], expectations: Option<&Path>) -> String {
    let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    let option = |name: &str, path: &Path| format!(" --{name} {}", shell_word(&full(path)));
    let capturers = capturers.iter().map(|path| option("capturer", path));
    capturers.chain(expectations.map(|path| option("expectations", path))).collect()
}

/// The exit code of an interrupted run. None: the run was not interrupted.
pub(super) fn interrupted(ran: &Ran) -> Option<u8> {
    ran.run.interrupted.then_some(130)
}
