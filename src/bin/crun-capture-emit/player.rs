//! Plays the steps of a script with raw write(2), paced by the absolute clock.

use crate::surroundings;
use crun_capture::script::journal::{Keeper, entries_of};
use crun_capture::script::line::{StampedLine, encode};
use crun_capture::script::{
    Buffering, End, Lines, NONBLOCKING, PAIR_FAILED, SURVIVED, Script, Sigpipe, Step, UNLIMITED, events,
};
use crun_capture::sys::{self, Disposition};
use crun_capture_reactor::Stream;
use crun_capture_reactor::clock::{now_ns, sleep_until};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use signal_hook::iterator::Signals;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// glibc's BUFSIZ for a pipe or file: a C program collects this much of its stdout before it writes.
const BLOCK_BYTES: usize = 4096;

/// The state of the workload while it plays.
pub(crate) struct Player {
    directory: PathBuf,
    /// None in a forked child, because the entries of two processes would overwrite each other.
    journal: Option<Keeper>,
    /// The signals of the last `Trap` step.
    trapped: Option<Signals>,
    seed: u64,
    sequence: u64,
    /// Per stream: when its buffer is written out.
    policies: [Policy; 2],
    buffers: [Vec<u8>; 2],
    /// Per stream: whether it was closed, or has failed for good.
    ended: [bool; 2],
    /// Per stream: the descriptor that a `Reopen` step opened.
    reopened: [Option<OwnedFd>; 2],
    /// Per stream: why it could not be opened again. Its writes are refused from then on, for the same reason.
    refused: [Option<i32>; 2],
    /// Whether the numbers of the two streams are swapped.
    exchanged: bool,
    /// The exit code that replaces the script's own end.
    found: Option<u8>,
    /// Kept open until the end of the process.
    _alive: Option<OwnedFd>,
    /// The FIFO that tells the harness how far the workload has come. None: nobody listens.
    events: Option<OwnedFd>,
}

/// When the buffer of a stream is written out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Policy {
    AtOnce,
    ByLine,
    ByBlock,
}

impl Player {
    /// Opens the journal, and the FIFO that shows that the workload is alive.
    pub(crate) fn new(directory: &Path, script: &Script) -> io::Result<Player> {
        let path = directory.join("journal");
        let journal = Keeper::create(&path, entries_of(script), std::process::id(), now_ns())?;
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |name: &str| rustix::fs::open(directory.join(name), flags, Mode::empty()).ok();
        let (alive, events) = (open("alive"), open(events::FIFO));
        sys::set_disposition(
            libc::SIGPIPE,
            match script.sigpipe {
                Sigpipe::Default => Disposition::Default,
                Sigpipe::Ignore => Disposition::Ignore,
            },
        )?;
        // Without this call a paced write is up to 50 us late (timer slack, prctl(2)). If the call is refused, the
        // writes are just that late.
        let _kept_slack = rustix::thread::set_current_timer_slack(std::num::NonZero::new(1));
        Ok(Player {
            directory: directory.to_owned(),
            journal: Some(journal),
            trapped: None,
            seed: script.seed,
            sequence: 0,
            policies: Stream::BOTH.map(|stream| policy(script.buffering, stream)),
            buffers: [Vec::new(), Vec::new()],
            ended: [false, false],
            refused: [None, None],
            reopened: [None, None],
            exchanged: false,
            found: None,
            _alive: alive,
            events,
        })
    }

    /// Reports an event to the harness. The workload does not care whether anybody reads it.
    fn tell(&self, event: u8) {
        if let Some(events) = &self.events {
            let _nobody_listens = rustix::io::write(events, &[event]);
        }
    }

    /// Plays all steps, and then ends as the script says.
    pub(crate) fn play(mut self, script: &Script) -> ExitCode {
        self.steps(&script.steps);
        if let Some(journal) = &self.journal {
            journal.finish(now_ns());
        }
        self.tell(events::PLAYED);
        end(self.found.map_or(script.end, End::Exit))
    }

