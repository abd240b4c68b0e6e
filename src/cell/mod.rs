//! Runs one cell: starts a capturer as a process of its own, with a deadline, and clears away what is left.
//!
//! The harness reads the capturer's frames as they come, so a killed capturer leaves a recording too. It sees the
//! workload's end by a FIFO that only the workload holds open. Unlike a pid file, the FIFO is exact even for a
//! container that lives under a millisecond. It sees the capturer's end by a pidfd.

mod crowded;
mod elsewhere;
mod grip;
mod hands;
mod home;
mod inbox;
mod launch;
mod partner;
mod poll;
mod proc;
mod watch;

use crate::bundle::Rootfs;
use crate::capturer::Capturer;
use crate::experiment::ExpectedEnd;
use crate::files::{read_regular, replace, with_path};
use crate::phase::{Phase, reached};
use crate::plan::Cell;
use crate::process::{Family, Interrupt};
use crate::pulse::Pulse;
use crate::recording::{Facts, Recording, store};
use crate::runtime::{self, Found, Parents, Stop};
use crate::script::journal::Journal;
use crowded::Around;
use crun_capture_reactor::{Exit, Stream};
use elsewhere::Elsewhere;
pub use elsewhere::Suspects;
use grip::{Grip, Owner};
use home::Home;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use watch::{End, Watch};

/// The end of the words for a process of the workload. Its name is cut to 15 bytes (proc_pid_comm(5)).
const WORKLOAD: &str = "(crun-capture-em)";

/// The things that all cells of a run share.
pub struct RunParts<'a> {
    /// The root file system of all containers.
    pub rootfs: &'a Rootfs,
    /// The directories in which those of the containers are made.
    pub parents: Parents<'a>,
    /// The run's directory, which takes the recordings.
    pub output: &'a Path,
    /// How long a cell may take.
    pub deadline: Duration,
    /// The user's interrupt, which ends the run early.
    pub interrupt: &'a Interrupt,
    /// The children of the harness.
    pub family: &'a Family,
    /// The beats that show whether the machine was too busy.
    pub pulse: &'a Pulse,
    /// What was new elsewhere after a first run of these cells.
    pub suspects: &'a Suspects,
}

/// Runs `cell`. Blocks until the cell has ended and is cleared away. None: the run was interrupted.
///
/// # Errors
/// A file or directory of the harness cannot be written, or the capturer cannot be started.
pub fn run(
    cell: &Cell,
    expected: ExpectedEnd,
    found: &Found,
    capturer: &Capturer,
    run: &RunParts<'_>,
) -> io::Result<Option<Recording>> {
    let around = Around::now();
    let home = Home::prepare(cell, found, capturer, run)?;
    reached(Phase::Prepared);
    let folder = store::prepare(run.output, &cell.id)?;
    let before = cell.case.looks_elsewhere.then(Elsewhere::now);
    let launched = launch::launch(cell, found, capturer, run, &home, &folder)?;
    let mut watch = Watch::new(launched, cell, found, capturer, &home);
    reached(Phase::Started);
    let end = watch.until_end(run)?;
    reached(Phase::Ended);
    let taken_down = watch.take_down(end, run, &home);
    reached(Phase::TakenDown);
    let own_cpu_ns = crowded::tree_cpu_ns(watch.child.id());
    let capturer_exit = watch.reap(run, end)?;
    let crowded = around.crowded(own_cpu_ns, watch.seen.rss_bytes, run.pulse);
    // What a capturer says while it is being killed counts as little as what it delivers then.
    if end == End::Capturer {
        take_account(&mut watch, cell, &home, capturer_exit);
    }
    let (left_behind, cleared) = home.clear_away(found, run);
    let left_behind = of_the_capturer(left_behind, cell, end, &home, &folder, &watch.grip.made)?;
    let (left_elsewhere, doubtful) = run.suspects.seen(&cell.id, before, run.interrupt);
    reached(Phase::Cleared);
    let journal = Journal::read(&home.stage.exchange.join("journal")).unwrap_or_else(|error| {
        watch.inbox.fault(format!("the workload's journal: {error}"));
        None
    });
    let ended = Aftermath { end, capturer_exit, stop: taken_down.or(cleared), left_behind };
    let owners = owners(&watch.grip);
    let files = take_files(&mut watch, &folder);
    let runtime_errors = match found.runtime.is_oci() {
        true => runtime_errors(&home.stage.log(), ended.is_undisturbed())?,
        false => Vec::new(),
    };
    home.remove(found)?;
    if end == End::Interrupted {
        fs::remove_dir_all(&folder)?;
        return Ok(None);
    }
    let deliveries = std::mem::take(&mut watch.inbox.deliveries);
    let mut stamps = std::mem::take(&mut watch.inbox.stamps);
    // A capturer stamps its frames. What the harness read itself has none.
    stamps.resize(deliveries.len(), None);
    let facts = Facts {
        diagnostics_bytes: fs::metadata(store::diagnostics(&folder)).map_or(0, |found| found.len()),
        runtime_errors,
        crowded: crowded.or(doubtful),
        file_owner: owners.as_ref().map(|owners| owners.first.clone()),
        file_owner_changed: owners.map(|owners| owners.changed),
        forced_errors: cell.case.forced_errors(capturer.needs),
        left_elsewhere,
        ..facts(cell, expected, found, watch, ended)
    };
    let recording = Recording { facts, journal, deliveries, stamps, files };
    store::write(&folder, &recording)?;
    reached(Phase::Recorded);
    Ok(Some(recording))
}

