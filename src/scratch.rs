//! The temporary directories of a run, and how they are cleared away: by the run itself or by a later one.
//!
//! A run has two directories of mode 0700, which differ only in their place. One holds the bundles and the states of
//! the runtimes. The other is in memory, and takes what workloads write. The process holds a flock(2) on each directory
//! for as long as it lives. So a directory that nobody has locked was left by a killed run. The next start stops the
//! containers of that run, kills the processes that bear its mark, and removes the directory. A pid could not show
//! this: it may belong to another process by then, and means nothing in another pid namespace.

use crate::files::with_path;
use crate::phase::{Phase, reached};
use crate::process::{Family, bearers};
use crate::runtime::{Handle, Parents, pids_limit};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, flock, fstat, open, statat, statfs};
use rustix::mount::{UnmountFlags, unmount};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The f_type of tmpfs (statfs(2)).
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// The beginning of the directories' names. The run's 16 hexadecimal digits follow.
const PREFIX: &str = "crun-capture-";

/// The end of the name of the directory in memory.
const IN_MEMORY: &str = "-cells";

/// The variable by which a test knows the runs of its own harnesses: at most 8 hexadecimal digits, with which their ids begin.
pub const RUN_PREFIX: &str = "CRUN_CAPTURE_RUN_PREFIX";

/// How often the harness searches for processes of a dead run. A process that forks while it is being killed leaves a
/// child for the next search.
const ROUNDS_MAX: u32 = 100;

/// The directories of one run. When dropped, it clears them away, with everything else that is left of the run.
#[derive(Debug)]
pub struct Scratch {
    run: String,
    disk: LockedDirectory,
    memory: LockedDirectory,
    /// Whether `close` has removed both directories, so that nothing is left to search for.
    closed: bool,
}

/// A directory that this process has locked. When dropped, it is removed.
#[derive(Debug)]
struct LockedDirectory {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Drop for LockedDirectory {
    fn drop(&mut self) {
        // There is nobody left to tell. The next start finds what cannot be removed.
        let _found_by_the_next_start = fs::remove_dir_all(&self.path);
    }
}

impl Scratch {
    /// Makes and locks the directories of a new run.
    ///
    /// # Errors
    /// A directory cannot be made. The error names its path.
    pub fn create() -> io::Result<Scratch> {
        // A sweep may take a new directory for a dead one before it is locked. Then another one is made.
        loop {
            let run = new_run();
            let disk = hold(&temporary_directory()?, &format!("{PREFIX}{run}"))?;
            let memory = hold(&memory_directory()?, &format!("{PREFIX}{run}{IN_MEMORY}"))?;
            if let (Some(disk), Some(memory)) = (disk, memory) {
                reached(Phase::Scratch);
                return Ok(Scratch { run, disk, memory, closed: false });
            }
        }
    }

    /// The directories in which those of the containers are made.
    pub fn parents(&self) -> Parents<'_> {
        Parents { disk: self.disk(), memory: self.memory() }
    }

    /// The family of the run, still without members.
    pub fn family(&self) -> Family {
        Family::of_run(&self.run, self.disk())
    }

    /// The directory for bundles and states.
    pub fn disk(&self) -> &Path {
        &self.disk.path
    }

    /// The directory in memory. Without a tmpfs that this user may write to, it is on disk too.
    pub fn memory(&self) -> &Path {
        &self.memory.path
    }

    /// Removes the directories with everything in them.
    ///
    /// # Errors
    /// A directory cannot be removed. The error names its path.
    pub fn close(mut self) -> io::Result<()> {
        let removed = [&self.disk, &self.memory]
            .map(|held| fs::remove_dir_all(&held.path).map_err(|error| with_path(&error, &held.path)));
        self.closed = removed.iter().all(Result::is_ok);
        removed.into_iter().collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.closed {
            // The run has failed, and has already said why.
            let _found_by_the_next_start = clear_away(&self.disk.path, &self.run);
        }
    }
}

/// Makes the id of a run: 16 hexadecimal digits.
fn new_run() -> String {
    let random = format!("{:016x}", fastrand::u64(..));
    match std::env::var(RUN_PREFIX) {
        Ok(prefix) if is_hexadecimal(&prefix) && prefix.len() <= 8 => format!("{prefix}{}", &random[prefix.len()..]),
        _ => random,
    }
}

fn is_hexadecimal(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
}

/// Makes a directory and locks it. None: a sweep removed it first.
fn hold(parent: &Path, name: &str) -> io::Result<Option<LockedDirectory>> {
    let path = parent.join(name);
    let failed = |error: io::Error| with_path(&error, &path);
    fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
    let Some(lock) = open_directory(&path)? else { return Ok(None) };
    flock(&lock, FlockOperation::LockExclusive).map_err(|errno| failed(errno.into()))?;
    Ok(is_there(&path, &lock).then_some(LockedDirectory { path, _lock: lock }))
}

/// Opens a directory of this user. None: there is no such directory, it is a link, or it belongs to somebody else.
fn open_directory(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(directory) = open(path, flags, Mode::empty()) else { return Ok(None) };
    let owner = fstat(&directory)?.st_uid;
    Ok((owner == rustix::process::geteuid().as_raw()).then_some(directory))
}

