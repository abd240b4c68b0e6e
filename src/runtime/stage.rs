//! A container that is ready to run: its directories, its bundle, and what stops it.
//!
//! Everything that runs a bundle of the harness's makes it here: cells, the probe of a runtime, benchmarks, examples.

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

/// The directories in which those of containers are made.
#[derive(Clone, Copy, Debug)]
pub struct Parents<'a> {
    /// For bundles and the states of runtimes.
    pub disk: &'a Path,
    /// For exchange directories. In memory, where there is any, so that a journal never waits for a disk.
    pub memory: &'a Path,
}

/// What a container is to run.
#[derive(Clone, Copy, Debug)]
pub struct Play<'a> {
    /// The root file system.
    pub rootfs: &'a Rootfs,
    /// The script that the workload plays.
    pub script: &'a Script,
    /// Whether the container gets a pid namespace of its own.
    pub pid_namespace: bool,
    /// What is wrong with its bundle on purpose.
    pub flaw: Flaw,
    /// `NAME=VALUE`, added to the environment of the workload.
    pub environment: &'a [String],
}

/// The directories of one container. They stay until [`Stage::remove`], or until the directories above them go.
#[derive(Debug)]
pub struct Stage {
    /// The container's id.
    pub id: String,
    /// Its own directory.
    pub directory: PathBuf,
    /// The directory that is mounted on `/exchange`: script, journal, FIFOs.
    pub exchange: PathBuf,
    /// Where the runtime writes the pid of the container's init.
    pub pid_file: PathBuf,
}

impl Stage {
    /// Makes the directories, and whatever the runtime needs beside the bundle. The bundle itself is not there yet.
    ///
    /// # Errors
    /// A file, a directory or a control group cannot be made.
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
            // Before the container can exist, so that a later run can stop what this one leaves.
            handle.save(&stage.directory)?;
            make_directory(&stage.state_root())?;
        }
        Ok(stage)
    }

    /// Makes the exchange directory, and the bundle where the runtime runs any.
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

    /// Both, for a script with a sound bundle and a pid namespace of its own.
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

    /// The bundle.
    pub fn bundle(&self) -> PathBuf {
        self.directory.join("bundle")
    }

    /// The runtime's own log.
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn state_root(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Calls `act` with the container to be.
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

    /// The command line that runs it to its end.
    pub fn words(&self, found: &Found, terminal: bool) -> Vec<OsString> {
        self.with_container(|container| found.run_command(container, terminal))
    }

    /// The same as a command for a capture. A strategy that writes files puts them into the exchange directory.
    pub fn command(&self, found: &Found) -> Command {
        let mut words = self.words(found, false).into_iter();
        let command = Command::new(words.next().unwrap_or_default()).args(words);
        command.stdout_path(self.exchange.join("stdout")).stderr_path(self.exchange.join("stderr"))
    }

    /// What reaches it by the runtime's other verbs. None: nothing runs bundles.
    pub fn handle(&self, found: &Found) -> Option<Handle> {
        self.with_container(|container| found.handle(container))
    }

    /// Removes everything that was made for it, when the container has ended.
    ///
    /// # Errors
    /// Something of it is in use; with the path.
    pub fn remove(self, found: &Found) -> io::Result<()> {
        found.remove_pids_group(&self.id)?;
        for path in [&self.directory, &self.exchange].into_iter().filter(|path| path.exists()) {
            fs::remove_dir_all(path).map_err(|error| with_path(&error, path))?;
        }
        Ok(())
    }
}