/// Takes the account of a capturer that has ended by itself.
fn take_account(watch: &mut Watch, cell: &Cell, home: &Home, capturer_exit: Option<Exit>) {
    watch.inbox.read_account(&home.summary);
    // What is not counted cannot be believed to have been delivered.
    if cell.case.measures_cost && watch.inbox.summary.is_none() {
        watch.inbox.fault("it had no live descriptor, and gave no account of what it counted".to_owned());
    }
    watch.take_over_counts();
    let says = watch.inbox.summary.as_ref().and_then(|summary| summary.exit_code);
    if let (Some(says), Some(Exit::Code(code))) = (says, capturer_exit)
        && says != code
    {
        watch.inbox.fault(format!("its account says that the command ended with {says}, but it exits with {code}"));
    }
}

/// What the capturer has left behind, of all that is left: processes, and, if nobody has killed it, files in its TMPDIR and
/// beside the files that it was given. `made`: those that the stimulus made.
fn of_the_capturer(
    mut left: Vec<String>,
    cell: &Cell,
    end: End,
    home: &Home,
    folder: &Path,
    made: &[PathBuf],
) -> io::Result<Vec<String>> {
    if cell.case.script.has_background() {
        // The child belongs to the program. It is no leak of the capturer.
        left.retain(|one| !one.ends_with(WORKLOAD));
    }
    if end == End::Capturer {
        left.extend(home.files_left());
        left.extend(store::strangers(folder, made)?.into_iter().map(|name| format!("{name} beside its files")));
    }
    Ok(left)
}

/// How the capturer ended, and what it left.
struct Aftermath {
    end: End,
    capturer_exit: Option<Exit>,
    stop: Option<Stop>,
    left_behind: Vec<String>,
}

impl Aftermath {
    /// Whether nothing was killed. Otherwise a missing log says nothing about the runtime.
    fn is_undisturbed(&self) -> bool {
        self.end == End::Capturer && self.left_behind.is_empty()
    }
}

