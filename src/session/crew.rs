//! Runs the cells of a session: in which order, and how many at a time.

use super::Host;
use crate::bundle::Rootfs;
use crate::capturer::Capturer;
use crate::cell::{self, RunParts, Suspects};
use crate::experiment::ExpectedEnd;
use crate::phase::{Phase, reached};
use crate::plan::{self, Cell};
use crate::process::Interrupt;
use crate::pulse::Pulse;
use crate::recording::Recording;
use crate::runtime::{Found, pids_limit};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A stimulus that takes this long mostly waits.
const LONG: Duration = Duration::from_millis(400);

/// How many cells that are known to wait for their deadline run at a time. They need no CPU.
const WAITING_MAX: usize = 32;

/// The options of a run of cells.
pub(super) struct Options<'a> {
    /// The runtimes, by the numbers that cells have for them. None: the runtime is missing, and none of its cells is
    /// run.
    pub(super) runtimes: &'a [Option<Found>],
    pub(super) capturers: &'a [Capturer],
    /// The run's directory.
    pub(super) output: &'a Path,
    pub(super) host: &'a Host,
    /// The time that a cell may take.
    pub(super) deadline: Duration,
    /// How many of the cells that do not measure time run at once.
    pub(super) jobs: usize,
    /// The seed of the order.
    pub(super) seed: u64,
    /// Whether this cell is known to wait for its deadline.
    pub(super) waits: &'a (dyn Fn(&Cell) -> bool + Sync),
    /// The beats that show whether the machine was too busy.
    pub(super) pulse: &'a Pulse,
    /// Takes each recording as soon as it is stored, and says whether that is all. A cell that the machine may have spoiled
    /// runs once more, alone, when all others have run. Its error ends the run.
    pub(super) recorded: &'a (dyn Fn(Recording, Pass) -> io::Result<Done> + Sync),
}

/// The pass in which a cell is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// With others, as the plan has it.
    First,
    /// Once more, alone.
    Alone,
}

/// Whether a cell has its result.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    Yes,
    /// The machine may be at fault, so it must run once more.
    Again,
}

/// The result of a run of cells.
pub(super) struct Shift {
    /// Whether all cells were run: the user did not interrupt.
    pub(super) whole: bool,
    /// Processes that some cell left behind, nobody can tell which. They are gone now.
    pub(super) left_behind: Vec<String>,
}

/// Runs all cells. Each recording is on disk when `recorded` gets it, so that a later failure loses nothing. Blocks
/// until all cells have ended, or the user interrupts. Then nothing of the run is left running.
///
/// # Errors
/// A file of the harness cannot be written. This is the first such error, and the cells under way have ended.
pub(super) fn run(cells: Vec<(Cell, ExpectedEnd)>, options: &Options<'_>) -> io::Result<Shift> {
    let (host, interrupt) = (options.host, &options.host.interrupt);
    let rootfs = Rootfs::create(host.scratch.disk().join("rootfs"), &host.programs.emit)?;
    reached(Phase::Rootfs);
    let parts = RunParts {
        rootfs: &rootfs,
        parents: host.scratch.parents(),
        output: options.output,
        deadline: options.deadline,
        interrupt,
        family: &host.family,
        pulse: options.pulse,
        suspects: &Suspects::default(),
    };
    let queues = Queues::of(cells, options);
    let (failure, again) = (Mutex::new(None), Queue::default());
    let crew = Crew { options, parts: &parts, failure: &failure, again: &again };
    let work = |queue: &Queue| {
        while let Some(crowd) = next(queue, interrupt, &failure) {
            crew.run_crowd(&crowd, Pass::First);
        }
    };
    // Cells that measure time come first. After hundreds of containers the kernel is still busy removing their
    // namespaces, and that showed as latencies of milliseconds.
    work(&queues.alone);
    thread::scope(|scope| {
        let work = &work;
        for _ in 0..lock(&queues.waiting).len().min(WAITING_MAX) {
            scope.spawn(|| work(&queues.waiting));
        }
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| work(&queues.together));
        }
    });
    while let Some(crowd) = next(&again, interrupt, &failure) {
        crew.run_crowd(&crowd, Pass::Alone);
    }
    // A process without the mark of a cell may belong to any cell. It must not stay either.
    let strangers = host.family.all_strangers();
    strangers.iter().for_each(|stranger| stranger.kill());
    let mut left_behind: Vec<String> =
        strangers.iter().map(|stranger| format!("process {} ({})", stranger.pid, stranger.name)).collect();
    left_behind.extend(pids_limit::remove_all(host.family.run()));
    reached(Phase::Closing);
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(Shift { whole: !interrupt.happened(), left_behind }),
    }
}

