//! A container that is ready to run: its directories, its bundle, and the handle that stops it.
//!
//! All containers with a bundle of the harness are made here: for cells, the probe of a runtime, benchmarks and
//! examples.

use super::{Container, Found, Handle, new_id};
use crate::bundle::{self, Contents, Flaw, Rootfs};
use crate::files::{make_directory, with_path};
use crate::process::Family;
use crate::script::Script;
use crun_capture_reactor::Command;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The directories in which the directories of containers are made.
#[derive(Clone, Copy, Debug)]
pub struct Parents<'a> {
    /// The directory for bundles and the states of runtimes.
    pub disk: &'a Path,
    /// The directory for exchange directories. It is in memory if possible, so that a journal never waits for a disk.
    pub memory: &'a Path,
}

/// The things that a container is to run.
#[derive(Clone, Copy, Debug)]
pub struct Play<'a> {
    /// The root file system.
    pub rootfs: &'a Rootfs,
    /// The script that the workload plays.
    pub script: &'a Script,
    /// Whether the container gets a pid namespace of its own.
    pub pid_namespace: bool,
    /// The deliberate flaw of its bundle.
    pub flaw: Flaw,
    /// Variables for the environment of the workload, as `NAME=VALUE`.
    pub environment: &'a [String],
}

/// The directories of one container. They stay until [`Stage::remove`], or until the directories above them are
/// removed.
#[derive(Debug)]
pub struct Stage {
    /// The container's id.
    pub id: String,
    /// The container's own directory.
    pub directory: PathBuf,
    /// The directory that is mounted on `/exchange`: script, journal, FIFOs.
    pub exchange: PathBuf,
    /// The file to which the runtime writes the pid of the container's init.
    pub pid_file: PathBuf,
}

impl Stage {
    /// Makes the directories, and everything that the runtime needs except the bundle. The bundle is not there yet.
    ///
    /// # Errors
    /// A file, a directory or a cgroup cannot be made.
    pub fn create(found: &Found, parents: Parents<'_>, family: &Family, flaw: Flaw) -> io::Result<Stage> {
        let id = new_id(family.run());
        let directory = parents.disk.join(&id);
        let pid_file = match flaw {
            Flaw::PidFile => directory.join("no-such-directory/pid"),
            _ => directory.join("pid"),
        };
        let stage = Stage { exchange: parents.memory.join(&id), id, directory, pid_file };
        make_directory(&stage.directory)?;
        found.make_pids_group(&stage.id)?;
        if let Some(handle) = stage.handle(found) {
            // Saved before the container can exist, so that a later run can stop what this one leaves.
            handle.save(&stage.directory)?;
            make_directory(&stage.state_root())?;
        }
        Ok(stage)
    }

    /// Makes the exchange directory, and the bundle if the runtime runs bundles.
    ///
    /// # Errors
    /// A file or directory cannot be made.
    pub fn play(&self, found: &Found, play: &Play<'_>) -> io::Result<()> {
        bundle::make_exchange(&self.exchange, play.script)?;
        if !found.runtime.is_oci() {
            return Ok(());
        }
        let contents = Contents {
            rootfs: play.rootfs,
            exchange: &self.exchange,
            pid_namespace: play.pid_namespace,
            user_namespace: found.mode.user_namespace,
            flaw: play.flaw,
            environment: play.environment,
        };
        bundle::write(&self.bundle(), &contents)
    }

    /// Does both, [`Stage::create`] and [`Stage::play`], for a script with a sound bundle. The container gets a pid
    /// namespace of its own if the runtime has one to give.
    ///
    /// # Errors
    /// As for [`Stage::create`] and [`Stage::play`].
    pub fn prepare(
        found: &Found,
        parents: Parents<'_>,
        family: &Family,
        rootfs: &Rootfs,
        script: &Script,
    ) -> io::Result<Stage> {
        let stage = Stage::create(found, parents, family, Flaw::None)?;
        let environment = [family.mark()];
        let pid_namespace = found.has_pid_namespace();
        let play = Play { rootfs, script, pid_namespace, flaw: Flaw::None, environment: &environment };
        stage.play(found, &play)?;
        Ok(stage)
    }

    /// The directory of the bundle.
    pub fn bundle(&self) -> PathBuf {
        self.directory.join("bundle")
    }

    /// The runtime's own log file.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn state_root(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Calls `act` with a description of the container.
    fn with_container<T>(&self, act: impl FnOnce(&Container<'_>) -> T) -> T {
        act(&Container {
            id: &self.id,
            bundle: &self.bundle(),
            state_root: &self.state_root(),
            pid_file: &self.pid_file,
            log: &self.log(),
            exchange: &self.exchange,
        })
    }

    /// The command line that runs the container to its end.
    pub fn words(&self, found: &Found, terminal: bool) -> Vec<OsString> {
        self.with_container(|container| found.run_command(container, terminal))
    }

    /// The same command line as a command for a capture. A strategy that writes files puts them into the exchange
    /// directory.
    pub fn command(&self, found: &Found) -> Command {
        let mut words = self.words(found, false).into_iter();
        let command = Command::new(words.next().unwrap_or_default()).args(words);
        command.stdout_path(self.exchange.join("stdout")).stderr_path(self.exchange.join("stderr"))
    }

    /// The handle by which the runtime's other verbs reach the container. None: the runtime runs no bundles.
    pub fn handle(&self, found: &Found) -> Option<Handle> {
        self.with_container(|container| found.handle(container))
    }

    /// Removes everything that was made for the container, which must have ended. Blocks for at most a second.
    ///
    /// # Errors
    /// Something of it is still in use. The error names the path.
    pub fn remove(self, found: &Found) -> io::Result<()> {
        found.remove_pids_group(&self.id)?;
        for path in [&self.directory, &self.exchange].into_iter().filter(|path| path.exists()) {
            fs::remove_dir_all(path).map_err(|error| with_path(&error, path))?;
        }
        Ok(())
    }
}
