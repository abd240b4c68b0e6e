//! What keeps a container from filling the machine with processes.
//!
//! `linux.resources.pids` of config.json is the rule, and runc and youki keep it. crun with its cgroup manager disabled
//! ignores it silently, and so does the fake: for these the harness makes a control group of its own, which the process
//! that becomes the runtime enters first. A user without privileges may make none, and has RLIMIT_NPROC (setrlimit(2)): it
//! counts the processes of a user namespace, but nothing of root's.

use crate::bundle::PIDS_MAX;
use crate::files::with_path;
use crate::machine::{self, CgroupMode};
use crate::process::Stranger;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the hierarchies are.
const CGROUP: &str = "/sys/fs/cgroup";

/// So many entries of the hierarchies are looked at, files included.
const ENTRIES_MAX: u32 = 1_000_000;

/// How often is looked for processes in a group: one that forks while it is being killed is found the next time.
const ROUNDS_MAX: u32 = 100;

/// How long the kernel may take to let go of a group whose processes have ended.
const REMOVAL: Duration = Duration::from_secs(1);

/// What limits the processes of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PidsLimit {
    /// A control group that the harness makes.
    Cgroup,
    /// RLIMIT_NPROC in a user namespace.
    Rlimit,
    /// The runtime itself, as config.json asks.
    Runtime,
}

/// Where groups with a pids controller are.
fn hierarchy() -> Option<&'static Path> {
    match machine::cgroup_mode() {
        CgroupMode::V1 | CgroupMode::Hybrid => Some(Path::new("/sys/fs/cgroup/pids")),
        CgroupMode::V2 => Some(Path::new("/sys/fs/cgroup")),
        CgroupMode::None => None,
    }
}

/// The hierarchy, where this process can make groups with a limit in it: it makes one of this run's and removes it.
pub(super) fn parent(run: &str) -> Option<PathBuf> {
    let parent = hierarchy()?;
    let trial = parent.join(super::new_id(run));
    fs::create_dir(&trial).ok()?;
    let has_limit = trial.join("pids.max").exists();
    remove(&trial).ok()?;
    has_limit.then(|| parent.into())
}

/// Makes the group `id` with its limit.
///
/// # Errors
/// It cannot be made, with the path.
pub(super) fn make(parent: &Path, id: &str) -> io::Result<()> {
    let group = parent.join(id);
    fs::create_dir(&group).map_err(|error| with_path(&error, &group))?;
    let limit = group.join("pids.max");
    fs::write(&limit, PIDS_MAX.to_string()).map_err(|error| with_path(&error, &limit))
}

/// Moves this process, and all that it becomes and starts, into a group.
///
/// # Errors
/// There is none, with the path.
pub fn enter(group: &Path) -> io::Result<()> {
    let processes = group.join("cgroup.procs");
    fs::write(&processes, "0").map_err(|error| with_path(&error, &processes))
}

/// The processes in a group, as far as this pid namespace has numbers for them.
pub(super) fn members(group: &Path) -> Vec<Stranger> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let pids = |text: &str| -> Vec<u32> { text.lines().filter_map(|pid| pid.parse().ok()).collect() };
    let held: Vec<Stranger> = pids(&text).into_iter().filter(|&pid| pid != 0).filter_map(Stranger::of).collect();
    // Asked again, now that each is held by a descriptor: a number could by now be another process's.
    let still = pids(&fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default());
    held.into_iter().filter(|stranger| still.contains(&stranger.pid)).collect()
}

/// Removes a group whose processes have ended. Blocks for at most a second: the kernel may still hold one that has just ended.
///
/// # Errors
/// It cannot be removed, with the path.
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

/// The groups of all containers of a run, in every hierarchy: runc and youki make groups of their own below whichever they
/// are in, and leave them where they are killed.
fn groups(run: &str) -> Vec<PathBuf> {
    let name = format!("cc-{run}-");
    let (mut found, mut folders, mut seen) = (Vec::new(), vec![PathBuf::from(CGROUP)], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            // A link is another name of a hierarchy that is there anyway.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) || seen > ENTRIES_MAX {
                continue;
            }
            let is_own = entry.file_name().to_string_lossy().contains(&name);
            if is_own { &mut found } else { &mut folders }.push(entry.path());
        }
    }
    found
}

/// Kills what is in the groups of a dead run: a program may have cleared its environment, and bear no mark. Returns how many.
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

/// Removes the groups of a run, whose processes have ended. Returns what could not be removed, in words.
pub fn remove_all(run: &str) -> Vec<String> {
    groups(run).iter().filter_map(|group| remove(group).err()).map(|error| error.to_string()).collect()
}