    /// Plays these steps, and then writes out what is still buffered.
    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Write { stream, data, piece_bytes } => {
                    let bytes = data.to_bytes().unwrap_or_default();
                    for piece in bytes.chunks(piece_bytes.unwrap_or(bytes.len()).max(1)) {
                        self.print(*stream, piece, now_ns());
                    }
                }
                Step::Lines(lines) => self.lines(lines),
                Step::Pause { duration_ns } => sleep_until(now_ns() + duration_ns),
                Step::Close { stream } => self.close(*stream),
                Step::Wait { gate } => self.wait(gate),
                Step::Background { steps } => self.background(steps),
                Step::Storm { most } => self.storm(*most),
                Step::Trap { signals } => self.trapped = Signals::new(signals).ok(),
                Step::AwaitSignal => self.await_signal(),
                Step::Pair { stream, count, length_bytes } => self.pair(*stream, *count, *length_bytes),
                Step::PipeSize { stream, bytes } => {
                    // An unprivileged user may not get more, and anything that is not a pipe has no such size.
                    let _as_it_was = rustix::pipe::fcntl_setpipe_size(self.descriptor(*stream), *bytes);
                }
                Step::Reopen { stream } => self.reopen(*stream),
                Step::Exchange => self.exchange(),
                Step::Nonblock { stream } => {
                    let _as_it_was = rustix::io::ioctl_fionbio(self.descriptor(*stream), true);
                }
                Step::RequireBlocking => self.require_blocking(),
                Step::Describe { what } => self.print(Stream::Stdout, &surroundings::describe(*what), now_ns()),
            }
        }
        Stream::BOTH.into_iter().for_each(|stream| self.flush(stream));
    }

    /// Forks a child that plays these steps. The buffers are written out first, because parent and child would both
    /// write them otherwise.
    fn background(&mut self, steps: &[Step]) {
        Stream::BOTH.into_iter().for_each(|stream| self.flush(stream));
        if sys::fork().is_ok_and(|child| child) {
            self.journal = None;
            self.events = None;
            self.steps(steps);
            std::process::exit(0);
        }
    }

    /// Forks until the kernel refuses. The children live until the parent closes its end of a pipe.
    fn storm(&mut self, most: u32) {
        let Ok((reader, writer)) = rustix::pipe::pipe() else { return };
        for _ in 0..most {
            match sys::fork() {
                Ok(true) => {
                    drop(writer);
                    let _ended = rustix::io::read(&reader, &mut [0]);
                    std::process::exit(0);
                }
                Ok(false) => {}
                Err(_) => {
                    drop(writer);
                    while rustix::process::wait(rustix::process::WaitOptions::empty()).is_ok() {}
                    return;
                }
            }
        }
        self.found = Some(UNLIMITED);
    }

    /// Writes lines at the same time as a child. Both have a line ready before either begins, and a pipe tells the
    /// child when the parent begins, so that their writes meet.
    fn pair(&mut self, stream: Stream, count: u64, length_bytes: usize) {
        let lines = Lines::fast(&[stream], count, length_bytes);
        let Ok((go, going)) = rustix::pipe::pipe() else { return self.found = Some(PAIR_FAILED) };
        match sys::fork() {
            Ok(true) => {
                drop(going);
                let _begun = rustix::io::read(&go, &mut [0]);
                self.journal = None;
                self.sequence += count;
                self.lines(&lines);
                std::process::exit(i32::from(self.ended[stream.index()]));
            }
            Ok(false) => {
                drop((go, going));
                self.lines(&lines);
                self.sequence += count;
                let ended = rustix::process::wait(rustix::process::WaitOptions::empty());
                if !ended.is_ok_and(|ended| ended.is_some_and(|(_, status)| status.exit_status() == Some(0))) {
                    self.found = Some(PAIR_FAILED);
                }
            }
            Err(_) => self.found = Some(PAIR_FAILED),
        }
    }

    fn reopen(&mut self, stream: Stream) {
        let path = format!("/proc/self/fd/{}", self.number(stream));
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(descriptor) => self.reopened[stream.index()] = Some(descriptor),
            // A shell goes on, too, and what its next command writes to that stream is refused.
            Err(errno) => self.refused[stream.index()] = Some(errno.raw_os_error()),
        }
    }

    fn exchange(&mut self) {
        let exchanged = (|| {
            let kept = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
            rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
            rustix::stdio::dup2_stderr(kept)
        })();
        self.exchanged ^= exchanged.is_ok();
    }

    fn require_blocking(&mut self) {
        let blocks = |stream: Stream| {
            let flags = rustix::fs::fcntl_getfl(self.descriptor(stream));
            flags.is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK))
        };
        if !Stream::BOTH.into_iter().all(blocks) {
            self.found = Some(NONBLOCKING);
        }
    }

    fn number(&self, stream: Stream) -> i32 {
        if self.exchanged { 3 - stream.descriptor() } else { stream.descriptor() }
    }

    /// The descriptor that a stream's output goes to now.
    fn descriptor(&self, stream: Stream) -> BorrowedFd<'_> {
        match &self.reopened[stream.index()] {
            Some(descriptor) => descriptor.as_fd(),
            None if self.number(stream) == 1 => rustix::stdio::stdout(),
            None => rustix::stdio::stderr(),
        }
    }

    fn await_signal(&mut self) {
        let number = self.trapped.as_mut().and_then(|signals| signals.forever().next());
        let text = number.map_or("no signal is trapped\n".to_owned(), |number| format!("signal {number}\n"));
        self.print(Stream::Stdout, text.as_bytes(), now_ns());
    }

    fn lines(&mut self, lines: &Lines) {
        let start_ns = now_ns();
        let mut bytes = Vec::with_capacity((lines.length_bytes + 1) * lines.per_write.min(lines.count) as usize);
        for (write, (stream, first, count)) in lines.writes(self.sequence).enumerate() {
            let paced_ns = start_ns + write as u64 * lines.interval_ns;
            if lines.interval_ns > 0 {
                sleep_until(paced_ns);
            }
            bytes.clear();
            let stamp_ns = now_ns();
            let due_ns = if lines.interval_ns > 0 { paced_ns } else { stamp_ns };
            for sequence in first..first + count {
                let line = StampedLine { stream, sequence, stamp_ns, due_ns, length: lines.length_bytes };
                encode(&line, self.seed, &mut bytes);
                bytes.push(b'\n');
            }
            // Making many lines takes time, which must not count as time of the write.
            let at_ns = if count == 1 { stamp_ns } else { now_ns() };
            if lines.parts == 1 {
                self.print(stream, &bytes, at_ns);
                continue;
            }
            for part in bytes.chunks(bytes.len().div_ceil(lines.parts as usize)) {
                self.print(stream, part, now_ns());
            }
        }
        self.sequence += lines.count;
    }

    /// Prints bytes according to the buffering. `at_ns` is the time just read from the clock.
    fn print(&mut self, stream: Stream, bytes: &[u8], at_ns: u64) {
        let policy = self.policies[stream.index()];
        if policy == Policy::AtOnce {
            return self.write_out(stream, bytes, at_ns);
        }
        let mut buffer = std::mem::take(&mut self.buffers[stream.index()]);
        buffer.extend_from_slice(bytes);
        let ready = match policy {
            Policy::AtOnce => buffer.len(),
            Policy::ByLine => buffer.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1),
            Policy::ByBlock => buffer.len() / BLOCK_BYTES * BLOCK_BYTES,
        };
        for block in buffer[..ready].chunks(if policy == Policy::ByBlock { BLOCK_BYTES } else { ready.max(1) }) {
            self.write_out(stream, block, now_ns());
        }
        buffer.drain(..ready);
        self.buffers[stream.index()] = buffer;
    }

    fn flush(&mut self, stream: Stream) {
        let rest = std::mem::take(&mut self.buffers[stream.index()]);
        if !rest.is_empty() {
            self.write_out(stream, &rest, now_ns());
        }
    }

    /// Writes until the kernel has accepted everything. If a write fails, its bytes are dropped, as most programs do.
    /// After EPIPE or EBADF the stream is ended.
    fn write_out(&mut self, stream: Stream, mut bytes: &[u8], at_ns: u64) {
        let mut before_ns = at_ns;
        while !bytes.is_empty() && !self.ended[stream.index()] {
            if let Some(journal) = &mut self.journal {
                journal.begin(stream, before_ns, bytes.len());
            }
            if let Some(errno) = self.refused[stream.index()] {
                return self.accepted(0, errno);
            }
            match rustix::io::write(self.descriptor(stream), bytes) {
                Ok(accepted) => {
                    self.accepted(accepted, 0);
                    bytes = &bytes[accepted..];
                }
                Err(Errno::INTR) => self.accepted(0, Errno::INTR.raw_os_error()),
                Err(errno) => {
                    self.accepted(0, errno.raw_os_error());
                    self.ended[stream.index()] = errno == Errno::PIPE || errno == Errno::BADF;
                    return;
                }
            }
            if !bytes.is_empty() {
                before_ns = now_ns();
            }
        }
    }

    fn accepted(&mut self, bytes: usize, errno: i32) {
        if let Some(journal) = &mut self.journal {
            journal.end(now_ns(), bytes, errno);
        }
    }

    fn close(&mut self, stream: Stream) {
        self.flush(stream);
        self.ended[stream.index()] = true;
        self.reopened[stream.index()] = None;
        sys::close_standard(self.number(stream));
    }

    /// Waits at a gate. Opening the FIFO blocks until somebody opens it for writing. Reading it blocks until they write
    /// a byte or close it.
    fn wait(&mut self, gate: &str) {
        self.tell(events::AT_GATE);
        let path = self.directory.join(format!("gate-{gate}"));
        let _through = std::fs::File::open(path).and_then(|mut fifo| fifo.read(&mut [0]));
    }
}

fn policy(buffering: Buffering, stream: Stream) -> Policy {
    match (buffering, stream) {
        (Buffering::None, _) | (Buffering::Auto, Stream::Stderr) => Policy::AtOnce,
        (Buffering::Block, _) => Policy::ByBlock,
        (Buffering::Line, _) => Policy::ByLine,
        (Buffering::Auto, Stream::Stdout) if std::io::stdout().is_terminal() => Policy::ByLine,
        (Buffering::Auto, Stream::Stdout) => Policy::ByBlock,
    }
}

fn end(end: End) -> ExitCode {
    match end {
        End::Exit(code) => ExitCode::from(code),
        End::Signal(number) => {
            // The standard library has a handler for SIGSEGV, with which the workload would survive the signal.
            let _refused_for_kill = sys::set_disposition(number, Disposition::Default);
            if let Some(signal) = rustix::process::Signal::from_named_raw(number) {
                let _sent = rustix::process::kill_process(rustix::process::getpid(), signal);
            }
            ExitCode::from(SURVIVED)
        }
        End::Abort => std::process::abort(),
    }
}
