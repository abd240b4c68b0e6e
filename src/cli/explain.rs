//! `explain`: runs one cell again and draws it.

use super::compare::{Arguments as Compare, Plan, place};
use super::prepare;
use super::{Usage, complain};
use anyhow::Context;
use crun_capture::capturer::{self, Capturer};
use crun_capture::comparison::{Comparison, NotRun, Outlook};
use crun_capture::experiment;
use crun_capture::recording::store;
use crun_capture::report::{Explained, write_explained};
use crun_capture::strategy;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

/// A cell that is known to hang is given up after a second: longer it looks the same.
const HANGS_S: u64 = 1;

pub(super) const DETAILS: &str = "\
Examples:
  crun-capture explain crun/tee/long-line/65537
  crun-capture explain fake/task-log/late-reader/ended
  crun-capture explain mine/scanner/paced/1ms --runtime mine=/opt/crun/bin/crun";

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// runtime/strategy/experiment/case, as `compare` prints it
    #[arg(value_name = "CELL-ID")]
    cell: String,
    /// Where the runtime of that name is: LABEL=PATH
    #[arg(long, value_name = "LABEL=PATH")]
    runtime: Option<String>,
    /// A capturer of your own, declared in TOML
    #[arg(long, value_name = "FILE")]
    capturer: Option<PathBuf>,
    /// As large as without --quick
    #[arg(long)]
    full: bool,
    /// Determines the script
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How long it may take, in seconds [default: 3, and 1 where it is known to hang]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    deadline: Option<u64>,
    /// How wide the drawing is, in columns
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(60..=400))]
    width: u16,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let parts: Vec<&str> = arguments.cell.split('/').collect();
    let [runtime, name, experiment, _] = parts.as_slice() else {
        let message = format!("{:?} is no id of a cell: runtime/strategy/experiment/case", arguments.cell);
        return Err(Usage(message).into());
    };
    if *runtime == "all" {
        return Err(Usage("a cell is of one runtime: name it".to_owned()).into());
    }
    let wanted = prepare::wanted(&[arguments.runtime.clone().unwrap_or_else(|| (*runtime).to_owned())], &[])?;
    let own = prepare::own_path()?;
    let capturer = match &arguments.capturer {
        Some(path) => capturer::read_declaration(path)?,
        None => {
            let known: Vec<&str> = strategy::ALL.iter().map(|one| one.name()).collect();
            let found = strategy::find(name).ok_or_else(|| super::unknown("strategy", name, &known))?;
            Capturer::built_in(found, &own)
        }
    };
    let mut compare = Compare {
        filter: vec![arguments.cell.clone()],
        experiment: vec![(*experiment).to_owned()],
        runs: 1,
        quick: !arguments.full,
        seed: arguments.seed,
        deadline: arguments.deadline,
        ..Compare::default()
    };
    let probe = Plan::new(&compare, &wanted, vec![capturer.clone()], &|_| true)?;
    let cell = probe.cells.first().context("a plan without cells was refused")?;
    if cell.id.to_string() != arguments.cell {
        let message = format!("{:?} is part of an id; the first one is {:?}", arguments.cell, cell.id.to_string());
        return Err(Usage(message).into());
    }
    if compare.deadline.is_none() && probe.expectations.waits_for_deadline(&cell.id) {
        compare.deadline = Some(HANGS_S);
    }
    let host = prepare::host()?;
    let found = wanted.iter().map(|one| one.find(&host)).collect::<anyhow::Result<Vec<_>>>()?;
    let place = match &found[0] {
        Ok(found) => place(found, &capturer),
        Err(unusable) => {
            complain(&format!("{runtime} does not work here: {}", unusable.reason));
            return Ok(4);
        }
    };
    // What is drawn is not kept.
    compare.output = Some(host.scratch.disk().join("recordings"));
    let plan = Plan::new(&compare, &wanted, vec![capturer], &|cell| cell.id.run == 0)?;
    let measured = plan.measure(&host, &wanted, &found)?;
    let planned = measured.run.plan.first().context("the plan has one cell")?;
    let folder = store::folder(&measured.output, &planned.id);
    let recording = store::is_whole(&folder).then(|| store::read(&folder)).transpose()?;
    host.close()?;
    if let Err(NotRun::Unsupported(reason) | NotRun::Skipped(reason)) = &planned.expected {
        complain(&format!("{}: {reason}", arguments.cell));
        return Ok(4);
    }
    if measured.run.interrupted {
        return Ok(130);
    }
    let recording = recording.context("the run has ended, and its recording is not whole")?;
    let outlook = |one: &&dyn strategy::Strategy| {
        let expected = plan.cells[0].case.expected_end(place, one.declares());
        plan.expectations.outlook(&planned.id, one.name(), expected.err())
    };
    let outlooks: Vec<Outlook> = strategy::ALL.iter().map(outlook).collect();
    let comparison = Comparison::new(measured.run, &measured.findings, &plan.expectations);
    let explained = Explained {
        recording: &recording,
        comparison: &comparison,
        experiment: experiment::find(experiment).context("the plan knows the experiment")?,
        outlooks: &outlooks,
        width: usize::from(arguments.width),
    };
    let mut stdout = BufWriter::new(anstream::stdout());
    write_explained(&explained, &mut stdout)?;
    stdout.flush()?;
    Ok(comparison.exit_code)
}
