//! A bundle of the user. It is never written to: a runtime gets a copy of its config.json, whose paths lead into it.

use crate::files::{make_directory, with_path, write_private};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The maximum number of files in a bundle that is watched. A rootfs has a few thousand.
const WATCHED_MAX: usize = 100_000;

/// A bundle of the user.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnBundle {
    path: PathBuf,
    config: Value,
}

/// The state of a bundle's files: for each path its size in bytes, its modification time in ns, and its mode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, (u64, i64, u32)>);

impl OwnBundle {
    /// Opens the bundle in the directory `path`.
    ///
    /// # Errors
    /// There is no config.json, or it is not JSON. The error names the path. Everything else that may be wrong with the
    /// bundle is left to the runtime.
    pub fn open(path: &Path) -> io::Result<OwnBundle> {
        let path = path.canonicalize().map_err(|error| with_path(&error, path))?;
        let file = path.join("config.json");
        let kind = file.metadata().map_err(|error| with_path(&error, &file))?;
        if !kind.is_file() {
            return Err(with_path(&io::Error::new(io::ErrorKind::InvalidData, "not a regular file"), &file));
        }
        let text = fs::read(&file).map_err(|error| with_path(&error, &file))?;
        let config = serde_json::from_slice(&text).map_err(|error| with_path(&error.into(), &file))?;
        Ok(OwnBundle { path, config })
    }

    /// The canonical path of the bundle.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the bundle asks for a terminal. No capture of two streams can give it one.
    pub fn wants_terminal(&self) -> bool {
        self.config["process"]["terminal"] == true
    }

    /// Makes the directory that a runtime gets, at `copy`, which must not exist. Its config.json asks for no terminal
    /// and adds these variables to the environment. Its relative paths still lead into the bundle.
    ///
    /// # Errors
    /// The directory or its config.json cannot be written.
    pub fn prepare(&self, copy: &Path, environment: &[String]) -> io::Result<()> {
        let mut config = self.config.clone();
        if self.wants_terminal() {
            config["process"]["terminal"] = Value::Bool(false);
            // Some runtimes refuse a console size without a terminal.
            config["process"].as_object_mut().and_then(|process| process.remove("consoleSize"));
        }
        // A runtime refuses a bundle without a process, and must still do so.
        if let Some(process) = config["process"].as_object_mut() {
            let variables = process.entry("env").or_insert_with(|| Value::Array(Vec::new()));
            if let Some(variables) = variables.as_array_mut() {
                variables.extend(environment.iter().cloned().map(Value::from));
            }
        }
        if config["root"].is_object() {
            self.make_absolute(&mut config["root"]["path"]);
        }
        let mounts = config.get_mut("mounts").and_then(Value::as_array_mut).into_iter().flatten();
        for mount in mounts.filter(|mount| is_bind(mount)) {
            self.make_absolute(&mut mount["source"]);
        }
        make_directory(copy)?;
        write_private(&copy.join("config.json"), &serde_json::to_vec(&config)?)
    }

    fn make_absolute(&self, path: &mut Value) {
        if let Some(relative) = path.as_str() {
            *path = self.path.join(relative).to_string_lossy().into();
        }
    }

    /// The current state of the bundle's files. It is empty if there are too many files to watch. Blocks while it looks
    /// at every file.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                // The metadata of a link itself, not of its target.
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    folders.push(entry.path());
                }
                let modified_ns = metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec();
                snapshot.0.insert(entry.path(), (metadata.len(), modified_ns, metadata.mode()));
            }
            if snapshot.0.len() > WATCHED_MAX {
                return Snapshot::default();
            }
        }
        snapshot
    }
}

fn is_bind(mount: &Value) -> bool {
    let options = mount["options"].as_array().into_iter().flatten();
    mount["type"] == "bind" || options.into_iter().any(|option| option == "bind" || option == "rbind")
}

impl Snapshot {
    /// The paths that are new, gone or different in `now`.
    pub fn changed(&self, now: &Snapshot) -> Vec<PathBuf> {
        let differs = |path: &&PathBuf| self.0.get(*path) != now.0.get(*path);
        let all: std::collections::BTreeSet<&PathBuf> = self.0.keys().chain(now.0.keys()).collect();
        all.into_iter().filter(differs).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(terminal: bool) -> (tempfile::TempDir, OwnBundle) {
        let directory = tempfile::tempdir().unwrap();
        let config = serde_json::json!({
            "process": {"terminal": terminal, "consoleSize": {"height": 1, "width": 2}},
            "root": {"path": "rootfs"},
            "mounts": [
                {"destination": "/a", "type": "bind", "source": "data"},
                {"destination": "/b", "source": "/abs", "options": ["rbind"]},
                {"destination": "/proc", "type": "proc", "source": "proc"},
            ],
        });
        fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        let own = OwnBundle::open(directory.path()).unwrap();
        (directory, own)
    }

    #[test]
    fn a_bundle_without_a_terminal_gets_its_marks_and_nothing_else() {
        let (directory, own) = bundle(false);
        let copy = directory.path().join("copy");
        own.prepare(&copy, &["A=1".to_owned()]).unwrap();
        let config: Value = serde_json::from_slice(&fs::read(copy.join("config.json")).unwrap()).unwrap();
        assert_eq!(config["process"]["env"], serde_json::json!(["A=1"]));
        assert_eq!(config["process"]["consoleSize"], own.config["process"]["consoleSize"]);
    }

    #[test]
    fn one_that_asks_for_a_terminal_gets_a_copy_of_its_config() {
        let (directory, own) = bundle(true);
        let before = own.snapshot();
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("copy");
        own.prepare(&copy, &[]).unwrap();
        let config: Value = serde_json::from_slice(&fs::read(copy.join("config.json")).unwrap()).unwrap();
        assert_eq!(config["process"], serde_json::json!({"terminal": false, "env": []}));
        let inside = |name: &str| Value::from(directory.path().canonicalize().unwrap().join(name).to_str().unwrap());
        assert_eq!(config["root"]["path"], inside("rootfs"));
        assert_eq!(config["mounts"][0]["source"], inside("data"));
        assert_eq!((&config["mounts"][1]["source"], &config["mounts"][2]["source"]), (&"/abs".into(), &"proc".into()));
        assert!(before.changed(&own.snapshot()).is_empty());
    }

    #[test]
    fn whatever_changes_in_it_is_seen() {
        let (_directory, own) = bundle(false);
        let file = own.path().join("new");
        let before = own.snapshot();
        fs::write(&file, "").unwrap();
        let between = own.snapshot();
        assert_eq!(before.changed(&between), std::slice::from_ref(&file));
        fs::remove_file(&file).unwrap();
        assert_eq!(between.changed(&own.snapshot()), [file]);
    }

    #[test]
    fn what_is_no_bundle_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let says = |path: &Path| OwnBundle::open(path).unwrap_err().to_string();
        assert!(says(&directory.path().join("nowhere")).contains("nowhere"));
        assert!(says(directory.path()).contains("config.json"));
        fs::create_dir(directory.path().join("config.json")).unwrap();
        assert!(says(directory.path()).contains("not a regular file"));
        fs::remove_dir(directory.path().join("config.json")).unwrap();
        fs::write(directory.path().join("config.json"), "{").unwrap();
        assert!(says(directory.path()).contains("config.json: EOF"));
    }
}
