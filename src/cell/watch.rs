//! A capturer that runs, watched: its frames, three ends, and how it is taken down.

use super::Ground;
use super::partner::Partner;
use super::site::Site;
use crate::bundle;
use crate::capturer::status_field;
use crate::capturer::{Capturer, Summary, protocol};
use crate::experiment::Stimulus;
use crate::experiment::stimulus::{Event, Running, Start, fifo};
use crate::phase::{Phase, reached};
use crate::plan::Cell;
use crate::process::{Stranger, descendants, readable};
use crate::recording::{Syscalls, store};
use crate::runtime::{Found, Stop};
use crate::script::events;
use crate::script::journal::Journal;
use crate::sink::frame::{Decoder, Frame};
use crate::strategy::Capability;
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Delivered, Exit, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::any::Any;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
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

/// How often the frames are read for a consumer that is slow.
const SLOW_READ: Duration = Duration::from_millis(1);

/// What the live pipe of a cell under a stimulus holds: a consumer that stops is to be felt.
const STIMULUS_PIPE_BYTES: usize = 64 << 10;

/// How often, and how long after another, it is looked for a pid file that is not there yet.
const PID_FILE_LOOKS: u32 = 1_000;
const PID_FILE_LOOK: Duration = Duration::from_millis(1);

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
    pub(super) cpu_ns: Option<u64>,
    pub(super) rss_bytes: Option<u64>,
    /// Whether the capturer's memory is looked at from outside.
    weighs: bool,
    /// What is done to the run, and what of it is under way.
    stimulus: Option<&'static dyn Stimulus>,
    events: Option<OwnedFd>,
    partner: Option<Partner>,
    /// Whether the partner is the consumer, so that what is done to the consumer is done to it.
    partner_consumes: bool,
    place: Place,
    gates: Vec<(String, File)>,
    held: bool,
    bytes_per_ms: Option<usize>,
    wake_at_ns: Option<u64>,
    front: Option<u32>,
    /// In place of what is at the files' paths.
    pub(super) kept: [Option<File>; 2],
    pub(super) notes: Vec<(u64, String)>,
    pub(super) stimulus_error: Option<String>,
    company: Vec<Box<dyn Any + Send>>,
}

/// Where a stimulus finds what it acts on.
struct Place {
    id: String,
    cell: PathBuf,
    pid_file: PathBuf,
    is_oci: bool,
    files: [PathBuf; 2],
}

