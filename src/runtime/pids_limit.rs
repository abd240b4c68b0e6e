//! The limit that keeps a container from filling the machine with processes.
//!
//! config.json has the limit as `linux.resources.pids`, and runc and youki enforce it. crun ignores it silently if its
//! cgroup manager is disabled, and so does the fake. For these the harness makes a cgroup, which the process that
//! becomes the runtime enters first. A user without privileges cannot make one, and gets RLIMIT_NPROC (setrlimit(2)).
//! That limit counts the processes of a user namespace, but does not apply to root.

use crate::bundle::PIDS_MAX;
use crate::files::with_path;
use crate::machine::{self, CgroupMode};
use crate::process::Stranger;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The directory of all cgroup hierarchies.
const CGROUP: &str = "/sys/fs/cgroup";

/// The maximum number of directory entries in the hierarchies that the harness looks at, files included.
const ENTRIES_MAX: u32 = 1_000_000;

/// How often the harness searches for processes in a cgroup. A process that forks while it is being killed leaves a
/// child for the next search.
const ROUNDS_MAX: u32 = 100;

/// How long the kernel may take to release a cgroup whose processes have ended.
const REMOVAL: Duration = Duration::from_secs(1);

/// What limits the processes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PidsLimit {
    /// A cgroup that the harness makes.
    Cgroup,
    /// RLIMIT_NPROC in a user namespace.
    Rlimit,
    /// The runtime itself, as config.json asks.
    Runtime,
}

/// The hierarchy with the pids controller.
fn hierarchy() -> Option<&'static Path> {
    match machine::cgroup_mode() {
        CgroupMode::V1 | CgroupMode::Hybrid => Some(Path::new("/sys/fs/cgroup/pids")),
        CgroupMode::V2 => Some(Path::new("/sys/fs/cgroup")),
        CgroupMode::None => None,
    }
}

/// The hierarchy in which this process can make cgroups with a limit. To find out, makes a cgroup of this run and
/// removes it.
pub(super) fn parent(run: &str) -> Option<PathBuf> {
    let parent = hierarchy()?;
    let trial = parent.join(super::new_id(run));
    fs::create_dir(&trial).ok()?;
    let has_limit = trial.join("pids.max").exists();
    remove(&trial).ok()?;
    has_limit.then(|| parent.into())
}

/// Makes the cgroup `id` with its limit.
///
/// # Errors
/// The cgroup cannot be made. The error names the path.
pub(super) fn make(parent: &Path, id: &str) -> io::Result<()> {
    let group = parent.join(id);
    fs::create_dir(&group).map_err(|error| with_path(&error, &group))?;
    let limit = group.join("pids.max");
    fs::write(&limit, PIDS_MAX.to_string()).map_err(|error| with_path(&error, &limit))
}

/// Moves this process into a cgroup. The processes that it starts or becomes stay in it.
///
/// # Errors
/// There is no such cgroup. The error names the path.
pub fn enter(group: &Path) -> io::Result<()> {
    let processes = group.join("cgroup.procs");
    fs::write(&processes, "0").map_err(|error| with_path(&error, &processes))
}

/// The processes in a cgroup that have a number in this pid namespace.
pub(super) fn members(group: &Path) -> Vec<Stranger> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let pids = |text: &str| -> Vec<u32> { text.lines().filter_map(|pid| pid.parse().ok()).collect() };
    let held: Vec<Stranger> = pids(&text).into_iter().filter(|&pid| pid != 0).filter_map(Stranger::of).collect();
    // Read again, now that each process is held by a pidfd: before, a pid may have gone to another process.
    let still = pids(&fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default());
    held.into_iter().filter(|stranger| still.contains(&stranger.pid)).collect()
}

/// Removes a cgroup whose processes have ended. Blocks for at most a second, because the kernel may still hold a
/// process that has just ended.
///
/// # Errors
/// The cgroup cannot be removed. The error names the path.
pub(super) fn remove(group: &Path) -> io::Result<()> {
    let deadline = Instant::now() + REMOVAL;
    loop {
        match fs::remove_dir(group) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) && Instant::now() < deadline => {
                std::thread::yield_now();
            }
            done => return done.map_err(|error| with_path(&error, group)),
        }
    }
}

/// The cgroups of all containers of a run, in every hierarchy. runc and youki make cgroups of their own below the one
/// that they are in, and leave them behind if they are killed.
fn groups(run: &str) -> Vec<PathBuf> {
    let name = format!("cc-{run}-");
    let (mut found, mut folders, mut seen) = (Vec::new(), vec![PathBuf::from(CGROUP)], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            // A link is only another name of a hierarchy.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || seen > ENTRIES_MAX {
                continue;
            }
            let is_own = entry.file_name().to_string_lossy().contains(&name);
            if is_own { &mut found } else { &mut folders }.push(entry.path());
        }
    }
    found
}

/// Kills the processes in the cgroups of a dead run, and returns their number. They may bear no mark, because a program
/// can clear its environment.
pub fn kill_all(run: &str) -> usize {
    let mut killed = 0;
    for group in groups(run) {
        for _ in 0..ROUNDS_MAX {
            let found = members(&group);
            if found.is_empty() {
                break;
            }
            killed += found.len();
            found.iter().for_each(Stranger::kill);
        }
    }
    killed
}

/// Removes the cgroups of a run, whose processes must have ended. Returns what could not be removed, in words.
pub fn remove_all(run: &str) -> Vec<String> {
    groups(run).iter().filter_map(|group| remove(group).err()).map(|error| error.to_string()).collect()
}
