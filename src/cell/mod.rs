//! Runs one cell: a capturer as a process of its own, under a deadline; and cleans up whatever is left.
//!
//! The capturer's frames are read as they come, so one that is killed leaves a recording too. The workload's end is seen
//! by a FIFO that it alone holds open: unlike a pid file that is exact even for a container which lives under a
//! millisecond. A pidfd shows the capturer's own end.

mod partner;
mod site;
mod watch;

use crate::bundle::{self, Rootfs};
use crate::capturer::Capturer;
use crate::experiment::ExpectedEnd;
use crate::phase::{Phase, reached};
use crate::plan::Cell;
use crate::process::{Family, Interrupt};
use crate::recording::{Facts, Recording, store};
use crate::runtime::{self, Found};
use crate::script::journal::Journal;
use crun_capture_reactor::Stream;
use site::Site;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use watch::{End, Watch};

/// What all cells of a run share.
pub struct Ground<'a> {
    /// The root file system of all containers.
    pub rootfs: &'a Rootfs,
    /// Where bundles and the runtimes' states are.
    pub scratch: &'a Path,
    /// Where the directories that are mounted on `/cell` are: memory, so that a journal never waits for a disk.
    pub cells: &'a Path,
    /// The run's directory, which takes the recordings.
    pub output: &'a Path,
    /// How long a cell may take.
    pub deadline: Duration,
    /// Ends the run early.
    pub interrupt: &'a Interrupt,
    /// The children of the harness.
    pub family: &'a Family,
}

/// Runs `cell`. None: the run was interrupted, and the cell is cleaned up.
///
/// # Errors
/// A file or directory of the harness's own cannot be written, or the capturer not be started.
pub fn run(
    cell: &Cell,
    expected: ExpectedEnd,
    found: &Found,
    capturer: &Capturer,
    ground: &Ground<'_>,
) -> io::Result<Option<Recording>> {
    let site = Site::prepare(cell, found, capturer, ground)?;
    reached(Phase::Site);
    let folder = store::prepare(ground.output, &cell.id)?;
    let mut watch = Watch::start(cell, found, capturer, ground, &site, &folder)?;
    reached(Phase::Started);
    let end = watch.until_end(ground)?;
    reached(Phase::Ended);
    let taken_down = watch.take_down(&end, ground, &site);
    reached(Phase::TakenDown);
    let capturer_exit = watch.reap(ground, &end)?;
    // What a capturer says while it is being killed counts no more than what it delivers then.
    if end == End::Capturer {
        watch.read_account(&site.summary);
        watch.take_over_counts();
    }
    let (left_behind, cleared) = site.clear_away(found, ground);
    reached(Phase::Cleared);
    let journal = Journal::read(&site.cell.join("journal")).unwrap_or_else(|error| {
        watch.fault(format!("the workload's journal: {error}"));
        None
    });
    // Where something was killed, a log that is not there says nothing of the runtime.
    let undisturbed = end == End::Capturer && left_behind.is_empty();
    let (file_owner, file_owner_changed) = owners(watch.files());
    let files = Stream::BOTH.map(|stream| {
        take_file(&mut watch, &folder, stream).unwrap_or_else(|error| {
            watch.fault(error.to_string());
            None
        })
    });
    let runtime_errors = if found.runtime.is_oci() { runtime_errors(&site.log, undisturbed)? } else { Vec::new() };
    site.remove(found)?;
    if end == End::Interrupted {
        fs::remove_dir_all(&folder)?;
        return Ok(None);
    }
    let facts = Facts {
        id: cell.id.clone(),
        script: cell.case.script.clone(),
        expected,
        live: !cell.case.measures_cost,
        placement: "unpinned".to_owned(),
        pids_limit: found.pids_limit(),
        started_ns: watch.started_ns,
        init_ended_ns: watch.init_ended_ns,
        capturer_ended_ns: watch.capturer_ended_ns,
        capturer_exit,
        summary: watch.summary,
        runtime_errors,
        deadline_hit: end == End::Deadline,
        left_behind,
        stop: taken_down.or(cleared),
        threads: watch.threads,
        syscalls: watch.syscalls,
        protocol_error: watch.protocol_error,
        program: cell.case.program.is_some(),
        stimulus: cell.case.stimulus.map(|stimulus| stimulus.0.name().to_owned()),
        notes: watch.notes,
        stimulus_error: watch.stimulus_error,
        capturer_cpu_ns: watch.cpu_ns,
        diagnostics_bytes: fs::metadata(store::diagnostics(&folder)).map_or(0, |found| found.len()),
        capturer_rss_bytes: watch.rss_bytes,
        file_owner,
        file_owner_changed,
    };
    let recording = Recording { facts, journal, deliveries: watch.deliveries, files };
    store::write(&folder, &recording)?;
    reached(Phase::Recorded);
    Ok(Some(recording))
}

/// The file of a stream as it is in the end: what the stimulus has kept of it, or what is where the capturer was told to put
/// it. Either way it is in the folder of the recording then.
fn take_file(watch: &mut Watch, folder: &Path, stream: Stream) -> io::Result<Option<Vec<u8>>> {
    let (path, own) = (watch.files()[stream.index()].clone(), store::file(folder, stream));
    let bytes = match watch.kept[stream.index()].take() {
        Some(mut kept) => {
            let mut bytes = Vec::new();
            io::Seek::rewind(&mut kept)?;
            io::Read::read_to_end(&mut kept, &mut bytes)?;
            Some(bytes)
        }
        // What a stimulus has put there is none of the capturer's.
        None if path != own && !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) => None,
        None => bundle::read_regular(&path)?,
    };
    if let Some(bytes) = bytes.as_ref().filter(|_| path != own || !own.exists()) {
        store::replace(&own, bytes)?;
    }
    Ok(bytes)
}

/// Whose the first file is and its mode, and whether one is somebody else's than this user's; None where there is no file.
fn owners(files: &[PathBuf; 2]) -> (Option<String>, Option<bool>) {
    use std::os::unix::fs::MetadataExt;
    let own = rustix::process::geteuid().as_raw();
    let found: Vec<fs::Metadata> = files.iter().filter_map(|file| fs::symlink_metadata(file).ok()).collect();
    let words = |file: &fs::Metadata| format!("{}:{} {:04o}", file.uid(), file.gid(), file.mode() & 0o7777);
    (found.first().map(words), (!found.is_empty()).then(|| found.iter().any(|file| file.uid() != own)))
}

/// The errors in a runtime's log, which is JSON lines; never its text on stderr, which the program could have written.
/// Every runtime opens its log before it runs a container, crun 1.8.1 after it has read config.json: so a log that is not
/// there means that it failed before.
fn runtime_errors(log: &Path, undisturbed: bool) -> io::Result<Vec<String>> {
    let text = match fs::read(log) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let failed = undisturbed.then(|| "the runtime failed before it opened its log".to_owned());
            return Ok(failed.into_iter().collect());
        }
        Err(error) => return Err(bundle::with_path(&error, log)),
    };
    Ok(runtime::errors_in_log(&text))
}
