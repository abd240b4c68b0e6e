//! The directory of one case, with its bundle. It makes sure that no process of the case stays.

use crate::case::Bundle;
use crun_capture::bundle::{self, Contents, Rootfs};
use crun_capture::process::readable;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};
use serde_json::Value;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The time that anything may take that normally takes milliseconds. A busy machine must not count as a difference to
/// crun.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// The directory of a case.
pub(crate) struct CaseDirectory {
    directory: tempfile::TempDir,
    /// The mark in the environment of every process of the case.
    pub(crate) mark: String,
    alive: File,
}

impl CaseDirectory {
    /// Writes the bundle of a case. `user_namespace`: the runtime will run in a user namespace that is made for it.
    pub(crate) fn new(bundle: &Bundle, user_namespace: bool) -> io::Result<CaseDirectory> {
        let directory = tempfile::Builder::new().prefix("crun-contract-").tempdir()?;
        let mark = format!("CONTRACT_CASE={:016x}", fastrand::u64(..));
        let path = |name: &str| directory.path().join(name);
        let rootfs = Rootfs::create(path("rootfs"), Path::new(env!("CARGO_BIN_EXE_crun-capture-emit")))?;
        for (name, content, mode) in &bundle.files {
            let file = rootfs.path().join(name);
            fs::create_dir_all(file.parent().unwrap_or(rootfs.path()))?;
            fs::write(&file, content)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(*mode))?;
        }
        bundle::make_exchange(&path("exchange"), &bundle.script)?;
        let contents = Contents {
            rootfs: &rootfs,
            exchange: &path("exchange"),
            pid_namespace: bundle.pid_namespace,
            user_namespace,
            flaw: bundle.flaw,
            environment: std::slice::from_ref(&mark),
        };
        bundle::write(&path("bundle"), &contents)?;
        edit(&path("bundle/config.json"), &bundle.edits, directory.path())?;
        if bundle.edits.iter().any(|(pointer, _)| *pointer == "/process/user") {
            open_to_all(&path("rootfs"))?;
            open_to_all(&path("exchange"))?;
        }
        let alive = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path("exchange/alive"))?;
        Ok(CaseDirectory { directory, mark, alive })
    }

    /// The directory.
    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits until no process of the workload is left, if it ever ran.
    pub(crate) fn workload_ends(&self) -> io::Result<()> {
        match readable(self.alive.as_fd(), DEADLINE) {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::TimedOut, "the workload does not end")),
        }
    }

    /// Whether a process of the workload lives. None: none ever ran.
    pub(crate) fn workload_lives(&self) -> Option<bool> {
        // The FIFO hangs up when it was open for writing and no longer is.
        let ended = readable(self.alive.as_fd(), Duration::ZERO);
        let journal = fs::read(self.path("exchange/journal")).unwrap_or_default();
        let started = journal.iter().take(8).any(|&byte| byte != 0);
        started.then_some(!ended)
    }

    /// The names in a directory and one level below, one per line. The text is empty if there is no such directory.
    pub(crate) fn names(&self, folder: &str) -> String {
        let entries = |path: &Path| {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(path).into_iter().flatten().flatten().map(|e| e.path()).collect();
            entries.sort();
            entries
        };
        let top = self.path(folder);
        let all = entries(&top).into_iter().flat_map(|entry| {
            let below = if entry.is_dir() && !entry.is_symlink() { entries(&entry) } else { Vec::new() };
            std::iter::once(entry).chain(below)
        });
        let name = |path: PathBuf| path.strip_prefix(&top).map_or_else(|_| String::new(), |p| p.display().to_string());
        all.map(|path| name(path) + "\n").collect()
    }

    /// All processes of this case, each held by a descriptor.
    fn processes(&self) -> Vec<OwnedFd> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let bears_mark = |number: i32| {
            let environment = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|entry| entry == self.mark.as_bytes())
        };
        let hold = |number| {
            let handle = rustix::process::pidfd_open(Pid::from_raw(number)?, PidfdFlags::empty()).ok()?;
            // The environment is read again, because another process may have got the number in the meantime.
            bears_mark(number).then_some(handle)
        };
        numbers.filter(|number| bears_mark(*number)).filter_map(hold).collect()
    }
}

impl Drop for CaseDirectory {
    /// Kills every process that is left, before the directory is removed.
    fn drop(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = self.processes();
            if left.is_empty() || Instant::now() > deadline {
                break;
            }
            for process in left {
                // The process may have ended by itself.
                let _ = rustix::process::pidfd_send_signal(&process, Signal::KILL);
                let _ = ended(process.as_fd());
            }
        }
    }
}

/// Waits for the end of a process.
pub(crate) fn ended(process: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    let limit = rustix::event::Timespec { tv_sec: DEADLINE.as_secs() as i64, tv_nsec: 0 };
    let mut watched = [PollFd::new(&process, PollFlags::IN)];
    match rustix::event::poll(&mut watched, Some(&limit)) {
        Ok(0) => Err(io::Error::new(io::ErrorKind::TimedOut, "a process does not end")),
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Lets a user other than the caller play the script.
fn open_to_all(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o777))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // A link leads out of the folder and out of the rootfs.
        if path.is_symlink() {
            continue;
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777))?;
    }
    Ok(())
}

/// Changes config.json. `SITE` in a text stands for the directory of the case.
fn edit(path: &Path, edits: &[(&'static str, Value)], directory: &Path) -> io::Result<()> {
    if edits.is_empty() {
        return Ok(());
    }
    let mut config: Value = serde_json::from_slice(&fs::read(path)?)?;
    for (pointer, value) in edits {
        let (parent, name) = pointer.rsplit_once('/').ok_or(io::ErrorKind::InvalidInput)?;
        let value: Value = serde_json::from_str(&value.to_string().replace("SITE", &directory.to_string_lossy()))?;
        match config.pointer_mut(parent) {
            Some(Value::Array(list)) if name == "-" => list.push(value),
            Some(Value::Array(list)) => {
                let index: usize = name.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
                list[index] = value;
            }
            Some(Value::Object(object)) if value.is_null() => drop(object.remove(name)),
            Some(Value::Object(object)) => drop(object.insert(name.to_owned(), value)),
            _ => return Err(io::Error::other(format!("config.json has no {parent}"))),
        }
    }
    fs::write(path, serde_json::to_vec_pretty(&config)?)
}
