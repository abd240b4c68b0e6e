//! What stands in the places that every program can write to, and that the harness gives to none: the current directory,
//! the directories for temporary files, shared memory and System V objects.

use crate::recording::{CellId, Crowded};
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
const NOISE: Duration = Duration::from_millis(500);

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

    /// Whether other programs make or change something in these places: nothing of the harness runs for a while, and
    /// something is new. Blocks meanwhile.
    pub(super) fn is_noisy(&self) -> bool {
        std::thread::sleep(NOISE);
        !Elsewhere::now().new_since(self).is_empty()
    }

    /// What was not there before, or has changed.
    pub(super) fn new_since(&self, before: &Elsewhere) -> Vec<String> {
        let new = self.0.iter().filter(|(name, seen)| before.0.get(*name) != Some(seen));
        new.map(|(name, _)| name.clone()).collect()
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

/// What was new after the first run of a cell. If nothing is new after its second run, but the same things are still there,
/// nobody can tell whose they are: the capturer may make them once, or another program may have.
#[derive(Debug, Default)]
pub struct Suspects(Mutex<HashMap<CellId, Vec<String>>>);

impl Suspects {
    /// What a run of a cell left elsewhere; and why that is in doubt. `before`: what was there before the run.
    pub(super) fn seen(&self, id: &CellId, before: Option<Elsewhere>) -> (Vec<String>, Option<Crowded>) {
        let Some(before) = before else { return (Vec::new(), None) };
        let after = Elsewhere::now();
        let new = after.new_since(&before);
        let noisy = (!new.is_empty() && after.is_noisy()).then(|| new.join(", "));
        let (left, doubtful) = self.judge(id, new);
        (left, noisy.map(|left_once| Crowded { left_once, ..Crowded::default() }).or(doubtful))
    }

    fn judge(&self, id: &CellId, new: Vec<String>) -> (Vec<String>, Option<Crowded>) {
        let mut suspects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match suspects.remove(id) {
            None if new.is_empty() => {}
            None => drop(suspects.insert(id.clone(), new.clone())),
            Some(first) if new.is_empty() => {
                let still: Vec<String> = first.into_iter().filter(|name| Path::new(name).exists()).collect();
                let doubtful =
                    (!still.is_empty()).then(|| Crowded { left_once: still.join(", "), ..Crowded::default() });
                return (still, doubtful);
            }
            Some(_) => {}
        }
        (new, None)
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
        let found = Elsewhere::now().new_since(&before);
        assert!(found.contains(&file.path().display().to_string()), "{found:?}");
        assert!(!found.iter().any(|name| name.contains(OWN)), "{found:?}");
        let before = Elsewhere::now();
        std::fs::write(file.path(), "again").unwrap();
        assert!(Elsewhere::now().new_since(&before).contains(&file.path().display().to_string()));
    }

    #[test]
    fn what_is_new_only_once_is_in_doubt_while_it_is_there() {
        let [runtime, strategy, experiment, case] = ["r", "s", "e", "c"].map(str::to_owned);
        let id = CellId { runtime, strategy, experiment, case, run: 0 };
        let file = tempfile::NamedTempFile::new().unwrap();
        let new = vec![file.path().display().to_string()];
        let suspects = Suspects::default();
        assert_eq!(suspects.judge(&id, Vec::new()), (Vec::new(), None));
        assert_eq!(suspects.judge(&id, new.clone()), (new.clone(), None), "it runs again");
        let (left, doubtful) = suspects.judge(&id, Vec::new());
        assert_eq!(left, new);
        assert!(doubtful.unwrap().words().contains(&new[0]));
        suspects.judge(&id, new.clone());
        assert_eq!(suspects.judge(&id, new.clone()), (new.clone(), None), "in both runs it is the capturer's");
        suspects.judge(&id, new);
        drop(file);
        assert_eq!(suspects.judge(&id, Vec::new()), (Vec::new(), None), "another program has removed its own");
    }
}
