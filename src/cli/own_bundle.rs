//! `compare --bundle`: the user's own bundle under every strategy.

use super::compare::{Arguments, capturer_info, capturers, output_directory, progress};
use super::export::Exports;
use super::prepare::{self, Host, Wanted};
use super::{Usage, complain};
use anyhow::Context;
use crun_capture::bundle::{OwnBundle, write_private};
use crun_capture::capturer::Capturer;
use crun_capture::comparison::{CapturerInfo, OwnComparison, own_rows};
use crun_capture::experiment::{Case, ExpectedEnd, Experiment};
use crun_capture::plan::Cell;
use crun_capture::recording::{CellId, Recording};
use crun_capture::report::write_own_bundle;
use crun_capture::runtime::{Found, Unusable};
use crun_capture::{machine, session, strategy};
use crun_capture_reactor::clock::now_ns;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The recordings lie beside those of the experiments.
static OWN_BUNDLE: Experiment = Experiment {
    name: "own-bundle",
    question: "What does each strategy make of the user's own bundle?",
    sources: &["the user"],
    measures_time: false,
    quick: true,
    cases: |_| Vec::new(),
};

/// How long one run of the bundle may take, unless `--deadline` says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// The reference runs at least so often: else nobody knew whether the output is the same each time.
const REFERENCE_RUNS: u32 = 2;

pub(super) fn run(arguments: &Arguments, path: &Path) -> anyhow::Result<u8> {
    let bundle = OwnBundle::open(path).context("cannot use the bundle")?;
    let wanted = prepare::wanted(&arguments.runtime, &arguments.require)?;
    if wanted.iter().any(|one| !one.is_oci()) {
        return Err(Usage("a bundle needs a runtime: `bare` has none".to_owned()).into());
    }
    let reference = strategy::reference();
    let own = prepare::own_path()?;
    let mut capturers = capturers(arguments, &own)?;
    if !capturers.iter().any(|one| one.name == reference.name()) {
        capturers.insert(0, Capturer::built_in(reference, &own));
    }
    arguments.exports.check_json_only()?;
    if bundle.wants_terminal() {
        complain("the bundle asks for a terminal: it runs with a copy of its config.json that does not");
    }
    let host = prepare::host()?;
    let found = wanted.iter().map(|one| one.find(&host)).collect::<anyhow::Result<Vec<_>>>()?;
    let output = output_directory(arguments)?;
    let before = bundle.snapshot();
    let start_ns = now_ns();
    let bundle = Arc::new(bundle);
    let cells = cells(&bundle, &wanted, &capturers, reference.name(), arguments.runs);
    let (recordings, ran) = execute(cells, &found, &capturers, arguments, &host, &output)?;
    let runtimes: Vec<_> = wanted.iter().zip(&found).map(|(one, found)| one.info(found)).collect();
    let infos: Vec<CapturerInfo> = capturers.iter().map(capturer_info).collect();
    let comparison = OwnComparison {
        schema_version: OwnComparison::SCHEMA_VERSION,
        generated_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        tool: format!("crun-capture {}", env!("CARGO_PKG_VERSION")),
        machine: machine::this(),
        bundle: bundle.path().display().to_string(),
        reference: reference.name().to_owned(),
        runs: arguments.runs,
        wall_ns: now_ns() - start_ns,
        interrupted: !ran.whole,
        rows: own_rows(&recordings, &runtimes, &infos, reference.name()),
        runtimes,
        left_behind: ran.left_behind,
        changed: before.changed(&bundle.snapshot()).iter().map(|path| path.display().to_string()).collect(),
    };
    host.close()?;
    let json = serde_json::to_vec_pretty(&comparison)?;
    write_private(&output.join("bundle.json"), &json)?;
    report(&comparison, &json, &arguments.exports)?;
    complain(&format!("recordings: {}", output.display()));
    Ok(comparison.exit_code())
}

/// Writes the table, or the JSON where that was asked for on stdout.
pub(super) fn report(comparison: &OwnComparison, json: &[u8], exports: &Exports) -> anyhow::Result<()> {
    if !exports.write_json(json)? {
        let mut stdout = BufWriter::new(anstream::stdout());
        write_own_bundle(comparison, &mut stdout)?;
        stdout.flush()?;
    }
    Ok(())
}

/// Every strategy on every runtime, as often as asked.
fn cells(
    bundle: &Arc<OwnBundle>,
    wanted: &[Wanted],
    capturers: &[Capturer],
    reference: &str,
    runs: u32,
) -> Vec<(Cell, ExpectedEnd)> {
    // How it is to end is what the reference shows; this is not looked at.
    let end = ExpectedEnd { code: 0, runtime_error: false, starts: false, may_be_refused: false };
    let mut cells = Vec::new();
    for (runtime, one) in wanted.iter().enumerate() {
        for (place, capturer) in capturers.iter().enumerate() {
            let runs = if capturer.name == reference { runs.max(REFERENCE_RUNS) } else { runs };
            cells.extend((0..runs).map(|run| {
                let id = CellId {
                    runtime: one.label().to_owned(),
                    strategy: capturer.name.clone(),
                    experiment: OWN_BUNDLE.name.to_owned(),
                    case: "own".to_owned(),
                    run,
                };
                let case = Case::of_own_bundle(bundle.clone());
                (Cell { id, runtime, capturer: place, experiment: &OWN_BUNDLE, case: case.into() }, end)
            }));
        }
    }
    cells
}

fn execute(
    cells: Vec<(Cell, ExpectedEnd)>,
    found: &[Result<Found, Unusable>],
    capturers: &[Capturer],
    arguments: &Arguments,
    host: &Host,
    output: &Path,
) -> anyhow::Result<(Vec<Recording>, session::Ran)> {
    let placed: Vec<Option<Found>> = found.iter().map(|found| found.as_ref().ok().cloned()).collect();
    let progress = progress(cells.len());
    let recordings = Mutex::new(Vec::new());
    let ran = session::run(
        cells,
        &session::Options {
            runtimes: &placed,
            capturers,
            output,
            emit: &host.programs.emit,
            scratch: &host.scratch,
            family: &host.family,
            deadline: arguments.deadline.map_or(DEADLINE, Duration::from_secs),
            // One at a time: what is measured is how long each takes.
            jobs: 1,
            seed: arguments.seed,
            interrupt: &host.interrupt,
            waits: &|_| false,
            recorded: &|recording| {
                recordings.lock().unwrap_or_else(PoisonError::into_inner).push(recording);
                progress.inc(1);
            },
        },
    );
    progress.finish_and_clear();
    let ran = ran.with_context(|| format!("the run ended early; its recordings are in {}", output.display()))?;
    Ok((recordings.into_inner().unwrap_or_else(PoisonError::into_inner), ran))
}
