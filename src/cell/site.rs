//! Where one container lives: its directories, and what is cleared away after it.

use super::Ground;
use crate::bundle::{self, Flaw};
use crate::capturer::Capturer;
use crate::experiment::Program;
use crate::plan::Cell;
use crate::runtime::{Container, Found, Handle, Stop, new_id};
use crate::scratch::unmount_below;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Names the cell in the environment of its processes, beside the mark of the run.
const CELL: &str = "CRUN_CAPTURE_CELL";

/// How long a container may take to end by itself when it is stopped. Most of those that are would not for any time: their
/// init is PID 1 and has no handler for TERM.
const STOP_GRACE: Duration = Duration::from_millis(100);

/// How often is looked for what is left of a cell.
const ROUNDS_MAX: u32 = 20;

/// Where one container lives.
pub(super) struct Site {
    pub(super) id: String,
    /// `NAME=VALUE`, in the environment of every process of the cell.
    pub(super) mark: String,
    /// What stops the container; None on `bare`.
    handle: Option<Handle>,
    /// Whether no other cell runs at the same time: then every stranger is of this one, whatever it bears.
    alone: bool,
    /// Whether a stimulus may have mounted something below `scratch`.
    may_have_mounts: bool,
    /// Whether the bundle asks for a terminal.
    terminal: bool,
    /// The command line of a program that runs in place of the workload.
    program: Option<Vec<String>>,
    pub(super) scratch: PathBuf,
    pub(super) bundle: PathBuf,
    pub(super) cell: PathBuf,
    pub(super) state_root: PathBuf,
    pub(super) log: PathBuf,
    pub(super) pid_file: PathBuf,
    pub(super) summary: PathBuf,
}

impl Site {
    pub(super) fn prepare(cell: &Cell, found: &Found, capturer: &Capturer, ground: &Ground<'_>) -> io::Result<Site> {
        let id = new_id(ground.family.run());
        let scratch = ground.scratch.join(&id);
        bundle::make_directory(&scratch)?;
        found.make_pids_group(&id)?;
        let mut site = Site {
            handle: None,
            terminal: false,
            alone: cell.case.own_bundle.is_some(),
            mark: format!("{CELL}={id}"),
            bundle: scratch.join("bundle"),
            cell: ground.cells.join(&id),
            state_root: scratch.join("state"),
            log: scratch.join("log"),
            pid_file: match cell.case.flaw {
                Flaw::PidFile => scratch.join("no-such-directory/pid"),
                _ => scratch.join("pid"),
            },
            summary: scratch.join("summary.json"),
            may_have_mounts: cell.case.stimulus.is_some(),
            program: cell.case.program.and_then(Program::words),
            scratch,
            id,
        };
        site.handle = found.handle(&site.container());
        if let Some(handle) = &site.handle {
            handle.save(&site.scratch)?;
        }
        if found.runtime.is_oci() {
            bundle::make_directory(&site.state_root)?;
        }
        if let Some(own) = &cell.case.own_bundle {
            own.prepare(&site.bundle, &[ground.family.mark(), site.mark.clone()])?;
            return Ok(site);
        }
        bundle::write_cell(&site.cell, &cell.case.script)?;
        if cell.case.user != 0 {
            bundle::give_cell(&site.cell, cell.case.user)?;
        }
        if found.runtime.is_oci() {
            let plan = bundle::Plan {
                rootfs: ground.rootfs,
                cell: &site.cell,
                pid_namespace: cell.case.pid_namespace,
                user_namespace: found.mode.user_namespace,
                flaw: cell.case.flaw,
                environment: &[ground.family.mark(), site.mark.clone()],
            };
            bundle::write(&site.bundle, &plan)?;
            if cell.case.user != 0 {
                bundle::run_as(&site.bundle, cell.case.user)?;
            }
            if let Some(words) = &site.program {
                bundle::run_program(&site.bundle, words)?;
            }
            if capturer.needs.wants_terminal && bundle::has_config(cell.case.flaw) {
                bundle::ask_for_terminal(&site.bundle)?;
                site.terminal = true;
            }
        }
        Ok(site)
    }

    /// The command that the capturer is to capture.
    pub(super) fn command(&self, cell: &Cell, found: &Found) -> Vec<OsString> {
        match &self.program {
            Some(words) if !found.runtime.is_oci() => words.iter().map(OsString::from).collect(),
            None if !found.runtime.is_oci() && cell.case.flaw == Flaw::ExecutableNotFound => {
                vec![self.scratch.join("no-such-program").into()]
            }
            _ => found.run_command(&self.container(), self.terminal),
        }
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

    /// Stops the container, where the runtime still knows it.
    pub(super) fn stop(&self, ground: &Ground<'_>) -> Option<Stop> {
        let handle = self.handle.as_ref().filter(|handle| handle.has_state())?;
        Some(handle.stop(ground.family, STOP_GRACE))
    }

    /// Ends what is left of the container and of the capturer's processes; returns what should not have been there, and how
    /// the container was stopped. A runtime that is killed while it starts a container may leave a child that is found only
    /// then: so it is looked until nothing is found.
    pub(super) fn clear_away(&self, found: &Found, ground: &Ground<'_>) -> (Vec<String>, Option<Stop>) {
        let (mut left, mut stopped) = (Vec::new(), None);
        for _ in 0..ROUNDS_MAX {
            let mut strangers =
                if self.alone { ground.family.all_strangers() } else { ground.family.strangers(&self.mark) };
            let known: Vec<u32> = strangers.iter().map(|stranger| stranger.pid).collect();
            strangers.extend(found.in_pids_group(&self.id).into_iter().filter(|member| !known.contains(&member.pid)));
            let stop = self.stop(ground);
            if strangers.is_empty() && stop.is_none() {
                break;
            }
            left.extend(strangers.iter().map(|stranger| format!("process {} ({})", stranger.pid, stranger.name)));
            strangers.iter().for_each(|stranger| stranger.kill());
            let failure = stop.as_ref().and_then(|stop| stop.failure(&self.id));
            stopped = stopped.or(stop);
            if let Some(failure) = failure {
                left.push(failure);
                break;
            }
        }
        (left, stopped)
    }

    pub(super) fn remove(&self, found: &Found) -> io::Result<()> {
        found.remove_pids_group(&self.id)?;
        if self.may_have_mounts {
            unmount_below(&self.scratch);
        }
        for path in [&self.scratch, &self.cell].into_iter().filter(|path| path.exists()) {
            fs::remove_dir_all(path).map_err(|error| bundle::with_path(&error, path))?;
        }
        Ok(())
    }
}
