//! Starts the capturer of a cell, in the surroundings that its stimulus makes.

use super::RunParts;
use super::grip::Owner;
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

/// The number of the live descriptor in a capturer.
const LIVE_NUMBER: i32 = 3;

/// The size of the live pipe. It is large, so that the reader of the frames does not slow a capturer down. An
/// unprivileged user may get less (pipe(7)); then the pipe has its default size.
const LIVE_PIPE_BYTES: usize = 1 << 20;

/// The size of the live pipe of a cell with a stimulus. It is small, so that the capturer notices a consumer that
/// stops.
const STIMULUS_PIPE_BYTES: usize = 64 << 10;

/// A capturer that was just started.
pub(super) struct Launched {
    pub(super) child: Child,
    pub(super) pidfd: OwnedFd,
    pub(super) started_ns: u64,
    pub(super) inbox: Inbox,
    /// A FIFO that is hung up when the last process of the workload has ended. None: the container runs another
    /// program, which does not open it.
    pub(super) alive: Option<OwnedFd>,
    /// The FIFO with the events of the workload. None: the cell has no stimulus.
    pub(super) events: Option<OwnedFd>,
    /// The reader of the FIFOs that replace the capturer's files.
    pub(super) partner: Option<Partner>,
    /// The files that the capturer was given.
    pub(super) files: [PathBuf; 2],
    /// Who owned those of them that were there already.
    pub(super) owned: [Option<Owner>; 2],
    /// The things that are dropped when the capturer has ended.
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
    // Opened before the workload can open it: a FIFO is not hung up if it never had a writer.
    let open = |name: &str| {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        rustix::fs::open(home.stage.exchange.join(name), flags, Mode::empty())
    };
    // In a bundle of the user, or with a program of the host, there is no workload of the harness.
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
    // The capturer hands on FIFOs, unless the stimulus has set up other files.
    if capturer.needs.needs_reader && start.partner.is_none() {
        *start.files = fifo::make(&home.stage.directory)?;
        start.partner = Some(fifo::open_for_reading(start.files)?);
    }
    let (partner, company) = (start.partner.map(|fifos| Partner::new(fifos, counts)), start.company);
    command.env(protocol::STDOUT_FILE, &files[0]).env(protocol::STDERR_FILE, &files[1]);
    // The frames may not come through, so the account has another way.
    if counts || stimulus.is_some() {
        command.env(protocol::SUMMARY_FILE, &home.summary);
    }
    let owned = std::array::from_fn(|at| Owner::of(&files[at]));
    let started_ns = now_ns();
    let started = run.family.spawn(&mut command);
    let child = started.map_err(|error| with_path(&error, Path::new(&capturer.program[0])))?;
    // `command` still holds the write end of the live pipe, which must not stay open here.
    drop(command);
    Ok(Launched {
        pidfd: pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?,
        child,
        started_ns,
        // If FIFOs are read, only what comes through them counts.
        inbox: Inbox::new(frames, partner.is_some()),
        alive,
        events,
        partner,
        files,
        owned,
        company,
    })
}

/// The capturer's command line, standard streams and environment, except for its files.
fn command(cell: &Cell, found: &Found, capturer: &Capturer, home: &Home, folder: &Path) -> io::Result<Command> {
    let mut command = Command::new(&capturer.program[0]);
    command.args(&capturer.program[1..]).arg("--").args(home.command(cell, found));
    let diagnostics = store::diagnostics(folder);
    let created = File::options().write(true).create_new(true).mode(0o600).open(&diagnostics);
    let diagnostics = created.map_err(|error| with_path(&error, &diagnostics))?;
    command.stdin(Stdio::null()).stdout(diagnostics.try_clone()?).stderr(diagnostics);
    command.process_group(0);
    // What a killed capturer leaves there is removed with the rest of the cell.
    command.env("TMPDIR", &home.temporary);
    command.env(protocol::PROTOCOL, "1");
    let (mark, value) = home.mark.split_once('=').expect("a mark is NAME=VALUE");
    command.env(mark, value);
    Ok(command)
}

/// Gives the capturer the write end of a pipe. Returns the read end, which does not block.
fn live_pipe(command: &mut Command, small: bool) -> io::Result<OwnedFd> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let size = if small { STIMULUS_PIPE_BYTES } else { LIVE_PIPE_BYTES };
    let _default_size_will_do = fcntl_setpipe_size(&writer, size);
    rustix::io::ioctl_fionbio(&reader, true)?;
    crate::sys::pass_descriptor(command, writer, LIVE_NUMBER);
    command.env(protocol::LIVE_FD, LIVE_NUMBER.to_string());
    Ok(reader)
}
