//! The state of a container: `ROOT/ID/status`, and what the kernel says about its init.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::args::Global;
use crate::failure::{Failure, reason};

/// The content of the status file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Status {
    pub(crate) pid: i32,
    #[serde(rename = "process-start-time")]
    pub(crate) started: u64,
    pub(crate) rootfs: String,
    pub(crate) bundle: String,
    pub(crate) created: String,
    pub(crate) owner: String,
    pub(crate) detached: bool,
}

/// The directory of one container.
pub(crate) fn directory(global: &Global, id: &str) -> PathBuf {
    global.root.join(id)
}

/// The FIFO at which a created container waits for `start`.
pub(crate) fn fifo(global: &Global, id: &str) -> PathBuf {
    directory(global, id).join("exec.fifo")
}

/// Reads the status file of a container.
pub(crate) fn read(global: &Global, id: &str) -> Result<Status, Failure> {
    let path = directory(global, id).join("status");
    let unreadable = |error| Failure::new(format!("error opening file `{}`: {}", path.display(), reason(&error)));
    let text = fs::read(&path).map_err(unreadable)?;
    serde_json::from_slice(&text).map_err(|error| Failure::new(format!("parse `{}`: {error}", path.display())))
}

/// Writes the status file in one step, so that no reader sees a part of it.
pub(crate) fn write(global: &Global, id: &str, status: &Status) -> Result<(), Failure> {
    let (directory, text) = (directory(global, id), serde_json::to_vec(status).unwrap_or_default());
    let half = directory.join("status.new");
    fs::write(&half, text)
        .and_then(|()| fs::rename(&half, directory.join("status")))
        .map_err(|error| Failure::io("cannot write status file", &error))
}

/// Removes the state of a container.
pub(crate) fn remove(global: &Global, id: &str) -> Result<(), Failure> {
    fs::remove_dir_all(directory(global, id)).map_err(|error| Failure::io("cannot rm state directory", &error))
}

/// The IDs of all containers, in the order that the file system gives.
pub(crate) fn ids(global: &Global) -> Vec<String> {
    let entries = fs::read_dir(&global.root).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

impl Status {
    /// The text that `state` prints.
    pub(crate) fn json(&self, global: &Global, id: &str) -> String {
        let word = self.word(global, id);
        format!(
            "{{\n    \"ociVersion\": \"1.0.0\",\n    \"id\": {},\n    \"pid\": {},\n    \"status\": \"{word}\",\n    \
             \"bundle\": {},\n    \"rootfs\": {},\n    \"created\": {},\n    \"systemd-scope\": \"\",\n    \
             \"owner\": {}\n}}\n\n",
            quoted(id),
            self.shown_pid(word),
            quoted(&self.bundle),
            quoted(&self.rootfs),
            quoted(&self.created),
            quoted(&self.owner),
        )
    }

    /// The pid that is shown for this state: a stopped container has none.
    pub(crate) fn shown_pid(&self, word: &str) -> i32 {
        if word == "stopped" { 0 } else { self.pid }
    }

    /// Whether the init lives: a process has its number and its start time, and is not a zombie.
    pub(crate) fn alive(&self) -> bool {
        process(self.pid).is_some_and(|(state, started)| started == self.started && !['Z', 'X'].contains(&state))
    }

    /// The word for the container's state.
    pub(crate) fn word(&self, global: &Global, id: &str) -> &'static str {
        match (self.alive(), fifo(global, id).exists()) {
            (false, _) => "stopped",
            (true, true) => "created",
            (true, false) => "running",
        }
    }
}

/// The state letter and the start time of a process.
pub(crate) fn process(pid: i32) -> Option<(char, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// The name of the user, or the number if there is no name.
pub(crate) fn owner(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let entry = users.lines().find(|line| line.split(':').nth(2) == Some(number.as_str()));
    entry.and_then(|line| line.split(':').next()).map_or(number.clone(), str::to_owned)
}