/// What all workers share.
struct Crew<'a> {
    options: &'a Options<'a>,
    parts: &'a RunParts<'a>,
    failure: &'a Mutex<Option<io::Error>>,
    /// The cells that must run once more, alone.
    again: &'a Queue,
}

impl Crew<'_> {
    /// Runs cells at the same time, each on a thread of its own.
    fn run_crowd(&self, crowd: &[(Cell, ExpectedEnd)], pass: Pass) {
        match crowd {
            [(cell, expected)] => self.run_cell(cell, *expected, pass),
            crowd => thread::scope(|scope| {
                for (cell, expected) in crowd {
                    scope.spawn(move || self.run_cell(cell, *expected, pass));
                }
            }),
        }
    }

    fn run_cell(&self, cell: &Cell, expected: ExpectedEnd, pass: Pass) {
        let Some(found) = &self.options.runtimes[cell.runtime] else { return };
        let capturer = &self.options.capturers[cell.capturer];
        // A panic is a bug of the harness. It ends the run as any failure does, and the scratch directory knows what is
        // left of the cell.
        let ran = catch_unwind(AssertUnwindSafe(|| cell::run(cell, expected, found, capturer, self.parts)));
        let panicked = |_| Err(io::Error::other("the harness panicked, which is a bug in it: report it"));
        let ran = ran.unwrap_or_else(panicked);
        match ran.and_then(|recording| recording.map_or(Ok(Done::Yes), |one| (self.options.recorded)(one, pass))) {
            Ok(Done::Yes) => {}
            Ok(Done::Again) => lock(self.again).push_back(vec![(cell.clone(), expected)]),
            Err(error) => {
                let error = io::Error::new(error.kind(), format!("{}: {error}", cell.id));
                lock(self.failure).get_or_insert(error);
            }
        }
    }
}

/// Cells that run at the same time: usually one.
type Crowd = Vec<(Cell, ExpectedEnd)>;

type Queue = Mutex<VecDeque<Crowd>>;

/// The cells, by how they may share the machine.
#[derive(Default)]
struct Queues {
    /// Cells that mostly wait, such as those that are known to reach their deadline.
    waiting: Queue,
    together: Queue,
    alone: Queue,
}

impl Queues {
    fn of(mut cells: Vec<(Cell, ExpectedEnd)>, options: &Options<'_>) -> Queues {
        plan::shuffle(&mut cells, options.seed);
        let queues = Queues::default();
        let mut crowds: BTreeMap<(String, u32), Crowd> = BTreeMap::new();
        for (cell, end) in cells {
            if cell.case.at_once > 1 {
                let key = (cell.id.to_string(), cell.id.run / cell.case.at_once);
                crowds.entry(key).or_default().push((cell, end));
                continue;
            }
            let waits = (options.waits)(&cell) || cell.case.lasts() >= LONG;
            let queue = if cell.experiment.measures_time {
                &queues.alone
            } else if waits {
                &queues.waiting
            } else {
                &queues.together
            };
            lock(queue).push_back(vec![(cell, end)]);
        }
        // Crowds come first, because they take the longest of the cells that run together.
        let mut together = lock(&queues.together);
        crowds.into_values().for_each(|crowd| together.push_front(crowd));
        drop(together);
        queues
    }
}

/// Locks a mutex, even if a thread panicked with it. Its content is still sound: a cell is in a queue or not.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn next(queue: &Queue, interrupt: &Interrupt, failure: &Mutex<Option<io::Error>>) -> Option<Crowd> {
    if interrupt.happened() || lock(failure).is_some() {
        return None;
    }
    lock(queue).pop_front()
}
