//! A container that plays a script, for whoever brings a capture of their own: examples, benchmarks, tests.

use super::{Container, Found, new_id};
use crate::bundle::{self, Flaw, Plan, Rootfs};
use crate::process::Family;
use crate::scratch::Scratch;
use crate::script::Script;
use crun_capture_reactor::Command;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Its directories. They stay until [`Stage::remove`], or until the scratch goes.
pub struct Stage {
    id: String,
    scratch: PathBuf,
    /// The directory that is `/cell` in the container: on memory, with the journal.
    pub cell: PathBuf,
}

impl Stage {
    /// Makes the bundle, and all that the runtime needs beside it.
    ///
    /// # Errors
    /// A file, a directory or a control group cannot be made.
    pub fn prepare(
        found: &Found,
        rootfs: &Rootfs,
        script: &Script,
        scratch: &Scratch,
        family: &Family,
    ) -> io::Result<Stage> {
        let id = new_id(family.run());
        let stage = Stage { scratch: scratch.disk().join(&id), cell: scratch.memory().join(&id), id };
        bundle::make_directory(&stage.scratch)?;
        bundle::write_cell(&stage.cell, script)?;
        if found.runtime.is_oci() {
            bundle::make_directory(&stage.path("state"))?;
            found.make_pids_group(&stage.id)?;
            let plan = Plan {
                rootfs,
                cell: &stage.cell,
                pid_namespace: true,
                user_namespace: found.mode.user_namespace,
                flaw: Flaw::None,
                environment: &[family.mark()],
            };
            bundle::write(&stage.path("bundle"), &plan)?;
        }
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// What runs it to its end. A strategy that writes files puts them beside the journal.
    pub fn command(&self, found: &Found) -> Command {
        let container = Container {
            id: &self.id,
            bundle: &self.path("bundle"),
            state_root: &self.path("state"),
            pid_file: &self.path("pid"),
            log: &self.path("log"),
            cell: &self.cell,
        };
        let mut words = found.run_command(&container, false).into_iter();
        let command = Command::new(words.next().unwrap_or_default()).args(words);
        command.stdout_path(self.cell.join("stdout")).stderr_path(self.cell.join("stderr"))
    }

    /// Removes what was made for it, when the container has ended.
    ///
    /// # Errors
    /// Something of it is in use.
    pub fn remove(self, found: &Found) -> io::Result<()> {
        found.remove_pids_group(&self.id)?;
        fs::remove_dir_all(&self.scratch)?;
        fs::remove_dir_all(&self.cell)
    }
}
