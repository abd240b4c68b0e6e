//! Sessions: a session runs what a [`Request`] asks for, and makes a [`Run`]. This is the only runner.

mod crew;
mod host;
mod request;
mod stored;

use crew::{Done, Pass};
pub use host::{Host, HostError};
pub use request::{Destination, Request, Runtimes};
pub use stored::{StoredError, findings as stored_findings, read as read_stored};

use crate::analysis::{self, Findings};
use crate::comparison::{self, Facing};
use crate::experiment::{Conditions, ExpectedEnd};
use crate::limit::LowLimit;
use crate::machine;
use crate::plan::{self, Cell};
use crate::pulse::Pulse;
use crate::recording::finished::{Finished, FinishedList};
use crate::recording::run::{RunDirectory, RunError};
use crate::recording::{CapturerInfo, CellId, NotRun, Planned, Recording, Run, RuntimeInfo};
use crate::runtime::{Found, Sought};
use crate::text::shell_word;
use crun_capture_reactor::clock::now_ns;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Observes a session. It may be called from several threads at a time.
pub trait Observer: Sync {
    /// This runtime does not work here. The next one is tried in its place.
    fn passed_over(&self, _sought: &Sought) {}

    /// This many cells are run now.
    fn starts(&self, _run: &Run, _cells: usize) {}

    /// A cell was run, and its recording is on disk.
    fn recorded(&self, _recording: &Recording) {}

    /// All cells were run, or the session ends early.
    fn ends(&self) {}
}

/// What was run.
pub struct Ran {
    /// What was planned and done.
    pub run: Run,
    /// The run's directory, with the recordings.
    pub output: PathBuf,
    /// Why the link `latest` does not lead to that directory, although it should.
    pub not_latest: Option<String>,
    /// The runtimes, in the order of the run.
    pub runtimes: Vec<Sought>,
}

/// What was run, with what was measured.
pub struct Measured {
    /// What was run.
    pub ran: Ran,
    /// The findings of each cell that has a recording.
    pub findings: HashMap<CellId, Findings>,
}

/// Why a session has no result.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// No cell's id contains this filter.
    #[error("no cell's id (runtime/strategy/experiment/case) contains {filter:?}")]
    NoSuchCell {
        /// The filter.
        filter: String,
        /// The ids that it chooses from.
        ids: Vec<CellId>,
    },
    /// The program at a path of the user is not a runtime, or does not work.
    #[error("{label}: {reason}")]
    Runtime {
        /// The label of the runtime.
        label: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// No runtime was asked for.
    #[error("there is no runtime")]
    NoRuntime,
    /// The run's directory cannot be made or written.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of the harness could not be written, or a capturer could not be started.
    #[error("the run ended early; its recordings are in {}: {source}", .output.display())]
    EndedEarly {
        /// The run's directory.
        output: PathBuf,
        /// The first error.
        source: io::Error,
    },
}

/// Runs a request, and analyses each recording as it comes. Blocks until all cells have ended, or the user interrupts.
///
/// # Errors
/// As for [`run`].
pub fn measure(request: &Request, host: &Host, observer: &dyn Observer) -> Result<Measured, SessionError> {
    let findings = Mutex::new(HashMap::new());
    let take = |recording: Recording, found: Findings| {
        findings.lock().unwrap_or_else(PoisonError::into_inner).insert(recording.facts.id, found);
    };
    let ran = run(request, host, observer, &take)?;
    Ok(Measured { ran, findings: findings.into_inner().unwrap_or_else(PoisonError::into_inner) })
}

/// Runs a request. Each recording is on disk, and in the list of finished cells, when `take` gets it with its findings.
/// The host's directories are still there afterwards.
/// Blocks until all cells have ended, or the user interrupts. Then nothing of the run is left running.
///
/// # Errors
/// No cell fits, a runtime of the user does not work, the run's directory cannot be written, or a cell could not be
/// run.
pub fn run(
    request: &Request,
    host: &Host,
    observer: &dyn Observer,
    take: &(dyn Fn(Recording, Findings) + Sync),
) -> Result<Ran, SessionError> {
    let runtimes = seek(request, host, observer)?;
    let labels: Vec<String> = runtimes.iter().map(|one| one.wanted.label.clone()).collect();
    let cells = request.cells(&labels)?;
    let RunDirectory { path: output, not_latest } =
        RunDirectory::create(request.directory(host).as_deref(), request.seed)?;
    let mut run = describe(request, &runtimes, &cells, host.low_limits(&output));
    run.save(&output)?;
    let start_ns = now_ns();
    let ran = execute(request, host, &runtimes, &cells, &run, &output, observer, take);
    observer.ends();
    run.wall_ns = now_ns() - start_ns;
    if let Ok((shift, finished)) = &ran {
        run.interrupted = !shift.whole;
        run.finished = Some(*finished);
        run.left_behind.clone_from(&shift.left_behind);
    }
    // The user must know the first error: a full disk fails here too.
    let saved = run.save(&output);
    ran.map_err(|source| SessionError::EndedEarly { output: output.clone(), source })?;
    saved?;
    Ok(Ran { run, output, not_latest, runtimes })
}

