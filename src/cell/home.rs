//! The directories of a cell's container, and the removal of everything that the cell leaves.

use super::RunParts;
use crate::bundle;
use crate::capturer::Capturer;
use crate::experiment::Program;
use crate::files::make_directory;
use crate::plan::Cell;
use crate::runtime::{Found, Handle, Play, Stage, Stop};
use crate::scratch::unmount_below;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The variable that names the cell in the environment of its processes, beside the mark of the run.
const CELL: &str = "CRUN_CAPTURE_CELL";

/// How long a stopped container may take to end by itself. Most of them never would: their init is PID 1 and has no
/// handler for TERM.
const STOP_GRACE: Duration = Duration::from_millis(100);

/// How often the harness searches for what is left of a cell.
const ROUNDS_MAX: u32 = 20;

/// The directories of a cell's container, and the means to find its processes.
pub(super) struct Home {
    pub(super) stage: Stage,
    /// The mark of the cell: `NAME=VALUE`, in the environment of each of its processes.
    pub(super) mark: String,
    /// The file that takes the capturer's account if that cannot be the last frame.
    pub(super) summary: PathBuf,
    /// The capturer's directory for temporary files. Its name is short, because sockets are made in it.
    pub(super) temporary: PathBuf,
    /// The handle that stops the container. None: the runtime is `bare`.
    handle: Option<Handle>,
    /// Whether no other cell runs at the same time. Then every stranger belongs to this cell, whatever its mark.
    alone: bool,
    /// Whether a stimulus may have mounted something below the directory.
    may_have_mounts: bool,
    /// Whether the bundle asks for a terminal.
    terminal: bool,
    /// The command line of a program that replaces the workload.
    program: Option<Vec<String>>,
}

impl Home {
    pub(super) fn prepare(cell: &Cell, found: &Found, capturer: &Capturer, run: &RunParts<'_>) -> io::Result<Home> {
        let stage = Stage::create(found, run.parents, run.family, cell.case.flaw)?;
        let mut home = Home {
            handle: stage.handle(found),
            mark: format!("{CELL}={}", stage.id),
            summary: stage.directory.join("summary.json"),
            temporary: stage.directory.join("t"),
            alone: cell.case.own_bundle.is_some() || cell.experiment.measures_time,
            may_have_mounts: cell.case.stimulus.is_some(),
            terminal: false,
            program: cell.case.program.and_then(Program::words),
            stage,
        };
        let environment = [run.family.mark(), home.mark.clone()];
        make_directory(&home.temporary)?;
        if let Some(own) = &cell.case.own_bundle {
            own.prepare(&home.stage.bundle(), &environment)?;
            return Ok(home);
        }
        let play = Play {
            rootfs: run.rootfs,
            script: &cell.case.script,
            pid_namespace: cell.case.pid_namespace,
            flaw: cell.case.flaw,
            environment: &environment,
        };
        home.stage.play(found, &play)?;
        if cell.case.user != 0 {
            bundle::give_exchange(&home.stage.exchange, cell.case.user)?;
        }
        if found.runtime.is_oci() {
            home.change_bundle(cell, capturer)?;
        }
        Ok(home)
    }

    /// Makes the changes to the bundle that only some cases need.
    fn change_bundle(&mut self, cell: &Cell, capturer: &Capturer) -> io::Result<()> {
        let path = self.stage.bundle();
        if cell.case.user != 0 {
            bundle::run_as(&path, cell.case.user)?;
        }
        if let Some(words) = &self.program {
            bundle::run_program(&path, words)?;
        }
        if capturer.needs.wants_terminal && bundle::has_config(cell.case.flaw) {
            bundle::ask_for_terminal(&path)?;
            self.terminal = true;
        }
        Ok(())
    }

    /// The command for the capturer to capture.
    pub(super) fn command(&self, cell: &Cell, found: &Found) -> Vec<OsString> {
        match &self.program {
            Some(words) if !found.runtime.is_oci() => words.iter().map(OsString::from).collect(),
            None if !found.runtime.is_oci() && cell.case.flaw == bundle::Flaw::ExecutableNotFound => {
                vec![self.stage.directory.join("no-such-program").into()]
            }
            _ => self.stage.words(found, self.terminal),
        }
    }

    /// Stops the container if the runtime still knows it.
    pub(super) fn stop(&self, run: &RunParts<'_>) -> Option<Stop> {
        let handle = self.handle.as_ref().filter(|handle| handle.has_state())?;
        Some(handle.stop(run.family, STOP_GRACE))
    }

    /// Ends what is left of the container and of the capturer's processes. Returns what should not have been there, and
    /// how the container was stopped. A runtime that is killed while it starts a container may leave a child that
    /// appears only later, so the harness searches until it finds nothing.
    pub(super) fn clear_away(&self, found: &Found, run: &RunParts<'_>) -> (Vec<String>, Option<Stop>) {
        let (mut left, mut stopped) = (Vec::new(), None);
        for _ in 0..ROUNDS_MAX {
            let mut strangers = if self.alone { run.family.all_strangers() } else { run.family.strangers(&self.mark) };
            let known: Vec<u32> = strangers.iter().map(|stranger| stranger.pid).collect();
            let in_group = found.in_pids_group(&self.stage.id).into_iter();
            strangers.extend(in_group.filter(|member| !known.contains(&member.pid)));
            let stop = self.stop(run);
            if strangers.is_empty() && stop.is_none() {
                break;
            }
            left.extend(strangers.iter().map(|stranger| format!("process {} ({})", stranger.pid, stranger.name)));
            strangers.iter().for_each(|stranger| stranger.kill());
            let failure = stop.as_ref().and_then(|stop| stop.failure(&self.stage.id));
            stopped = stopped.or(stop);
            if let Some(failure) = failure {
                left.push(failure);
                break;
            }
        }
        (left, stopped)
    }

    /// What the capturer left in its directory for temporary files.
    pub(super) fn files_left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.temporary).into_iter().flatten().flatten();
        entries.map(|entry| format!("{} in TMPDIR", entry.file_name().to_string_lossy())).collect()
    }

    pub(super) fn remove(self, found: &Found) -> io::Result<()> {
        if self.may_have_mounts {
            unmount_below(&self.stage.directory);
        }
        self.stage.remove(found)
    }
}
