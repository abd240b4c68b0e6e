//! `compare`: the main job. Plan, run, analyse, compare, report.

use super::export::Exports;
use super::own_bundle;
use super::prepare::{self, Host, Wanted};
use super::{Usage, complain, is_watched, nearest, refuse_twice, unknown};
use anyhow::Context;
use crun_capture::analysis::{self, Findings};
use crun_capture::bundle::write_private;
use crun_capture::capturer::{self, Capturer, SCHEMA_VERSION};
use crun_capture::comparison::{CapturerInfo, Comparison, Expectations, NotRun, Planned, Run, Said};
use crun_capture::experiment::{self, Experiment, Place, Size};
use crun_capture::plan::{Cell, Matrix};
use crun_capture::recording::{CellId, store};
use crun_capture::runtime::{Found, Unusable};
use crun_capture::strategy::{self, Capability};
use crun_capture::{machine, session};
use crun_capture_reactor::clock::now_ns;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long a cell may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The same with `--quick`.
const DEADLINE_QUICK: Duration = Duration::from_secs(3);

#[derive(clap::Args, Default)]
pub(super) struct Arguments {
    /// Runtimes: names, `all`, or LABEL=PATH of a program with crun's command line [default: crun,fake]
    #[arg(long, value_name = "RUNTIME", value_delimiter = ',')]
    pub(super) runtime: Vec<String>,
    /// Strategies [default: all]
    #[arg(long, value_name = "STRATEGY", value_delimiter = ',')]
    pub(super) strategy: Vec<String>,
    /// Experiments [default: all]
    #[arg(long, value_name = "EXPERIMENT", value_delimiter = ',')]
    pub(super) experiment: Vec<String>,
    /// Only cells whose id (runtime/strategy/experiment/case) contains this; may be given more than once
    #[arg(long, value_name = "ID-PART")]
    pub(super) filter: Vec<String>,
    /// A capturer of your own, declared in TOML; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(super) capturer: Vec<PathBuf>,
    /// A bundle of your own, in place of the experiments: every strategy runs it, held against what `file` captures
    #[arg(long, value_name = "DIR", conflicts_with_all = ["experiment", "filter", "quick", "expectations"])]
    pub(super) bundle: Option<PathBuf>,
    /// How long a cell may take, in seconds [default: 10; with --quick 3, with --bundle 60]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(super) deadline: Option<u64>,
    /// Run each cell so many times
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) runs: u32,
    /// Every case with fewer lines, and a shorter deadline
    #[arg(long)]
    pub(super) quick: bool,
    /// Determines the scripts and the order of the cells
    #[arg(long, default_value_t = 7)]
    pub(super) seed: u64,
    /// Fail when this runtime is missing, instead of skipping it
    #[arg(long, value_name = "RUNTIME", value_delimiter = ',', env = "CRUN_CAPTURE_REQUIRE")]
    pub(super) require: Vec<String>,
    /// Where the recordings go [default: .crun-capture/UTC-SEED]
    #[arg(long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// How many cells run at a time, of those that measure no time [default: two a CPU]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) jobs: Option<u16>,
    /// Expected failures of your own, in place of the built-in ones
    #[arg(long, value_name = "FILE")]
    pub(super) expectations: Option<PathBuf>,
    #[command(flatten)]
    pub(super) exports: Exports,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if let Some(path) = &arguments.bundle {
        return own_bundle::run(arguments, path);
    }
    let wanted = prepare::wanted(&arguments.runtime, &arguments.require)?;
    let capturers = capturers(arguments, &prepare::own_path()?)?;
    let plan = Plan::new(arguments, &wanted, capturers, &|_| true)?;
    arguments.exports.check()?;
    let host = prepare::host()?;
    let found = wanted.iter().map(|one| one.find(&host)).collect::<anyhow::Result<Vec<_>>>()?;
    let Measured { run, findings, output } = plan.measure(&host, &wanted, &found)?;
    host.close()?;
    let comparison = Comparison::new(run, &findings, &plan.expectations);
    arguments.exports.write(&comparison)?;
    complain(&format!("recordings: {}", output.display()));
    Ok(comparison.exit_code)
}

/// What is to be run, before anything is.
pub(super) struct Plan<'a> {
    arguments: &'a Arguments,
    capturers: Vec<Capturer>,
    pub(super) cells: Vec<Cell>,
    expectations_text: String,
    pub(super) expectations: Expectations,
}

