//! What stands in the places that every program can write to, and that the harness gives to none: the current directory,
//! the directories for temporary files, shared memory and System V objects.

use crate::process::{Interrupt, readable};
use crate::recording::{CellId, Crowded};
use rustix::fd::AsFd;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What the harness itself makes there begins so.
const OWN: &str = "crun-capture-";

/// How deep the harness looks into a place.
const DEPTH: u32 = 2;

/// A place that holds more than this is not looked at so deep.
const NAMES_MAX: usize = 20_000;

/// How long the harness watches whether other programs make files there, too.
const NOISE: Duration = Duration::from_secs(2);

/// What the words for a System V object begin with.
const SYSTEM_V_OBJECT: &str = "System V object";

/// The System V objects: the file that lists them (sysvipc(7)), and the place of the owner's uid in a line.
const SYSTEM_V: [(&str, usize); 3] = [("/proc/sysvipc/shm", 7), ("/proc/sysvipc/msg", 7), ("/proc/sysvipc/sem", 4)];

/// Everything of this user's in these places, by name. A file has its number and the time of its last change, so that one
/// which a capturer writes anew in each run is found each time.
pub(super) struct Elsewhere(BTreeMap<String, (u64, i64)>);

impl Elsewhere {
    pub(super) fn now() -> Elsewhere {
        let own = rustix::process::geteuid().as_raw();
        let mut names = BTreeMap::new();
        for place in places() {
            names.extend((1..=DEPTH).rev().find_map(|depth| list(&place, depth, own)).unwrap_or_default());
        }
        for (list, uid_at) in SYSTEM_V {
            let text = fs::read_to_string(list).unwrap_or_default();
            let of_user = text.lines().skip(1).filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let id = fields.get(1)?;
                (fields.get(uid_at)?.parse() == Ok(own)).then(|| (format!("{SYSTEM_V_OBJECT} {id} of {list}"), (0, 0)))
            });
            names.extend(of_user);
        }
        Elsewhere(names)
    }

    /// What was not there before, or has changed; and whether it is new.
    fn since(&self, before: &Elsewhere) -> BTreeMap<String, bool> {
        let new = self.0.iter().filter(|(name, seen)| before.0.get(*name) != Some(seen));
        new.map(|(name, _)| (name.clone(), !before.0.contains_key(name))).collect()
    }
}

/// What is in a directory, and, down to `depth`, in the directories in it. None: too much.
fn list(directory: &Path, depth: u32, own: u32) -> Option<BTreeMap<String, (u64, i64)>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Some(found) = entry.metadata().ok().filter(|found| found.uid() == own) else { continue };
        if entry.file_name().to_string_lossy().starts_with(OWN) {
            continue;
        }
        // Much that is no trace happens in the directories that are there already.
        let changed_ns = if found.is_dir() { 0 } else { found.ctime() * 1_000_000_000 + found.ctime_nsec() };
        names.insert(entry.path().display().to_string(), (found.ino(), changed_ns));
        if found.is_dir() && depth > 1 {
            names.extend(list(&entry.path(), depth - 1, own)?);
        }
        if names.len() > NAMES_MAX {
            return None;
        }
    }
    Some(names)
}

/// What was new or had changed after the first run of a cell. Another program may have done that at the same time, so the
/// cell runs once more, and only what is new or has changed again is the capturer's.
#[derive(Debug, Default)]
pub struct Suspects(Mutex<HashMap<CellId, BTreeMap<String, bool>>>);

impl Suspects {
    /// What a run of a cell left elsewhere; and why that is in doubt. `before`: what was there before the run. Blocks for a
    /// while if something is new, or until the user interrupts.
    pub(super) fn seen(
        &self,
        id: &CellId,
        before: Option<Elsewhere>,
        interrupt: &Interrupt,
    ) -> (Vec<String>, Option<Crowded>) {
        let Some(before) = before else { return (Vec::new(), None) };
        let after = Elsewhere::now();
        let mut left = after.since(&before);
        if left.is_empty() {
            return self.judge(id, left, false);
        }
        // What changes while nothing of the harness runs, such as a log, is no trace of the capturer.
        readable(interrupt.as_fd(), NOISE);
        let noise = Elsewhere::now().since(&after);
        left.retain(|name, _| !noise.contains_key(name));
        self.judge(id, left, noise.values().any(|&new| new))
    }