/// Looks for the runtimes. A path that the user gave must be a runtime that works. Any other runtime may be missing.
fn seek(request: &Request, host: &Host, observer: &dyn Observer) -> Result<Vec<Sought>, SessionError> {
    let checked = |sought: Sought| match (&sought.wanted.path, &sought.found) {
        (Some(_), Err(unusable)) => {
            Err(SessionError::Runtime { label: sought.wanted.label.clone(), reason: unusable.reason.clone() })
        }
        _ => Ok(sought),
    };
    match &request.runtimes {
        Runtimes::All(wanted) => wanted.iter().map(|one| checked(host.seek(one.clone()))).collect(),
        Runtimes::FirstThatWorks(wanted) => {
            let sought = host.seek_first(wanted, observer).ok_or(SessionError::NoRuntime)?;
            Ok(vec![checked(sought)?])
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "it is the second half of `run`")]
fn execute(
    request: &Request,
    host: &Host,
    runtimes: &[Sought],
    cells: &[Cell],
    run: &Run,
    output: &std::path::Path,
    observer: &dyn Observer,
    take: &(dyn Fn(Recording, Findings) + Sync),
) -> io::Result<(crew::Shift, usize)> {
    let pairs = cells.iter().zip(&run.plan);
    let runnable: Vec<(Cell, ExpectedEnd)> =
        pairs.filter_map(|(cell, planned)| Some((cell.clone(), planned.expected.clone().ok()?))).collect();
    observer.starts(run, runnable.len());
    // Cells name runtimes by their number, so a missing runtime keeps its number. None of its cells is run.
    let numbered: Vec<Option<Found>> = runtimes.iter().map(|one| one.found.as_ref().ok().cloned()).collect();
    let list = Mutex::new((FinishedList::create(output)?, 0));
    let pulse = Pulse::start()?;
    let surprises = |id: &CellId, findings: &Findings| {
        let planned = run.plan.iter().find(|planned| planned.id == *id);
        planned.is_some_and(|planned| !comparison::is_expected(planned, run, findings, &request.expectations))
    };
    let shift = crew::run(
        runnable,
        &crew::Options {
            runtimes: &numbered,
            capturers: &request.capturers,
            output,
            host,
            deadline: request.deadline,
            jobs: request.jobs,
            seed: request.seed,
            waits: &|cell| request.expectations.waits_for_deadline(&Facing::of(&cell.id, run)),
            pulse: &pulse,
            recorded: &|recording, pass| {
                let findings = analysis::findings(&recording);
                let id = recording.facts.id.clone();
                // Another program may have been busy, or have made a file, at that time.
                let doubtful = findings.machine_busy.is_some()
                    || recording.facts.left_elsewhere.iter().any(|name| name.starts_with('/'));
                if pass == Pass::First && doubtful && surprises(&id, &findings) {
                    return Ok(Done::Again);
                }
                let finished = Finished { checksum: stored::checksum(&recording, &findings), id };
                let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
                list.0.add(&finished)?;
                list.1 += 1;
                drop(list);
                observer.recorded(&recording);
                take(recording, findings);
                Ok(Done::Yes)
            },
        },
    )?;
    let (_, count) = list.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok((shift, count))
}

/// Describes the run, before any cell is run.
fn describe(request: &Request, runtimes: &[Sought], cells: &[Cell], low_limits: Vec<LowLimit>) -> Run {
    let words = |one: &Sought| shell_word(&one.wanted.word());
    Run {
        schema_version: Run::SCHEMA_VERSION,
        generated_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        tool: format!("crun-capture {}", env!("CARGO_PKG_VERSION")),
        machine: machine::this(),
        low_limits,
        seed: request.seed,
        quick: request.quick,
        wall_ns: 0,
        interrupted: true,
        finished: None,
        left_behind: Vec::new(),
        runtime_words: runtimes.iter().map(words).collect(),
        other_words: request.repeat_options.clone(),
        runtimes: runtimes.iter().map(RuntimeInfo::of).collect(),
        capturers: request.capturers.iter().map(CapturerInfo::of).collect(),
        expectations: request.expectations.text().to_owned(),
        cases: plan::cases(request.quick, request.seed),
        left_out: plan::left_out(&request.selection, request.quick, request.seed),
        plan: cells.iter().map(|cell| planned(request, &runtimes[cell.runtime], cell)).collect(),
        checksum: 0,
    }
}

fn planned(request: &Request, sought: &Sought, cell: &Cell) -> Planned {
    let capturer = &request.capturers[cell.capturer];
    let expected = match &sought.found {
        Err(unusable) => Err(NotRun::Skipped(unusable.reason.clone())),
        Ok(found) => {
            let conditions = Conditions::of(found, capturer.needs);
            cell.case.expected_end(conditions, capturer.declares).map_err(NotRun::Unsupported)
        }
    };
    Planned {
        id: cell.id.clone(),
        expected,
        paced: cell.case.script.is_paced(),
        tries: cell.case.tries.clone(),
        // How long a disk takes to sync what is left is not the capturer's doing.
        drains: cell.case.drains() || capturer.needs.syncs_each_line,
        forces_loss: cell.case.forces_loss(capturer.declares),
        excused: cell.case.excused(capturer.declares),
        excused_because: cell.case.excused_because(),
    }
}