impl Watch {
    /// Starts the capturer, with what its stimulus puts around it.
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
        let open = |name: &str| rustix::fs::open(site.cell.join(name), flags, Mode::empty());
        // A bundle of the user's own, and a program of the host's, hold nothing of ours.
        let is_workload = cell.case.own_bundle.is_none() && cell.case.program.is_none();
        let alive = is_workload.then(|| open("alive")).transpose()?;
        let stimulus = cell.case.stimulus.map(|stimulus| stimulus.0);
        let events = stimulus.map(|_| open(events::FIFO)).transpose()?;
        let mut command = Command::new(&capturer.program[0]);
        command.args(&capturer.program[1..]).arg("--").args(site.command(cell, found));
        let diagnostics = store::diagnostics(folder);
        let created = File::options().write(true).create_new(true).mode(0o600).open(&diagnostics);
        let diagnostics = created.map_err(|error| bundle::with_path(&error, &diagnostics))?;
        command.stdin(Stdio::null()).stdout(diagnostics.try_clone()?).stderr(diagnostics);
        command.process_group(0);
        let frames = (!cell.case.measures_cost).then(|| live_pipe(&mut command, stimulus.is_some())).transpose()?;
        let mut files = Stream::BOTH.map(|stream| store::file(folder, stream));
        let mut start = Start {
            command: &mut command,
            files: &mut files,
            scratch: &site.scratch,
            memory: &site.cell,
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
            *start.files = fifo::make(&site.scratch)?;
            start.partner = Some(fifo::open_for_reading(start.files)?);
        }
        let counts = cell.case.measures_cost;
        let (partner, company) = (start.partner.map(|fifos| Partner::new(fifos, counts)), start.company);
        // What a capturer that is killed leaves there goes with the rest of the cell.
        command.env("TMPDIR", &site.scratch);
        command.env(protocol::PROTOCOL, "1");
        command.env(protocol::STDOUT_FILE, &files[0]);
        command.env(protocol::STDERR_FILE, &files[1]);
        let (mark, value) = site.mark.split_once('=').expect("a mark is NAME=VALUE");
        command.env(mark, value);
        // Where the frames may not come through, the account has another way.
        if cell.case.measures_cost || stimulus.is_some() {
            command.env(protocol::SUMMARY_FILE, &site.summary);
        }
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
            cpu_ns: None,
            rss_bytes: None,
            weighs: cell.case.tries.contains(&Capability::BoundedMemory),
            stimulus,
            events,
            partner,
            partner_consumes: capturer.needs.needs_reader,
            place: Place {
                id: site.id.clone(),
                cell: site.cell.clone(),
                pid_file: site.pid_file.clone(),
                is_oci: found.runtime.is_oci(),
                files,
            },
            gates: Vec::new(),
            held: false,
            bytes_per_ms: None,
            wake_at_ns: None,
            front: None,
            kept: [None, None],
            notes: Vec::new(),
            stimulus_error: None,
            company,
        })
    }

    /// Reads and watches until the capturer ends, the deadline comes, or the user interrupts. A stimulus that ends the capturer
    /// is followed until the workload has ended, too.
    pub(super) fn until_end(&mut self, ground: &Ground<'_>) -> io::Result<End> {
        let lasts = self.stimulus.map_or(Duration::ZERO, Stimulus::lasts);
        let deadline_ns = self.started_ns + (ground.deadline + lasts).as_nanos() as u64;
        loop {
            let left = Duration::from_nanos(deadline_ns.saturating_sub(now_ns()));
            let polls_partner = !self.held && self.bytes_per_ms.is_none();
            let polls_frames = !self.timed && polls_partner;
            let partner = self.partner.as_ref().filter(|_| !self.partner_consumes || polls_partner);
            let partner = partner.map_or([None, None], Partner::descriptors);
            let has_ended = self.capturer_ended_ns != 0;
            let ready = wait(
                [
                    Some(ground.interrupt.as_fd()),
                    Some(self.pidfd.as_fd()).filter(|_| !has_ended),
                    self.alive.as_ref().map(AsFd::as_fd),
                    self.frames.as_ref().filter(|_| polls_frames).map(AsFd::as_fd),
                    self.events.as_ref().map(AsFd::as_fd),
                    partner[0],
                    partner[1],
                ],
                self.patience(left),
            )?;
            if ready[4] {
                self.read_events();
            }
            if ready[2] {
                self.init_ended_ns = Some(now_ns());
                self.alive = None;
                self.threads = status_field(&self.child.id().to_string(), "Threads");
                if self.weighs {
                    let kib = status_field(&self.child.id().to_string(), "VmHWM");
                    self.rss_bytes = kib.map(|kib| kib * 1024);
                }
                self.react(Event::Ended);
            }
            if ready[0] {
                return Ok(End::Interrupted);
            }
            if ready[1] {
                self.capturer_ended_ns = now_ns();
                self.syscalls = syscalls(self.child.id());
                self.cpu_ns = cpu_ns(self.child.id());
                self.company.clear();
                self.react(Event::CapturerEnded);
            }
            let delivered_before = self.deliveries.len();
            self.read_partner([ready[5], ready[6]]);
            let follows = self.stimulus.is_some_and(Stimulus::ends_capturer) && self.alive.is_some();
            if self.capturer_ended_ns != 0 && !follows {
                return Ok(End::Capturer);
            }
            if !self.held {
                self.read_frames();
                if self.deliveries.len() > delivered_before {
                    self.react(Event::Delivered);
                }
            }
            if self.wake_at_ns.take_if(|at_ns| now_ns() >= *at_ns).is_some() {
                self.react(Event::Woken);
            }
            if left.is_zero() {
                // A capturer that had ended before is not the one that did not end.
                if self.capturer_ended_ns != 0 {
                    return Ok(End::Capturer);
                }
                self.capturer_ended_ns = now_ns();
                self.cpu_ns = cpu_ns(self.child.id());
                return Ok(End::Deadline);
            }
        }
    }

    /// Takes what the FIFOs have, unless their reader is the consumer and that does not read.
    fn read_partner(&mut self, ready: [bool; 2]) {
        let most = match self.bytes_per_ms.filter(|_| self.partner_consumes) {
            Some(bytes) => bytes,
            None => READ_MAX_BYTES as usize,
        };
        if let Some(partner) = self.partner.as_mut().filter(|_| !(self.partner_consumes && self.held)) {
            partner.read(ready, most, &mut self.deliveries);
            partner.release(now_ns(), &mut self.deliveries);
        }
    }

    /// How long nothing needs to be looked at.
    fn patience(&self, left: Duration) -> Duration {
        let wakes = self.wake_at_ns.map(|at_ns| Duration::from_nanos(at_ns.saturating_sub(now_ns())));
        let slow = self.bytes_per_ms.map(|_| SLOW_READ);
        let timed = self.timed.then_some(TIMED_READ);
        let quiet = self.partner.as_ref().filter(|_| !self.held).and_then(Partner::quiet_at_ns);
        let quiet = quiet.map(|at_ns| Duration::from_nanos(at_ns.saturating_sub(now_ns())));
        [wakes, slow, timed, quiet].into_iter().flatten().fold(left, Duration::min)
    }

    /// What the workload tells.
    fn read_events(&mut self) {
        let mut bytes = [0; 64];
        let read = self.events.as_ref().map_or(Ok(0), |events| rustix::io::read(events, &mut bytes[..]));
        match read {
            Ok(0) => self.events = None,
            Ok(count) => bytes[..count].iter().for_each(|&byte| match byte {
                events::AT_GATE => {
                    self.front = self.find_front();
                    self.react(Event::AtGate);
                }
                events::PLAYED => self.react(Event::Played),
                _ => {}
            }),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.events = None,
        }
    }

    fn react(&mut self, event: Event) {
        let Some(stimulus) = self.stimulus else { return };
        if let Err(error) = stimulus.react(event, self) {
            self.stimulus_error.get_or_insert(format!("{} at {event:?}: {error}", stimulus.name()));
        }
    }

    /// The process that stands before the container: the deepest one below the capturer whose command line names it. The
    /// init does so, too, until it has become the workload; so this is for when that runs.
    fn find_front(&self) -> Option<u32> {
        let names_it = |process: &&Stranger| {
            let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            line.split(|&byte| byte == 0).any(|word| word == self.place.id.as_bytes())
        };
        descendants(self.child.id()).iter().rfind(names_it).map(|process| process.pid)
    }

    /// The files that the capturer was told of.
    pub(super) fn files(&self) -> &[PathBuf; 2] {
        &self.place.files
    }

    /// Notes the first thing that is wrong with what the capturer says.
    pub(super) fn fault(&mut self, fault: String) {
        self.protocol_error.get_or_insert(fault);
    }

    /// Takes what the live pipe has, without blocking and only so much at a time.
    fn read_frames(&mut self) {
        let mut buffer = [0; 64 << 10];
        let most = self.bytes_per_ms.map_or(READ_MAX_BYTES, |bytes| bytes as u64);
        let stop_at = self.read_bytes + most;
        while let Some(frames) = self.frames.as_ref().filter(|_| self.read_bytes < stop_at) {
            let length = buffer.len().min((stop_at - self.read_bytes) as usize);
            match rustix::io::read(frames, &mut buffer[..length]) {
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
                    // Where FIFOs are read, what comes through them is what counts.
                    if self.partner.is_none() {
                        self.deliveries.push(delivered);
                    }
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
        // Who cannot run cannot be asked to end.
        let _already_gone = pidfd_send_signal(&self.pidfd, Signal::CONT);
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

    /// Who hands on what it does not read cannot have counted it; its reader has.
    pub(super) fn take_over_counts(&mut self) {
        let counted = self.partner.as_ref().and_then(Partner::counted);
        if let (Some([stdout, stderr]), Some(summary)) = (counted, &mut self.summary) {
            (summary.stdout, summary.stderr) = (stdout, stderr);
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
        self.bytes_per_ms = None;
        self.read_frames();
        self.held = false;
        self.read_partner([false; 2]);
        if let Some(partner) = &mut self.partner {
            partner.finish(&mut self.deliveries);
        }
        if self.decoder.pending() > 0 {
            self.fault("the last frame is not whole".to_owned());
        }
        Ok((*end == End::Capturer).then(|| Exit::from(status)))
    }
}

impl Running for Watch {
    /// A FIFO that is opened for both never blocks (fifo(7)); kept open, it lets through whoever comes later.
    fn open_gate(&mut self, gate: &str) -> io::Result<()> {
        if self.gates.iter().any(|(open, _)| open == gate) {
            return Ok(());
        }
        let path = self.place.cell.join(format!("gate-{gate}"));
        let opened = File::options().read(true).write(true).open(&path);
        let mut fifo = opened.map_err(|error| bundle::with_path(&error, &path))?;
        io::Write::write_all(&mut fifo, b"g")?;
        self.gates.push((gate.to_owned(), fifo));
        self.note("the workload goes on");
        Ok(())
    }

    fn hold_frames(&mut self, hold: bool) {
        self.held = hold;
        self.note(if hold { "the consumer stops reading" } else { "the consumer reads again" });
    }

    fn slow_frames(&mut self, bytes_per_ms: usize) {
        self.bytes_per_ms = Some(bytes_per_ms);
        self.note("the consumer is slow");
    }

    fn close_frames(&mut self) {
        // What has come is delivered.
        self.read_frames();
        self.frames = None;
        self.decoder = Decoder::default();
        if self.partner_consumes {
            self.partner = None;
        }
        self.note("the consumer is gone");
    }

    fn wake_after(&mut self, after: Duration) {
        self.wake_at_ns = Some(now_ns() + after.as_nanos() as u64);
    }

    fn signal_capturer(&mut self, signal: Signal) -> io::Result<()> {
        self.note(&format!("the capturer gets signal {}", signal.as_raw()));
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    fn front(&self) -> Option<Stranger> {
        Stranger::of(self.front?)
    }

    /// A runtime may write the pid file only after the workload has begun to run.
    fn workload(&self) -> Option<Stranger> {
        if !self.place.is_oci {
            return Stranger::of(Journal::read(&self.place.cell.join("journal")).ok()??.pid as u32);
        }
        for _ in 0..PID_FILE_LOOKS {
            let text = fs::read_to_string(&self.place.pid_file).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                return Stranger::of(pid);
            }
            std::thread::sleep(PID_FILE_LOOK);
        }
        None
    }

    fn file(&self, stream: Stream) -> &Path {
        &self.place.files[stream.index()]
    }

    fn keep_file(&mut self, stream: Stream, file: File) {
        self.kept[stream.index()] = Some(file);
    }

    fn delivered(&self) -> &[Delivered] {
        &self.deliveries
    }

    fn accepted(&self, stream: Stream) -> u64 {
        let journal = Journal::read(&self.place.cell.join("journal")).ok().flatten().unwrap_or_default();
        journal.writes.iter().filter(|write| write.stream == stream).map(|write| write.accepted).sum()
    }

    fn note(&mut self, what: &str) {
        self.notes.push((now_ns(), what.to_owned()));
    }
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

/// CPU time of a process with all its threads, also when it has ended and was not waited for (proc_pid_stat(5), utime and
/// stime).
fn cpu_ns(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field may hold anything, and ends with the last parenthesis.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// `/proc/PID/io` of a process that has ended and was not waited for: only then is it complete.
fn syscalls(pid: u32) -> Option<Syscalls> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    Some(Syscalls { read: field("syscr:")?, write: field("syscw:")? })
}