    /// `noisy`: other programs make files there, too.
    fn judge(&self, id: &CellId, left: BTreeMap<String, bool>, noisy: bool) -> (Vec<String>, Option<Crowded>) {
        let in_doubt = |names: &[String]| Crowded { left_once: names.join(", "), ..Crowded::default() };
        let mut suspects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = suspects.remove(id) else {
            let names: Vec<String> = left.keys().cloned().collect();
            if !left.is_empty() {
                suspects.insert(id.clone(), left);
            }
            return (names, None);
        };
        let again = left.into_iter().filter(|(name, new)| *new || first.contains_key(name));
        let again: Vec<String> = again.map(|(name, _)| name).collect();
        if !again.is_empty() {
            let doubt = noisy.then(|| in_doubt(&again));
            return (again, doubt);
        }
        // The capturer may make it once, or another program may have.
        let still = first.into_iter().filter(|(name, new)| *new && Path::new(name).exists());
        let still: Vec<String> = still.map(|(name, _)| name).collect();
        let doubt = (!still.is_empty()).then(|| in_doubt(&still));
        (still, doubt)
    }
}

fn places() -> BTreeSet<PathBuf> {
    let named = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"].into_iter().map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    named.chain(std::env::current_dir()).chain([std::env::temp_dir()]).chain(home).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_seen_and_what_the_harness_makes_is_not() {
        let before = Elsewhere::now();
        let file = tempfile::Builder::new().prefix("left-by-a-test").tempfile_in("/tmp").unwrap();
        let _own = tempfile::Builder::new().prefix(OWN).tempfile_in("/tmp").unwrap();
        let name = file.path().display().to_string();
        let after = Elsewhere::now();
        let found = after.since(&before);
        assert_eq!(found.get(&name), Some(&true), "{found:?}");
        assert!(!found.keys().any(|name| name.contains(OWN)), "{found:?}");
        std::fs::write(file.path(), "again").unwrap();
        assert_eq!(Elsewhere::now().since(&after).get(&name), Some(&false), "it has changed");
    }

    #[test]
    fn only_what_is_new_or_changes_in_both_runs_is_the_capturers() {
        let [runtime, strategy, experiment, case] = ["r", "s", "e", "c"].map(str::to_owned);
        let id = CellId { runtime, strategy, experiment, case, run: 0 };
        let file = tempfile::NamedTempFile::new().unwrap();
        let name = file.path().display().to_string();
        let seen = |new: bool| BTreeMap::from([(name.clone(), new)]);
        let (nothing, one) = (BTreeMap::new, vec![name.clone()]);
        let suspects = Suspects::default();
        let twice = |first: BTreeMap<String, bool>, second: BTreeMap<String, bool>, noisy| {
            suspects.judge(&id, first, false);
            suspects.judge(&id, second, noisy)
        };
        assert_eq!(twice(seen(true), seen(false), false), (one.clone(), None), "the same name each time");
        assert_eq!(twice(seen(true), seen(true), false), (one.clone(), None));
        assert_eq!(twice(seen(false), seen(false), false), (one.clone(), None), "it was there before both");
        assert_eq!(twice(seen(false), nothing(), false), (vec![], None), "somebody's log");
        let (left, doubt) = twice(seen(true), nothing(), false);
        assert_eq!(left, one, "once: it is still there, and nobody knows whose it is");
        assert!(doubt.unwrap().words().contains(&name));
        let (left, doubt) = twice(seen(true), seen(true), true);
        assert_eq!((left, doubt.is_some()), (one, true), "others make files there, too");
        drop(file);
        assert_eq!(twice(seen(true), nothing(), false), (vec![], None), "another program has removed its own");
    }
}
