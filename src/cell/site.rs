//! Where one container lives: its directories, and what is cleared away after it.

use super::Ground;
use crate::bundle;
use crate::plan::Cell;
use crate::runtime::{Container, Found, new_id, stop};
use std::fs;
use std::io;
use std::path::PathBuf;

/// Where one container lives.
pub(super) struct Site {
    pub(super) id: String,
    /// `NAME=VALUE`, in the environment of every process of the cell.
    pub(super) mark: String,
    pub(super) scratch: PathBuf,
    pub(super) bundle: PathBuf,
    pub(super) cell: PathBuf,
    pub(super) state_root: PathBuf,
    pub(super) log: PathBuf,
    pub(super) pid_file: PathBuf,
    pub(super) summary: PathBuf,
}

impl Site {
    pub(super) fn prepare(cell: &Cell, found: &Found, ground: &Ground<'_>) -> io::Result<Site> {
        let id = new_id();
        let scratch = ground.scratch.join(&id);
        bundle::make_directory(&scratch)?;
        let site = Site {
            mark: format!("CRUN_CAPTURE_CELL={id}"),
            bundle: scratch.join("bundle"),
            cell: ground.cells.join(&id),
            state_root: scratch.join("state"),
            log: scratch.join("log"),
            pid_file: scratch.join("pid"),
            summary: scratch.join("summary.json"),
            scratch,
            id,
        };
        bundle::write_cell(&site.cell, &cell.case.script)?;
        if found.runtime.is_oci() {
            bundle::make_directory(&site.state_root)?;
            let plan = bundle::Plan {
                rootfs: ground.rootfs,
                cell: &site.cell,
                pid_namespace: cell.case.pid_namespace,
                user_namespace: found.mode.user_namespace,
                flaw: cell.case.flaw,
                mark: &site.mark,
            };
            bundle::write(&site.bundle, &plan)?;
        }
        Ok(site)
    }

    pub(super) fn container(&self) -> Container<'_> {
        Container {
            id: &self.id,
            bundle: &self.bundle,
            state_root: &self.state_root,
            pid_file: &self.pid_file,
            log: &self.log,
            cell: &self.cell,
        }
    }

    /// Ends what is left of the container and of the capturer's processes; returns what should not have been there.
    pub(super) fn clear_away(&self, found: &Found, ground: &Ground<'_>) -> Vec<String> {
        let strangers = ground.family.strangers(&self.mark);
        let mut left: Vec<String> =
            strangers.iter().map(|stranger| format!("process {} ({})", stranger.pid, stranger.name)).collect();
        left.extend(stop::kill_and_delete(found, ground.family, &self.state_root, &self.id));
        strangers.iter().for_each(|stranger| stranger.kill());
        left
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        for path in [&self.scratch, &self.cell] {
            fs::remove_dir_all(path).map_err(|error| bundle::with_path(&error, path))?;
        }
        Ok(())
    }
}