/// The facts that the watch has seen. The caller adds those that are in files.
fn facts(cell: &Cell, expected: ExpectedEnd, found: &Found, watch: Watch, ended: Aftermath) -> Facts {
    let (seen, grip) = (watch.seen, watch.grip);
    Facts {
        id: cell.id.clone(),
        script: cell.case.script.clone(),
        expected,
        live: !cell.case.measures_cost,
        placement: "unpinned".to_owned(),
        pids_limit: found.pids_limit(),
        started_ns: seen.started_ns,
        init_ended_ns: seen.init_ended_ns,
        capturer_ended_ns: seen.capturer_ended_ns,
        capturer_exit: ended.capturer_exit,
        summary: watch.inbox.summary,
        runtime_errors: Vec::new(),
        crowded: None,
        deadline_hit: ended.end == End::Deadline,
        left_behind: ended.left_behind,
        left_elsewhere: Vec::new(),
        stop: ended.stop,
        threads: seen.threads,
        syscalls: seen.syscalls,
        protocol_error: watch.inbox.protocol_error,
        program: cell.case.program.is_some(),
        stimulus: cell.case.stimulus.map(|stimulus| stimulus.0.name().to_owned()),
        forced_errors: Vec::new(),
        file_had: cell.case.stimulus.map(|stimulus| stimulus.0.file_has().to_owned()).unwrap_or_default(),
        notes: grip.notes,
        stimulus_error: grip.error,
        capturer_cpu_ns: seen.cpu_ns,
        waited: seen.waited,
        diagnostics_bytes: 0,
        capturer_rss_bytes: seen.rss_bytes,
        memory_at_gate_bytes: seen.at_gate_bytes,
        memory_after_gate_bytes: seen.after_gate_bytes,
        file_owner: None,
        file_owner_changed: None,
    }
}

/// The files of both streams. A file that cannot be read is a fault of the capturer.
fn take_files(watch: &mut Watch, folder: &Path) -> [Option<Vec<u8>>; 2] {
    Stream::BOTH.map(|stream| {
        take_file(watch, folder, stream).unwrap_or_else(|error| {
            watch.inbox.fault(error.to_string());
            None
        })
    })
}

/// The final file of a stream: what the stimulus has kept of it, or the file at the path that the capturer was given.
/// Afterwards it is in the folder of the recording in either case.
fn take_file(watch: &mut Watch, folder: &Path, stream: Stream) -> io::Result<Option<Vec<u8>>> {
    let (path, own) = (watch.grip.files[stream.index()].clone(), store::file(folder, stream));
    let bytes = match watch.grip.kept[stream.index()].take() {
        Some(mut kept) => {
            let mut bytes = Vec::new();
            io::Seek::rewind(&mut kept)?;
            io::Read::read_to_end(&mut kept, &mut bytes)?;
            Some(bytes)
        }
        // The capturer did not make what a stimulus has put there.
        None if path != own && !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) => None,
        None => read_regular(&path)?,
    };
    if let Some(bytes) = bytes.as_ref().filter(|_| path != own || !own.exists()) {
        replace(&own, bytes)?;
    }
    Ok(bytes)
}

/// The owner of the capturer's files.
struct Owners {
    /// Owner, group and mode of the first file.
    first: String,
    /// Whether one of the files belongs to another user than this one, or has lost the owner, group or mode that it had
    /// before.
    changed: bool,
}

/// Looks up the owners. None: there are no files.
fn owners(grip: &Grip) -> Option<Owners> {
    let own = rustix::process::geteuid().as_raw();
    let found: [Option<Owner>; 2] = std::array::from_fn(|at| Owner::of(&grip.files[at]));
    let first = found.iter().flatten().next()?;
    let first = format!("{}:{} {:04o}", first.uid, first.gid, first.mode);
    let changed = found.iter().zip(&grip.owned).any(|(now, before)| match (now, before) {
        (Some(now), Some(before)) => now != before,
        (Some(now), None) => now.uid != own,
        (None, _) => false,
    });
    Some(Owners { first, changed })
}

/// The errors in a runtime's log, which is JSON lines. The runtime's stderr is not used, because the program could have
/// written there. Every runtime opens its log before it runs a container (crun 1.8.1 does so after it has read
/// config.json). So if there is no log, the runtime failed before.
fn runtime_errors(log: &Path, undisturbed: bool) -> io::Result<Vec<String>> {
    let text = match fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let failed = undisturbed.then(|| "the runtime failed before it opened its log".to_owned());
            return Ok(failed.into_iter().collect());
        }
        Err(error) => return Err(with_path(&error, log)),
    };
    Ok(runtime::errors_in_log(&text))
}