/// What was run.
pub(super) struct Measured {
    pub(super) run: Run,
    pub(super) findings: HashMap<CellId, Findings>,
    pub(super) output: PathBuf,
}

impl Plan<'_> {
    /// The cells of these capturers that the arguments ask for and `takes` takes.
    pub(super) fn new<'a>(
        arguments: &'a Arguments,
        wanted: &[Wanted],
        capturers: Vec<Capturer>,
        takes: &dyn Fn(&Cell) -> bool,
    ) -> anyhow::Result<Plan<'a>> {
        let experiments = experiments(arguments)?;
        let expectations_text = expectations_text(arguments)?;
        let expectations = Expectations::parse(&expectations_text).with_context(|| {
            let path = arguments.expectations.as_deref().unwrap_or(Path::new("the built-in expectations"));
            format!("cannot use {}", path.display())
        })?;
        let labels: Vec<String> = wanted.iter().map(|one| one.label().to_owned()).collect();
        let matrix = Matrix {
            runtimes: &labels,
            capturers: &capturers,
            experiments: &experiments,
            filters: &arguments.filter,
            runs: arguments.runs,
            quick: arguments.quick,
            seed: arguments.seed,
        };
        let mut cells = matrix.cells();
        if cells.is_empty() {
            let all = Matrix { filters: &[], ..matrix }.cells();
            return Err(no_such_cell(&arguments.filter, &all));
        }
        let all = asks_for_all(arguments);
        cells.retain(|cell| takes(cell) && !(all && arguments.quick && cell.case.full_only));
        Ok(Plan { arguments, capturers, cells, expectations_text, expectations })
    }

    /// Runs all cells on the runtimes that were found. The host's directories are still there afterwards.
    pub(super) fn measure(
        &self,
        host: &Host,
        wanted: &[Wanted],
        found: &[Result<Found, Unusable>],
    ) -> anyhow::Result<Measured> {
        let output = output_directory(self.arguments)?;
        let mut run = describe(self.arguments, wanted, found, &self.capturers, &self.cells, &self.expectations_text);
        save(&run, &output)?;
        let start_ns = now_ns();
        let executed = self.execute(&mut run, found, host, &output);
        run.wall_ns = now_ns() - start_ns;
        // What went wrong first is what the user must know: a full disk fails here, too.
        let saved = save(&run, &output);
        let findings = executed?;
        saved?;
        Ok(Measured { run, findings, output })
    }

    fn execute(
        &self,
        run: &mut Run,
        found: &[Result<Found, Unusable>],
        host: &Host,
        output: &Path,
    ) -> anyhow::Result<HashMap<CellId, Findings>> {
        let pairs = self.cells.iter().zip(&run.plan);
        let runnable: Vec<_> =
            pairs.filter_map(|(cell, planned)| Some((cell.clone(), planned.expected.clone().ok()?))).collect();
        let progress = progress(runnable.len());
        let findings = Mutex::new(HashMap::new());
        // Cells name runtimes by place, so those that are missing keep theirs; no cell of theirs is run.
        let placed: Vec<Option<Found>> = found.iter().map(|found| found.as_ref().ok().cloned()).collect();
        let default = if self.arguments.quick { DEADLINE_QUICK } else { DEADLINE };
        let ran = session::run(
            runnable,
            &session::Options {
                runtimes: &placed,
                capturers: &self.capturers,
                output,
                emit: &host.programs.emit,
                scratch: &host.scratch,
                family: &host.family,
                deadline: self.arguments.deadline.map_or(default, Duration::from_secs),
                jobs: self.arguments.jobs.map_or(2 * run.machine.cpus, usize::from),
                seed: self.arguments.seed,
                interrupt: &host.interrupt,
                waits: &|cell| self.expectations.waits_for_deadline(&cell.id),
                recorded: &|recording| {
                    let found = analysis::findings(&recording);
                    findings.lock().unwrap_or_else(PoisonError::into_inner).insert(recording.facts.id, found);
                    progress.inc(1);
                },
            },
        );
        progress.finish_and_clear();
        let ran = ran.with_context(|| format!("the run ended early; its recordings are in {}", output.display()))?;
        run.interrupted = !ran.whole;
        run.left_behind = ran.left_behind;
        Ok(findings.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(super) fn capturers(arguments: &Arguments, own: &Path) -> anyhow::Result<Vec<Capturer>> {
    let known: Vec<&str> = strategy::ALL.iter().map(|one| one.name()).collect();
    let mut capturers = Vec::new();
    for path in &arguments.capturer {
        capturers.push(capturer::read_declaration(path)?);
    }
    for name in &arguments.strategy {
        let strategy = strategy::find(name).ok_or_else(|| unknown("strategy", name, &known))?;
        capturers.push(Capturer::built_in(strategy, own));
    }
    if capturers.is_empty() {
        capturers.extend(strategy::ALL.iter().map(|&one| Capturer::built_in(one, own)));
    }
    refuse_twice("capturer", capturers.iter().map(|one| one.name.as_str()))?;
    Ok(capturers)
}

fn experiments(arguments: &Arguments) -> anyhow::Result<Vec<&'static Experiment>> {
    let known: Vec<&str> = experiment::ALL.iter().map(|one| one.name).collect();
    if arguments.experiment.is_empty() {
        let takes = |one: &&Experiment| one.quick || !arguments.quick || !asks_for_all(arguments);
        return Ok(experiment::ALL.iter().copied().filter(takes).collect());
    }
    let find = |name: &String| experiment::find(name).ok_or_else(|| unknown("experiment", name, &known));
    refuse_twice("experiment", arguments.experiment.iter().map(String::as_str))?;
    arguments.experiment.iter().map(find).collect()
}

fn expectations_text(arguments: &Arguments) -> anyhow::Result<String> {
    match &arguments.expectations {
        None => Ok(Expectations::built_in().to_owned()),
        Some(path) => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// No id contains any of the filters: the nearest one helps.
fn no_such_cell(filters: &[String], all: &[Cell]) -> anyhow::Error {
    let ids: Vec<String> = all.iter().map(|cell| cell.id.to_string()).collect();
    let typed = filters.join(", ");
    let last = typed.rsplit('/').next().unwrap_or_default();
    let near = nearest(&typed, ids.iter().map(String::as_str))
        .or_else(|| nearest(last, all.iter().map(|cell| cell.id.case.as_str())));
    let hint = near.map(|near| format!("; the nearest is {near:?}")).unwrap_or_default();
    Usage(format!("no cell's id (runtime/strategy/experiment/case) contains {typed:?}{hint}")).into()
}

/// The run's directory, and the link `latest` beside it where it is the default one.
pub(super) fn output_directory(arguments: &Arguments) -> anyhow::Result<PathBuf> {
    let create = |path: &Path| {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot create the output directory {}", path.display()))
    };
    if let Some(path) = &arguments.output {
        create(path)?;
        if ["run.json", "bundle.json"].iter().any(|name| path.join(name).exists()) {
            let message = format!("{} holds a run already: name another directory", path.display());
            return Err(Usage(message).into());
        }
        let probe = path.join(".writable");
        let written = write_private(&probe, b"").and_then(|()| fs::remove_file(&probe));
        written.with_context(|| format!("cannot write into the output directory {}", path.display()))?;
        return Ok(path.canonicalize()?);
    }
    let parent = Path::new(".crun-capture");
    create(parent)?;
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
    let name = (0..).map(|copy| match copy {
        0 => format!("{stamp}-{}", arguments.seed),
        _ => format!("{stamp}-{}.{copy}", arguments.seed),
    });
    for name in name.take(1_000) {
        let path = parent.join(&name);
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => {
                link_latest(parent, &name);
                return Ok(path.canonicalize()?);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create the output directory {}", path.display()));
            }
        }
    }
    anyhow::bail!("cannot find a free name for a run in {}", parent.display())
}

/// Points `latest` at the newest run. It is a convenience: that it cannot be made is said, and no failure.
fn link_latest(parent: &Path, name: &str) {
    let (link, fresh) = (parent.join("latest"), parent.join(format!(".latest-{name}")));
    let linked = std::os::unix::fs::symlink(name, &fresh).and_then(|()| fs::rename(&fresh, &link));
    if let Err(error) = linked {
        complain(&format!("cannot link {}: {error}", link.display()));
    }
}

fn describe(
    arguments: &Arguments,
    wanted: &[Wanted],
    found: &[Result<Found, Unusable>],
    capturers: &[Capturer],
    cells: &[Cell],
    expectations: &str,
) -> Run {
    Run {
        schema_version: SCHEMA_VERSION,
        generated_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        tool: format!("crun-capture {}", env!("CARGO_PKG_VERSION")),
        machine: machine::this(),
        seed: arguments.seed,
        quick: arguments.quick,
        wall_ns: 0,
        interrupted: true,
        left_behind: Vec::new(),
        runtime_words: wanted.iter().map(|one| shell_word(&one.word())).collect(),
        other_words: other_words(arguments),
        runtimes: wanted.iter().zip(found).map(|(one, found)| one.info(found)).collect(),
        capturers: capturers.iter().map(capturer_info).collect(),
        expectations: expectations.to_owned(),
        left_out: left_out(arguments),
        plan: cells.iter().map(|cell| planned(cell, &found[cell.runtime], &capturers[cell.capturer])).collect(),
    }
}

/// Whether the user names nothing.
fn asks_for_all(arguments: &Arguments) -> bool {
    arguments.experiment.is_empty() && arguments.filter.is_empty()
}

/// What `--quick` does not take of all there is: experiments, and cases of others.
fn left_out(arguments: &Arguments) -> Vec<String> {
    if !(asks_for_all(arguments) && arguments.quick) {
        return Vec::new();
    }
    let size = Size { seed: arguments.seed, quick: true, syncs_each_line: false };
    let of = |one: &&Experiment| -> Vec<String> {
        if !one.quick {
            return vec![one.name.to_owned()];
        }
        let cases = (one.cases)(size).into_iter().filter(|case| case.full_only);
        let names: Vec<String> = cases.map(|case| case.name).collect();
        match names.as_slice() {
            [] => Vec::new(),
            [name] => vec![format!("{}/{name}", one.name)],
            names => vec![format!("{}/{{{}}}", one.name, names.join(","))],
        }
    };
    experiment::ALL.iter().flat_map(of).collect()
}

/// The files that a cell needs again, each by its full path.
fn other_words(arguments: &Arguments) -> String {
    let full = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned()).display().to_string();
    let capturers = arguments.capturer.iter().map(|path| format!(" --capturer {}", shell_word(&full(path))));
    let expectations = arguments.expectations.iter().map(|path| format!(" --expectations {}", shell_word(&full(path))));
    capturers.chain(expectations).collect()
}

/// A word as a shell takes it.
fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

pub(super) fn capturer_info(capturer: &Capturer) -> CapturerInfo {
    let row = capturer.built_in.and_then(strategy::spike_row);
    CapturerInfo {
        name: capturer.name.clone(),
        declares: Capability::ALL.into_iter().filter(|&one| capturer.declares.has(one)).collect(),
        said: row.map(|row| Said { live: row.real_time, apart: row.separation, file: row.file }),
        recommended: row.is_some_and(|row| row.recommended),
    }
}

/// What this runtime is, for what can be tried on it.
pub(super) fn place(found: &Found, capturer: &Capturer) -> Place {
    // A container with a terminal is created, and waited for by who gives it that.
    let created = found.runtime.is_oci() && capturer.needs.wants_terminal;
    Place {
        failure_code: found.runtime.is_oci().then_some(found.runtime.failure_code()),
        pid_namespace: found.has_pid_namespace(),
        limits_pids: found.pids_limit().is_some(),
        root: machine::is_root(),
        detached: found.runtime.detached() || created,
        runs_on: found.runtime.runs_on_without_pid_file() && !created,
    }
}

fn planned(cell: &Cell, found: &Result<Found, Unusable>, capturer: &Capturer) -> Planned {
    let declares = capturer.declares;
    let expected = match found {
        Err(unusable) => Err(NotRun::Skipped(unusable.reason.clone())),
        Ok(found) => cell.case.expected_end(place(found, capturer), declares).map_err(NotRun::Unsupported),
    };
    Planned {
        id: cell.id.clone(),
        expected,
        paced: cell.case.script.is_paced(),
        tries: cell.case.tries.clone(),
        excused: cell.case.excused(declares),
        excused_because: cell.case.excused_because(),
    }
}

fn save(run: &Run, output: &Path) -> anyhow::Result<()> {
    let (path, partial) = (output.join("run.json"), output.join("run.json.partial"));
    let saved = store::replace(&partial, &serde_json::to_vec_pretty(run)?).and_then(|()| fs::rename(&partial, &path));
    saved.with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn progress(cells: usize) -> ProgressBar {
    if !is_watched() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(cells as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} cells, {eta} left");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
