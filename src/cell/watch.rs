//! A capturer that runs, watched: its frames, three ends, and how it is taken down.

use super::Ground;
use super::site::Site;
use crate::bundle;
use crate::capturer::{Capturer, Summary, protocol};
use crate::clock::now_ns;
use crate::outcome::{Exit, status_field};
use crate::phase::{Phase, reached};
use crate::plan::Cell;
use crate::process::{descendants, readable};
use crate::recording::{Syscalls, store};
use crate::runtime::{Found, Stop};
use crate::script::journal::Journal;
use crate::sink::frame::{Decoder, Frame};
use crate::stream::{Delivered, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The number under which a capturer finds its live descriptor.
const LIVE_NUMBER: i32 = 3;

/// What the live pipe holds, so that the reader of the frames is not what slows a capturer down. An unprivileged user
/// may get less (pipe(7)); then it is the default.
const LIVE_PIPE_BYTES: usize = 1 << 20;

/// How often the frames of a cell that measures time are read: seldom, so that the harness stays off the CPU.
const TIMED_READ: Duration = Duration::from_millis(50);

/// No cell of ours delivers so much; a capturer that does is not read any further, so that it cannot fill the memory.
const FRAMES_MAX_BYTES: u64 = 256 << 20;

/// How much is read at a time before the deadline and the user are looked at again.
const READ_MAX_BYTES: u64 = 4 << 20;

/// How long the workload may outlive its capturer before that counts as left behind.
const WORKLOAD_GRACE: Duration = Duration::from_millis(200);
/// Why the watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Capturer,
    Deadline,
    Interrupted,
}

/// A capturer that runs, and what was seen of it.
pub(super) struct Watch {
    child: Child,
    pidfd: OwnedFd,
    timed: bool,
    frames: Option<OwnedFd>,
    alive: Option<OwnedFd>,
    decoder: Decoder,
    read_bytes: u64,
    pub(super) deliveries: Vec<Delivered>,
    pub(super) summary: Option<Summary>,
    pub(super) protocol_error: Option<String>,
    pub(super) started_ns: u64,
    pub(super) init_ended_ns: Option<u64>,
    pub(super) capturer_ended_ns: u64,
    pub(super) threads: Option<u64>,
    pub(super) syscalls: Option<Syscalls>,
}