/// Whether the path still leads to the open directory.
fn is_there(path: &Path, directory: &OwnedFd) -> bool {
    let named = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    fstat(directory)
        .is_ok_and(|open| named.is_ok_and(|named| (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)))
}

/// What a sweep found of a killed run and cleared away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// The run's directory.
    pub path: PathBuf,
    /// The number of processes that were killed.
    pub processes: usize,
    /// The number of containers that were stopped.
    pub containers: usize,
    /// What could not be cleared away, in words.
    pub failures: Vec<String>,
}

/// Clears away what dead runs of this user have left in the directory for temporary files and in memory. Living runs
/// are not touched. Blocks until their processes and containers have ended.
pub fn sweep() -> Vec<Swept> {
    let mut parents: Vec<PathBuf> = [temporary_directory(), memory_directory()].into_iter().flatten().collect();
    parents.dedup();
    let entries = parents.iter().flat_map(fs::read_dir).flatten().flatten();
    entries.filter_map(|entry| sweep_one(&entry.path(), run_of(entry.file_name().to_str()?)?)).collect()
}

/// The run that a directory of this name belongs to.
fn run_of(name: &str) -> Option<&str> {
    let run = name.strip_prefix(PREFIX)?;
    let run = run.strip_suffix(IN_MEMORY).unwrap_or(run);
    (run.len() == 16 && is_hexadecimal(run)).then_some(run)
}

fn sweep_one(path: &Path, run: &str) -> Option<Swept> {
    let lock = open_directory(path).ok()??;
    // The lock is held until the end of this function, so that no other sweep takes the same directory.
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    is_there(path, &lock).then(|| clear_away(path, run))
}

/// Kills the run's processes, stops its containers, and removes the directory.
fn clear_away(path: &Path, run: &str) -> Swept {
    // The runtime's verbs that run here do not bear the dead run's mark. Another sweep may find that run's other
    // directory, and kill whatever bears the mark.
    let family = Family::of_run(&new_run(), path);
    let mut swept = Swept { path: path.to_owned(), processes: 0, containers: 0, failures: Vec::new() };
    let mark = Family::of_run(run, path).mark();
    for _ in 0..ROUNDS_MAX {
        let found = bearers(&mark);
        if found.is_empty() {
            break;
        }
        swept.processes += found.len();
        found.iter().for_each(|process| process.kill());
    }
    for handle in handles(path).into_iter().filter(Handle::has_state) {
        swept.containers += 1;
        // Its processes are dead, including those in the container's namespaces. Only a state is left to delete.
        let stop = handle.stop(&family, Duration::ZERO);
        swept.failures.extend(stop.failure(&handle.id));
    }
    swept.processes += pids_limit::kill_all(run);
    let groups = pids_limit::remove_all(run);
    if !groups.is_empty() {
        // The directory stays, because it leads the next start to these groups.
        swept.failures.extend(groups);
        return swept;
    }
    unmount_below(path);
    if let Err(error) = fs::remove_dir_all(path) {
        swept.failures.push(with_path(&error, path).to_string());
    }
    swept
}

/// Unmounts everything that is mounted below a directory, the last mount first. If that fails, the caller cannot remove
/// the directory, and reports that.
pub(crate) fn unmount_below(path: &Path) {
    for mount in mounts_below(path) {
        let _still_there = unmount(mount, UnmountFlags::DETACH);
    }
}

/// The mounts below a directory, the last one first. A killed runtime may leave a mount (see `Family`).
fn mounts_below(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // proc_pid_mountinfo(5): the fifth field is the mount point.
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    let mut below: Vec<PathBuf> = points.filter(|point| point != path && point.starts_with(path)).collect();
    below.reverse();
    below
}

/// Decodes a path of mountinfo, where a space, a tab, a line feed and a backslash are octal numbers.
fn unescaped(text: &str) -> PathBuf {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    plain.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)).into()
}

/// The handles of all containers below a run's directory. The directory in memory has none: workloads write there, and
/// the harness executes what a handle says.
fn handles(path: &Path) -> Vec<Handle> {
    if path.to_string_lossy().ends_with(IN_MEMORY) {
        return Vec::new();
    }
    let cells = fs::read_dir(path).into_iter().flatten().flatten();
    cells.filter_map(|cell| Handle::read(&cell.path())).collect()
}

/// The canonical path of TMPDIR. Runtimes resolve the paths they get from within the bundle, and a later run from
/// elsewhere.
fn temporary_directory() -> io::Result<PathBuf> {
    let path = std::env::temp_dir();
    path.canonicalize().map_err(|error| with_path(&error, &path))
}

/// Whether `path` lies in memory (on a tmpfs).
pub(crate) fn is_in_memory(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.f_type == TMPFS_MAGIC)
}

/// `/dev/shm` if it is in memory and this user may write to it; otherwise the directory for temporary files.
pub(crate) fn memory_directory() -> io::Result<PathBuf> {
    let shm = Path::new("/dev/shm");
    let writable = rustix::fs::access(shm, rustix::fs::Access::WRITE_OK).is_ok();
    if writable && is_in_memory(shm) { Ok(shm.to_owned()) } else { temporary_directory() }
}
