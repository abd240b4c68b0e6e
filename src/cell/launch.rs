//! Starts the capturer of a cell, with what its stimulus puts around it.

use super::RunParts;
use super::home::Home;
use super::inbox::Inbox;
use super::partner::Partner;
use crate::capturer::{Capturer, protocol};
use crate::experiment::stimulus::{Start, fifo};
use crate::files::with_path;
use crate::plan::Cell;
use crate::recording::store;
use crate::runtime::Found;
use crate::script::events;
use crun_capture_reactor::Stream;
use crun_capture_reactor::clock::now_ns;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::any::Any;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The number under which a capturer finds its live descriptor.
const LIVE_NUMBER: i32 = 3;

/// What the live pipe holds, so that the reader of the frames is not what slows a capturer down. An unprivileged user
/// may get less (pipe(7)); then it is the default.
const LIVE_PIPE_BYTES: usize = 1 << 20;

/// What the live pipe of a cell under a stimulus holds: a consumer that stops is to be felt.
const STIMULUS_PIPE_BYTES: usize = 64 << 10;

/// A capturer that was just started.
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) pidfd: OwnedFd,
    pub(super) started_ns: u64,
    pub(super) inbox: Inbox,
    /// Hung up when the last process of the workload has ended. None: a program of somebody else's, which tells nothing.
    pub(super) alive: Option<OwnedFd>,
    /// What the workload tells. None: nothing is done to the run.
    pub(super) events: Option<OwnedFd>,
    /// The reader of FIFOs in the place of the capturer's files.
    pub(super) partner: Option<Partner>,
    /// The files that the capturer was told of.
    pub(super) files: [PathBuf; 2],
    /// What is dropped when the capturer has ended.
    pub(super) company: Vec<Box<dyn Any + Send>>,
}

pub(super) fn launch(
    cell: &Cell,
    found: &Found,
    capturer: &Capturer,
    run: &RunParts<'_>,
    home: &Home,
    folder: &Path,
) -> io::Result<Launched> {
    // Opened before the workload can be: a FIFO that never had a writer is not hung up.
    let open = |name: &str| {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(home.stage.exchange.join(name), flags, Mode::empty())
    };
    // A bundle of the user's own, and a program of the host's, hold nothing of ours.
    let is_workload = cell.case.own_bundle.is_none() && cell.case.program.is_none();
    let alive = is_workload.then(|| open("alive")).transpose()?;
    let stimulus = cell.case.stimulus.map(|stimulus| stimulus.0);
    let events = stimulus.map(|_| open(events::FIFO)).transpose()?;
    let mut command = command(cell, found, capturer, home, folder)?;
    let counts = cell.case.measures_cost;
    let frames = (!counts).then(|| live_pipe(&mut command, stimulus.is_some())).transpose()?;
    let mut files = Stream::BOTH.map(|stream| store::file(folder, stream));
    let mut start = Start {
        command: &mut command,
        files: &mut files,
        scratch: &home.stage.directory,
        memory: &home.stage.exchange,
        root: crate::machine::is_root(),
        partner: None,
        company: Vec::new(),
    };
    if let Some(stimulus) = stimulus {
        let prepared = stimulus.prepare(&mut start);
        prepared.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", stimulus.name())))?;
    }
    // Where the stimulus is about other files, those are what the capturer hands on.
    if capturer.needs.needs_reader && start.partner.is_none() {
        *start.files = fifo::make(&home.stage.directory)?;
        start.partner = Some(fifo::open_for_reading(start.files)?);
    }
    let (partner, company) = (start.partner.map(|fifos| Partner::new(fifos, counts)), start.company);
    command.env(protocol::STDOUT_FILE, &files[0]).env(protocol::STDERR_FILE, &files[1]);
    // Where the frames may not come through, the account has another way.
    if counts || stimulus.is_some() {
        command.env(protocol::SUMMARY_FILE, &home.summary);
    }
    let started_ns = now_ns();
    let started = run.family.spawn(&mut command);
    let child = started.map_err(|error| with_path(&error, Path::new(&capturer.program[0])))?;
    // What is left in `command` is the write end of the live pipe, which must not stay open here.
    drop(command);
    Ok(Launched {
        pidfd: pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?,
        child,
        started_ns,
        // Where FIFOs are read, what comes through them is what counts.
        inbox: Inbox::new(frames, partner.is_some(), started_ns),
        alive,
        events,
        partner,
        files,
        company,
    })
}

/// The capturer's command line, its standard streams and its environment, but for the files.
fn command(cell: &Cell, found: &Found, capturer: &Capturer, home: &Home, folder: &Path) -> io::Result<Command> {
    let mut command = Command::new(&capturer.program[0]);
    command.args(&capturer.program[1..]).arg("--").args(home.command(cell, found));
    let diagnostics = store::diagnostics(folder);
    let created = File::options().write(true).create_new(true).mode(0o600).open(&diagnostics);
    let diagnostics = created.map_err(|error| with_path(&error, &diagnostics))?;
    command.stdin(Stdio::null()).stdout(diagnostics.try_clone()?).stderr(diagnostics);
    command.process_group(0);
    // What a capturer that is killed leaves there goes with the rest of the cell.
    command.env("TMPDIR", &home.stage.directory);
    command.env(protocol::PROTOCOL, "1");
    let (mark, value) = home.mark.split_once('=').expect("a mark is NAME=VALUE");
    command.env(mark, value);
    Ok(command)
}

/// Gives the capturer the write end of a pipe, and returns the read end, which does not block.
fn live_pipe(command: &mut Command, small: bool) -> io::Result<OwnedFd> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let size = if small { STIMULUS_PIPE_BYTES } else { LIVE_PIPE_BYTES };
    let _default_size_will_do = fcntl_setpipe_size(&writer, size);
    rustix::io::ioctl_fionbio(&reader, true)?;
    crate::sys::pass_descriptor(command, writer, LIVE_NUMBER);
    command.env(protocol::LIVE_FD, LIVE_NUMBER.to_string());
    Ok(reader)
}
