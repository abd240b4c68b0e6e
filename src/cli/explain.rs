//! `explain`: runs one cell again and draws it.

use super::compare::{expectations, interrupted, repeat_options};
use super::prepare::{self, DEADLINE, DEADLINE_QUICK, Progress, worded};
use super::{Usage, complain};
use anyhow::Context;
use crun_capture::comparison::{Comparison, Facing, Outlook};
use crun_capture::experiment::{self, Conditions};
use crun_capture::plan::{Cell, Selection};
use crun_capture::recording::{NotRun, store};
use crun_capture::report::{Explained, write_explained};
use crun_capture::session::{self, Destination, Measured, Ran, Request, Runtimes};
use crun_capture::strategy;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

/// The deadline of a cell that is known to hang, in seconds. It would look the same with a longer one.
const HANGS_S: u64 = 1;

pub(super) const DETAILS: &str = "\
Examples:
  crun-capture explain crun/tee/long-line/65537
  crun-capture explain fake/task-log/late-reader/ended
  crun-capture explain mine/scanner/paced/1ms --runtime mine=/opt/crun/bin/crun";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The id of the cell, runtime/strategy/experiment/case, as `compare` prints it
    #[arg(value_name = "CELL-ID")]
    cell: String,
    /// The path of the runtime in the id: LABEL=PATH
    #[arg(long, value_name = "LABEL=PATH")]
    runtime: Option<String>,
    /// A capturer of your own, declared in TOML
    #[arg(long, value_name = "FILE")]
    capturer: Option<PathBuf>,
    /// Run the cell at full size, as `compare` does without --quick
    #[arg(long)]
    full: bool,
    /// The seed of the script [default: another one each time; the drawing says which]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The time that the cell may take, in seconds [default: 3; with --full 10; 1 if the cell is known to hang]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: Option<u64>,
    /// The width of the drawing, in columns
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(60..=400))]
    width: u16,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut request = request(arguments)?;
    let cells = request.cells(&request.labels()).map_err(worded)?;
    let cell = cells.first().context("a request without cells was refused")?;
    if cell.id.to_string() != arguments.cell {
        let message =
            format!("{:?} is only a part of an id: give a whole id, such as {:?}", arguments.cell, cell.id.to_string());
        return Err(Usage(message).into());
    }
    let Runtimes::All(wanted) = &request.runtimes else { unreachable!("a cell names its runtime") };
    let facing = Facing::new(&cell.id, wanted[0].runtime.name(), "");
    if arguments.deadline.is_none() && request.expectations.waits_for_deadline(&facing) {
        request.deadline = Duration::from_secs(HANGS_S);
    }
    let host = prepare::host()?;
    let Measured { ran, findings } = session::measure(&request, &host, &Progress::default()).map_err(worded)?;
    let planned = ran.run.plan.first().context("the run has one cell")?;
    let folder = store::folder(&ran.output, &planned.id);
    let recording = store::is_whole(&folder).then(|| store::read(&folder)).transpose()?;
    host.close()?;
    if let Err(NotRun::Unsupported(reason) | NotRun::Skipped(reason)) = &planned.expected {
        complain(&format!("{}: {reason}", arguments.cell));
        return Ok(4);
    }
    if let Some(code) = interrupted(&ran) {
        return Ok(code);
    }
    let recording = recording.context("the run has ended, but the recording of the cell is incomplete")?;
    let outlooks = outlooks(&request, &ran, cell)?;
    let comparison = Comparison::new(ran.run, &findings, &request.expectations);
    let explained = Explained {
        recording: &recording,
        comparison: &comparison,
        experiment: cell.experiment,
        outlooks: &outlooks,
        width: usize::from(arguments.width),
    };
    let mut stdout = BufWriter::new(anstream::stdout());
    write_explained(&explained, &mut stdout)?;
    stdout.flush()?;
    Ok(comparison.exit_code)
}

/// The request for one run of the cell. Its recording is drawn and not kept.
fn request(arguments: &Arguments) -> anyhow::Result<Request> {
    let parts: Vec<&str> = arguments.cell.split('/').collect();
    let [runtime, strategy, experiment, _] = parts.as_slice() else {
        let message = format!("{:?} does not name a cell: give runtime/strategy/experiment/case", arguments.cell);
        return Err(Usage(message).into());
    };
    if *runtime == "all" {
        return Err(Usage("a cell belongs to one runtime: name one instead of `all`".to_owned()).into());
    }
    let known: Vec<&str> = experiment::ALL.iter().map(|one| one.name).collect();
    let found = experiment::find(experiment).ok_or_else(|| super::unknown("experiment", experiment, &known));
    let runtime = arguments.runtime.clone().unwrap_or_else(|| (*runtime).to_owned());
    let names = if arguments.capturer.is_some() { Vec::new() } else { vec![(*strategy).to_owned()] };
    let files: Vec<PathBuf> = arguments.capturer.iter().cloned().collect();
    let capturers = prepare::capturers(&files, &names)?;
    let deadline = if arguments.full { DEADLINE } else { DEADLINE_QUICK };
    Ok(Request {
        runtimes: Runtimes::All(prepare::runtimes(&[runtime], &[])?),
        capturers: capturers.clone(),
        selection: Selection::Named { experiments: vec![found?], filters: vec![arguments.cell.clone()] },
        runs: 1,
        quick: !arguments.full,
        seed: prepare::seed(arguments.seed),
        deadline: arguments.deadline.map_or(deadline, Duration::from_secs),
        jobs: 1,
        expectations: expectations(None, &capturers)?,
        output: Destination::Discard,
        repeat_options: repeat_options(&files, None),
    })
}

/// What is expected of each strategy in place of this cell's.
fn outlooks(request: &Request, ran: &Ran, cell: &Cell) -> anyhow::Result<Vec<Outlook>> {
    let found = ran.runtimes[0].found.as_ref().ok().context("the cell has run")?;
    let conditions = Conditions::of(found, request.capturers[0].needs);
    let of = |one: &&dyn strategy::Strategy| {
        let expected = cell.case.expected_end(conditions, one.declares());
        let facing = Facing { strategy: one.name(), ..Facing::of(&cell.id, &ran.run) };
        request.expectations.outlook(&facing, expected.err())
    };
    Ok(strategy::ALL.iter().map(of).collect())
}