impl Watch {
    pub(super) fn start(
        cell: &Cell,
        found: &Found,
        capturer: &Capturer,
        ground: &Ground<'_>,
        site: &Site,
        folder: &Path,
    ) -> io::Result<Watch> {
        // Opened before the workload can be: a FIFO that never had a writer is not hung up.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || rustix::fs::open(site.cell.join("alive"), flags, Mode::empty());
        // A bundle of the user's own holds nothing of ours.
        let alive = cell.case.own_bundle.is_none().then(open).transpose()?;
        let mut command = Command::new(&capturer.program[0]);
        command.args(&capturer.program[1..]).arg("--");
        let mut run_command = found.run_command(&site.container());
        if cell.case.flaw == bundle::Flaw::ExecutableNotFound && !found.runtime.is_oci() {
            run_command = vec![site.scratch.join("no-such-program").into()];
        }
        command.args(run_command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        command.env(protocol::PROTOCOL, "1");
        command.env(protocol::STDOUT_FILE, store::file(folder, Stream::Stdout));
        command.env(protocol::STDERR_FILE, store::file(folder, Stream::Stderr));
        let (mark, value) = site.mark.split_once('=').expect("a mark is NAME=VALUE");
        command.env(mark, value);
        if cell.case.measures_cost {
            command.env(protocol::SUMMARY_FILE, &site.summary);
        }
        let frames = (!cell.case.measures_cost).then(|| live_pipe(&mut command)).transpose()?;
        let started_ns = now_ns();
        let child = ground
            .family
            .spawn(&mut command)
            .map_err(|error| bundle::with_path(&error, Path::new(&capturer.program[0])))?;
        // What is left in `command` is the write end of the live pipe, which must not stay open here.
        drop(command);
        let pid = Pid::from_child(&child);
        Ok(Watch {
            pidfd: pidfd_open(pid, PidfdFlags::empty())?,
            child,
            timed: cell.experiment.measures_time,
            frames,
            alive,
            decoder: Decoder::default(),
            read_bytes: 0,
            deliveries: Vec::new(),
            summary: None,
            protocol_error: None,
            started_ns,
            init_ended_ns: None,
            capturer_ended_ns: 0,
            threads: None,
            syscalls: None,
        })
    }

    /// Reads and watches until the capturer ends, the deadline comes, or the user interrupts.
    pub(super) fn until_end(&mut self, ground: &Ground<'_>) -> io::Result<End> {
        let deadline_ns = self.started_ns + ground.deadline.as_nanos() as u64;
        loop {
            let left = Duration::from_nanos(deadline_ns.saturating_sub(now_ns()));
            let poll_frames = self.frames.as_ref().filter(|_| !self.timed);
            let ready = wait(
                [
                    Some(ground.interrupt.as_fd()),
                    Some(self.pidfd.as_fd()),
                    self.alive.as_ref().map(AsFd::as_fd),
                    poll_frames.map(AsFd::as_fd),
                ],
                if self.timed { left.min(TIMED_READ) } else { left },
            )?;
            if ready[2] {
                self.init_ended_ns = Some(now_ns());
                self.alive = None;
                self.threads = status_field(&self.child.id().to_string(), "Threads");
            }
            if ready[0] {
                return Ok(End::Interrupted);
            }
            if ready[1] {
                self.capturer_ended_ns = now_ns();
                self.syscalls = syscalls(self.child.id());
                return Ok(End::Capturer);
            }
            self.read_frames();
            if left.is_zero() {
                self.capturer_ended_ns = now_ns();
                return Ok(End::Deadline);
            }
        }
    }

    /// Notes the first thing that is wrong with what the capturer says.
    pub(super) fn fault(&mut self, fault: String) {
        self.protocol_error.get_or_insert(fault);
    }

    /// Takes what the live pipe has, without blocking and only so much at a time.
    fn read_frames(&mut self) {
        let mut buffer = [0; 64 << 10];
        let stop_at = self.read_bytes + READ_MAX_BYTES;
        while let Some(frames) = self.frames.as_ref().filter(|_| self.read_bytes < stop_at) {
            match rustix::io::read(frames, &mut buffer[..]) {
                Ok(0) => self.frames = None,
                Ok(count) => {
                    self.read_bytes += count as u64;
                    if self.read_bytes > FRAMES_MAX_BYTES {
                        self.fault(format!("more than {FRAMES_MAX_BYTES} bytes of frames"));
                        self.frames = None;
                        return;
                    }
                    self.decoder.push(&buffer[..count]);
                    self.decode();
                    reached(Phase::Delivering);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(errno) => {
                    self.fault(format!("cannot read the frames: {errno}"));
                    self.frames = None;
                }
            }
        }
    }

    fn decode(&mut self) {
        let arrived_ns = now_ns();
        loop {
            match self.decoder.next(arrived_ns) {
                Ok(Some(Frame::Delivered(delivered))) => {
                    // It cannot have been received before the capturer was started, nor after it was passed on.
                    if !(self.started_ns..=arrived_ns).contains(&delivered.at_ns) {
                        self.fault(format!("a delivery is stamped {} ns, which cannot be", delivered.at_ns));
                    }
                    self.deliveries.push(delivered);
                }
                Ok(Some(Frame::Outcome(json))) => match serde_json::from_slice(&json) {
                    Ok(summary) => self.summary = Some(summary),
                    Err(error) => self.fault(format!("the outcome frame: {error}")),
                },
                Ok(None) => return,
                Err(error) => {
                    // Nothing after this can be read; the pipe stays open, so that the capturer does not die of it.
                    self.fault(error.to_string());
                    self.decoder = Decoder::default();
                    return;
                }
            }
        }
    }

    /// After a deadline or an interrupt: the container first, then the capturer, then what was below it.
    pub(super) fn take_down(&mut self, end: &End, ground: &Ground<'_>, site: &Site) -> Option<Stop> {
        if *end == End::Capturer {
            self.wait_for_workload(site);
            return None;
        }
        if *end == End::Deadline {
            // What the capturer has delivered until now counts; what the kill makes it deliver does not.
            self.read_frames();
            self.frames = None;
        }
        let below = descendants(self.child.id());
        let stop = site.stop(ground);
        // Waited for below; that it has just ended by itself is no failure.
        let _already_gone = self.child.kill();
        below.iter().for_each(|process| process.kill());
        stop
    }

    /// A workload that started and is seen to end only now has not been waited for by its capturer.
    fn wait_for_workload(&mut self, site: &Site) {
        let Some(alive) = &self.alive else { return };
        let started = Journal::read(&site.cell.join("journal")).ok().flatten().is_some();
        if started && readable(alive.as_fd(), WORKLOAD_GRACE) {
            self.init_ended_ns = Some(now_ns());
            self.alive = None;
        }
    }

    /// The account of a capturer that had no live descriptor. One of another make may not give any.
    pub(super) fn read_account(&mut self, path: &Path) {
        let json = match bundle::read_regular(path) {
            Ok(Some(json)) => json,
            Ok(None) => return,
            Err(error) => return self.fault(error.to_string()),
        };
        match serde_json::from_slice(&json) {
            Ok(summary) => self.summary = Some(summary),
            Err(error) => self.fault(format!("the account: {error}")),
        }
    }

    /// Waits for the capturer, which has ended or been killed, and takes its last frames.
    pub(super) fn reap(&mut self, ground: &Ground<'_>, end: &End) -> io::Result<Option<Exit>> {
        let status = self.child.wait()?;
        ground.family.forget(self.child.id());
        // At most what the pipe holds; a process of the capturer's that lives on and writes is not waited for.
        self.read_frames();
        if self.decoder.pending() > 0 {
            self.fault("the last frame is not whole".to_owned());
        }
        Ok((*end == End::Capturer).then(|| Exit::from(status)))
    }
}

/// Gives the capturer the write end of a pipe, and returns the read end, which does not block.
fn live_pipe(command: &mut Command) -> io::Result<OwnedFd> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    let _default_size_will_do = fcntl_setpipe_size(&writer, LIVE_PIPE_BYTES);
    rustix::io::ioctl_fionbio(&reader, true)?;
    crate::sys::pass_descriptor(command, writer, LIVE_NUMBER);
    command.env(protocol::LIVE_FD, LIVE_NUMBER.to_string());
    Ok(reader)
}

/// Blocks until one of the descriptors is readable or hung up, at most for `timeout`; says which.
fn wait<const N: usize>(
    descriptors: [Option<rustix::fd::BorrowedFd<'_>>; N],
    timeout: Duration,
) -> io::Result<[bool; N]> {
    let present: Vec<usize> = (0..N).filter(|&at| descriptors[at].is_some()).collect();
    let mut polled: Vec<PollFd<'_>> =
        descriptors.iter().flatten().map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN)).collect();
    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
    match poll(&mut polled, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut ready = [false; N];
    for (at, polled) in present.into_iter().zip(&polled) {
        ready[at] = !polled.revents().is_empty();
    }
    Ok(ready)
}

/// `/proc/PID/io` of a process that has ended and was not waited for: only then is it complete.
fn syscalls(pid: u32) -> Option<Syscalls> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(Syscalls { read: field("syscr:")?, write: field("syscw:")? })
}
