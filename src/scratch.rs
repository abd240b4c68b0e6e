//! Where a run keeps what nobody wants afterwards, and how it is cleared away, by the run itself or by a later one.
//!
//! A run has two directories of mode 0700 that only differ in where they are: one for bundles and the states of the
//! runtimes, and one in memory, for what workloads write into. Each is held by a flock(2) on itself for as long as the
//! process lives. So a directory whose lock nobody holds was left by a run that was killed: the next start stops its
//! containers, kills what bears its mark, and removes it. Nothing else could be told by a pid, which may belong to
//! somebody else by then, or lie across pid namespaces.

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

/// tmpfs's f_type (statfs(2)).
const TMPFS_MAGIC: i64 = 0x0102_1994;

/// What the names of the directories begin with; the run's 16 hexadecimal digits follow.
const PREFIX: &str = "crun-capture-";

/// What the name of the directory in memory ends with.
const IN_MEMORY: &str = "-cells";

/// How often is looked for processes of a dead run: one that forks while it is being killed is found the next time.
const ROUNDS_MAX: u32 = 100;

/// The directories of one run. Dropped, they are cleared away with whatever of the run is still there.
#[derive(Debug)]
pub struct Scratch {
    run: String,
    disk: LockedDirectory,
    memory: LockedDirectory,
    /// Whether it was closed in good order, and there is nothing left to be looked for.
    closed: bool,
}

/// A directory that this process holds the lock of. Dropped, it is removed.
#[derive(Debug)]
struct LockedDirectory {
    path: PathBuf,
    _lock: OwnedFd,
}

impl Drop for LockedDirectory {
    fn drop(&mut self) {
        // Whoever drops it has nobody left to tell; what cannot be removed is found by the next start.
        let _found_by_the_next_start = fs::remove_dir_all(&self.path);
    }
}

impl Scratch {
    /// Makes the directories of a new run.
    ///
    /// # Errors
    /// One cannot be made, with its path.
    pub fn create() -> io::Result<Scratch> {
        // A directory is lost if a sweep takes it for a dead one in the moment before it is locked: then another is made.
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

    /// Where the directories of its containers are made.
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

    /// The directory in memory, where there is any.
    pub fn memory(&self) -> &Path {
        &self.memory.path
    }

    /// Removes the directories, which need not be empty.
    ///
    /// # Errors
    /// One cannot be removed, with its path.
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
            // The run has failed, and has said why.
            let _found_by_the_next_start = clear_away(&self.disk.path, &self.run);
        }
    }
}

/// The id of a run: 16 hexadecimal digits.
fn new_run() -> String {
    format!("{:016x}", fastrand::u64(..))
}

/// Makes a directory and takes its lock; None where a sweep was faster.
fn hold(parent: &Path, name: &str) -> io::Result<Option<LockedDirectory>> {
    let path = parent.join(name);
    let failed = |error: io::Error| with_path(&error, &path);
    fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
    let Some(lock) = open_directory(&path)? else { return Ok(None) };
    flock(&lock, FlockOperation::LockExclusive).map_err(|errno| failed(errno.into()))?;
    Ok(is_there(&path, &lock).then_some(LockedDirectory { path, _lock: lock }))
}

/// A directory of this user's; None where there is none of that name, or a link, or somebody else's.
fn open_directory(path: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(directory) = open(path, flags, Mode::empty()) else { return Ok(None) };
    let owner = fstat(&directory)?.st_uid;
    Ok((owner == rustix::process::geteuid().as_raw()).then_some(directory))
}

/// Whether the name still leads to the directory that is open.
fn is_there(path: &Path, directory: &OwnedFd) -> bool {
    let named = statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW);
    fstat(directory)
        .is_ok_and(|open| named.is_ok_and(|named| (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino)))
}

/// What a killed run had left and is gone now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Its directory.
    pub path: PathBuf,
    /// How many processes were killed.
    pub processes: usize,
    /// How many containers were stopped.
    pub containers: usize,
    /// What could not be cleared away, in words.
    pub failures: Vec<String>,
}

/// Clears away what dead runs of this user have left: of those with the same directory for temporary files, and in memory.
/// Living runs are not touched.
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
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    (run.len() == 16 && run.chars().all(is_digit)).then_some(run)
}

fn sweep_one(path: &Path, run: &str) -> Option<Swept> {
    let lock = open_directory(path).ok()??;
    // LockedDirectory until the end of this function: no other sweep does the same.
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    is_there(path, &lock).then(|| clear_away(path, run))
}

/// Kills the run's processes, stops its containers, removes the directory.
fn clear_away(path: &Path, run: &str) -> Swept {
    // Its verbs do not bear the mark of the run: somebody else may find its other directory, and kill what does.
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
        // Its processes are dead, those in the container's namespaces too: only a state is left to be deleted.
        let stop = handle.stop(&family, Duration::ZERO);
        swept.failures.extend(stop.failure(&handle.id));
    }
    swept.processes += pids_limit::kill_all(run);
    let groups = pids_limit::remove_all(run);
    if !groups.is_empty() {
        // The directory is what leads the next start to them.
        swept.failures.extend(groups);
        return swept;
    }
    unmount_below(path);
    if let Err(error) = fs::remove_dir_all(path) {
        swept.failures.push(with_path(&error, path).to_string());
    }
    swept
}

/// Unmounts what is mounted below a directory, the last first. Where that fails, the directory cannot be removed, and that is
/// said.
pub(crate) fn unmount_below(path: &Path) {
    for mount in mounts_below(path) {
        let _still_there = unmount(mount, UnmountFlags::DETACH);
    }
}

/// What is mounted below a directory, the last first. A runtime that is killed may leave a mount (see `Family`).
fn mounts_below(path: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    // proc_pid_mountinfo(5): the fifth field is the mount point.
    let points = text.lines().filter_map(|line| line.split(' ').nth(4)).map(unescaped);
    let mut below: Vec<PathBuf> = points.filter(|point| point != path && point.starts_with(path)).collect();
    below.reverse();
    below
}

/// A space, a tab, a line feed and a backslash stand as octal numbers in mountinfo.
fn unescaped(text: &str) -> PathBuf {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    plain.iter().fold(text.to_owned(), |text, (escape, plain)| text.replace(escape, plain)).into()
}

/// The handles of all containers below a run's directory. There are none in the directory in memory: workloads write there,
/// and what a handle says is executed.
fn handles(path: &Path) -> Vec<Handle> {
    if path.to_string_lossy().ends_with(IN_MEMORY) {
        return Vec::new();
    }
    let cells = fs::read_dir(path).into_iter().flatten().flatten();
    cells.filter_map(|cell| Handle::read(&cell.path())).collect()
}

/// TMPDIR by its full path: runtimes resolve what they are given from within the bundle, and a later run from elsewhere.
fn temporary_directory() -> io::Result<PathBuf> {
    let path = std::env::temp_dir();
    path.canonicalize().map_err(|error| with_path(&error, &path))
}

/// Whether what lies at `path` is memory, and no disk.
pub(crate) fn is_in_memory(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.f_type == TMPFS_MAGIC)
}

/// /dev/shm where it is memory that this user may use, else the directory for temporary files.
pub(crate) fn memory_directory() -> io::Result<PathBuf> {
    let shm = Path::new("/dev/shm");
    let writable = rustix::fs::access(shm, rustix::fs::Access::WRITE_OK).is_ok();
    if writable && is_in_memory(shm) { Ok(shm.to_owned()) } else { temporary_directory() }
}
