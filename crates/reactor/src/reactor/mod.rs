//! Captures driven by readiness: one thread, one epoll set, a pidfd for each command; one capture or a thousand.
//!
//! For the author of a driver: make a [`Reactor`], [`start`](Reactor::start) commands in it, each under a strategy that has a
//! [`Strategy::reactive`](crate::strategy::Strategy::reactive) side and with a [`Sink`] of your own, and call
//! [`next`](Reactor::next) until it has told of each one's end. All captures make progress inside `next`, and only there.
//!
//! **Who may block.** `next` waits for the kernel, and for nothing else of its own. Your sink is called from `next`: as long as
//! it blocks, no capture of this reactor goes on, the pipes fill, and their programs stall (those of a strategy with
//! `free-flow` write on). `start` forks, and waits where the strategy says so (`passthrough` for the reader of a FIFO, `pty` for
//! `crun create`); at the end of a container with a terminal `next` waits for `crun delete`.
//!
//! **What is buffered.** A line that has no line feed yet, at most 64 KiB a stream; a pipe's content, in the kernel. Longer lines
//! come in pieces, with the ending `partial`; so does what stays without a line feed for 20 ms, as a prompt does.
//!
//! **The end.** A capture has ended when its command was waited for, and its streams are at their end or 2 s have passed since
//! the exit, whatever came in between: a child in the background may hold them for ever. The outcome then says truncated.
//!
//! **Errors.** A command that does not start is the error of `start`. What fails later stands in the outcome, beside everything
//! that was delivered: a sink that fails gets nothing more, and its streams are drained all the same; a read that fails ends
//! its stream. An error of `next` is the epoll set's own (there is no memory, or the descriptor is none).
//!
//! **Descriptors.** Three to five a capture. Those of 1,000 captures are over the usual soft limit of 1,024 (RLIMIT_NOFILE); at
//! the limit `start` fails with [`CaptureError::Descriptors`], and everything that runs goes on.
//!
//! **Signals.** None is touched. A file that grows over RLIMIT_FSIZE sends SIGXFSZ, and a FIFO that has lost its reader SIGPIPE, to
//! whoever writes it: where that is `splice`, have a handler for them, or ignore them, and the write's error is what counts.

mod framer;
mod source;
#[cfg(test)]
mod tests;

pub use framer::Framer;
pub(crate) use source::{LAST_TAKES_MAX, Output, PIPE_BYTES, Port, Readable, Shared, Source, Taken, framers, pipe};

use crate::clock::{now_ns, timespec};
use crate::command::{CaptureError, Command};
use crate::outcome::{Exit, Outcome};
use crate::sink::Sink;
use crate::sys;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::time::Duration;

/// How long after the exit of the command its streams are read, when something else holds them.
pub const DRAIN: Duration = Duration::from_secs(2);

/// So many captures have enlarged pipes at the same time; those of an unprivileged user come out of one budget (pipe(7),
/// pipe-user-pages-soft), and when that is used up every new pipe of the user's holds 8 KiB.
const ENLARGED_MAX: usize = 16;

/// When a source is looked at again that asks for it.
const LATER: Duration = Duration::from_millis(20);

/// How many events are taken from the kernel at a time.
const EVENTS: usize = 64;

/// A strategy as a state machine of the reactor.
pub trait Reactive: Sync {
    /// Starts the command, with whatever the strategy hands it as fd 1 and 2. `enlarged` asks for large pipes.
    ///
    /// # Errors
    /// The command cannot be started, or the descriptors not be made.
    fn begin(&self, command: &Command, enlarged: bool) -> Result<Begun, CaptureError>;
}

/// A command that was started, and what is to be read of it.
pub struct Begun {
    /// What is waited for; None where nobody of ours is: a capture that was resumed ends with its streams.
    pub(crate) process: Option<Pid>,
    pub(crate) sources: Vec<Box<dyn Source>>,
    pub(crate) framers: Vec<Framer>,
    /// What is to be done when the capture has ended.
    pub(crate) at_end: Option<Box<dyn FnOnce()>>,
}

impl Begun {
    /// A process that writes both streams.
    pub(crate) fn new(process: Pid, sources: Vec<Box<dyn Source>>) -> Begun {
        Begun { process: Some(process), sources, framers: framers(), at_end: None }
    }
}

/// Names a capture within its reactor. No two captures of a reactor have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CaptureId(u64);

/// A capture that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Which.
    pub id: CaptureId,
    /// How. An error: its command could not be waited for, because somebody else has; what was read was delivered.
    pub outcome: Result<Outcome, CaptureError>,
}

/// Captures under way. Dropping it closes the streams of those that have not ended, and leaves their commands alone.
pub struct Reactor<'a> {
    epoll: OwnedFd,
    slots: Vec<Slot<'a>>,
    free: Vec<u32>,
    running: usize,
    ended: VecDeque<Ended>,
    /// When which capture wants to be looked at. One entry a capture at most counts; the others are stale.
    timers: BinaryHeap<Reverse<(u64, u64)>>,
    /// Room for those that are due, or told of: empty between two uses.
    tokens: Vec<u64>,
    watches: Option<Watches>,
    shared: Shared,
}

/// A place for a capture. The generation tells events of one that has ended from those of the next in its place.
struct Slot<'a> {
    generation: u32,
    running: Option<Box<Running<'a>>>,
}

/// One inotify instance for all: a user has 128 of them (inotify(7), max_user_instances).
struct Watches {
    inotify: OwnedFd,
    tokens: HashMap<i32, u64>,
}

struct Running<'a> {
    process: Option<Pid>,
    pidfd: Option<OwnedFd>,
    /// How the command ended and when that was learned of, or why it could not be waited for.
    exit: Option<Result<(Exit, u64), Errno>>,
    sources: Vec<Option<Box<dyn Source>>>,
    /// Those whose outlet is waited for, in place of their ports.
    full: Vec<bool>,
    watches: Vec<(i32, usize)>,
    output: Output<'a>,
    at_end: Option<Box<dyn FnOnce()>>,
    drain_at_ns: Option<u64>,
    kill_at_ns: Option<u64>,
    again_at_ns: Option<u64>,
    /// What stands in the heap for it.
    armed_ns: Option<u64>,
}

/// The token's low byte: a source and its port, the pidfd, or the reactor's own.
const PIDFD: u8 = 0xff;
const ANY_PORT: u8 = 0x0f;
/// The port of a watched file that somebody has closed who could write it.
pub(crate) const CLOSED_PORT: u8 = 0x0e;
const WATCHES: u64 = u64::MAX;

fn token(slot: u32, generation: u32, what: u8) -> u64 {
    u64::from(generation) << 32 | u64::from(slot) << 8 | u64::from(what)
}

/// The captures that a reactor can have at a time.
const SLOTS_MAX: usize = 1 << 24;

impl<'a> Reactor<'a> {
    /// Without captures.
    ///
    /// # Errors
    /// There is no descriptor left (EMFILE), or no memory.
    pub fn new() -> io::Result<Reactor<'a>> {
        Ok(Reactor {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            slots: Vec::new(),
            free: Vec::new(),
            running: 0,
            ended: VecDeque::new(),
            timers: BinaryHeap::new(),
            tokens: Vec::new(),
            watches: None,
            shared: Shared::default(),
        })
    }

    /// Starts `command` under `strategy`. What it writes goes to `sink`, from within [`next`](Reactor::next).
    ///
    /// # Errors
    /// The command cannot be started, or the descriptors not be made. Where the command itself was already running, it was killed
    /// and waited for; a container that its runtime had started by then is the runtime's to stop.
    pub fn start(
        &mut self,
        strategy: &dyn Reactive,
        command: &Command,
        sink: &'a dyn Sink,
    ) -> Result<CaptureId, CaptureError> {
        let begun = strategy.begin(command, self.running < ENLARGED_MAX)?;
        let process = begun.process;
        self.add(begun, sink).map_err(|error| {
            process.into_iter().for_each(kill_and_wait);
            CaptureError::Descriptors(error)
        })
    }

    pub(crate) fn add(&mut self, begun: Begun, sink: &'a dyn Sink) -> io::Result<CaptureId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < SLOTS_MAX => {
                self.slots.push(Slot { generation: 0, running: None });
                self.slots.len() as u32 - 1
            }
            None => return Err(io::Error::other("a reactor has 16,777,216 captures at most")),
        };
        let generation = self.slots[slot as usize].generation;
        let mut running = Box::new(Running {
            process: begun.process,
            pidfd: None,
            exit: None,
            full: vec![false; begun.sources.len()],
            sources: begun.sources.into_iter().map(Some).collect(),
            watches: Vec::new(),
            output: Output::new(sink, begun.framers),
            at_end: begun.at_end,
            drain_at_ns: None,
            kill_at_ns: None,
            // What was there before anybody watched is not told of; nor is the end of a capture with nothing to wait for.
            again_at_ns: Some(0),
            armed_ns: None,
        });
        if let Err(error) = self.register(slot, generation, &mut running) {
            self.forget(&mut running);
            self.free.push(slot);
            running.act_at_end();
            return Err(error);
        }
        self.slots[slot as usize].running = Some(running);
        self.running += 1;
        self.arm(slot, now_ns());
        Ok(CaptureId(token(slot, generation, 0)))
    }

    fn register(&mut self, slot: u32, generation: u32, running: &mut Running<'a>) -> io::Result<()> {
        running.pidfd = running.process.map(|pid| pidfd_open(pid, PidfdFlags::empty())).transpose()?;
        if let Some(pidfd) = &running.pidfd {
            epoll::add(&self.epoll, pidfd, EventData::new_u64(token(slot, generation, PIDFD)), EventFlags::IN)?;
        }
        for (at, source) in running.sources.iter().enumerate() {
            let Some(source) = source else { continue };
            add_ports(&self.epoll, source.as_ref(), token(slot, generation, (at as u8) << 4))?;
            if let Some(file) = source.watched() {
                let watches = match &mut self.watches {
                    Some(watches) => watches,
                    none => none.insert(Watches::new(&self.epoll)?),
                };
                let token = token(slot, generation, (at as u8) << 4 | ANY_PORT);
                running.watches.push((watches.add(file, token)?, at));
            }
        }
        Ok(())
    }

    /// Takes a capture's descriptors out of the sets: a copy of one that a fork(2) of another thread's holds for a moment
    /// would keep it in there.
    fn forget(&mut self, running: &mut Running<'a>) {
        for at in 0..running.sources.len() {
            self.close_source(running, at);
        }
        if let Some(pidfd) = running.pidfd.take() {
            let _not_in_the_set = epoll::delete(&self.epoll, &pidfd);
        }
    }

    fn close_source(&mut self, running: &mut Running<'a>, at: usize) {
        let Some(source) = running.sources[at].take() else { return };
        for descriptor in source.ports().into_iter().map(|(descriptor, _)| descriptor).chain(source.outlet()) {
            let _not_in_the_set = epoll::delete(&self.epoll, descriptor);
        }
        if let Some(watches) = &mut self.watches {
            running.watches.retain(|(watch, of)| {
                if *of == at {
                    watches.remove(*watch);
                }
                *of != at
            });
        }
    }

    /// How many captures have not ended.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Asks the command of a capture to end: SIGTERM at once, SIGKILL when `grace` has passed. Its end is told by `next` as
    /// any other; what it writes until then is captured. A runtime in the foreground passes the SIGTERM on to a container that
    /// may ignore it, and a SIGKILL takes the runtime alone: a container is stopped by its runtime (`crun kill`).
    /// Does nothing where the capture has ended.
    pub fn stop(&mut self, id: CaptureId, grace: Duration) {
        let Some(slot) = self.slot_of(id.0) else { return };
        let Some(running) = self.slots[slot as usize].running.as_mut() else { return };
        running.signal(Signal::TERM);
        running.kill_at_ns = Some(now_ns().saturating_add(u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX)));
        self.arm_next(slot);
    }

    /// Drives all captures until one of them ends, at most for `timeout` (None: without limit), and tells of it.
    /// None: nothing ended in time, or nothing runs.
    ///
    /// # Errors
    /// The epoll set itself fails. The captures are as they were.
    pub fn next(&mut self, timeout: Option<Duration>) -> io::Result<Option<Ended>> {
        let until_ns = timeout.map(|timeout| now_ns().saturating_add(timeout.as_nanos() as u64));
        loop {
            if let Some(ended) = self.ended.pop_front() {
                return Ok(Some(ended));
            }
            if self.running == 0 {
                return Ok(None);
            }
            let wake_ns = self.timers.peek().map(|Reverse((at_ns, _))| *at_ns);
            let wait_ns = match (wake_ns, until_ns) {
                (None, None) => None,
                (wake, until) => {
                    let now_ns = now_ns();
                    if until.is_some_and(|until_ns| until_ns <= now_ns) && timeout != Some(Duration::ZERO) {
                        return Ok(None);
                    }
                    wake.into_iter().chain(until).min().map(|at_ns| at_ns.saturating_sub(now_ns))
                }
            };
            self.turn(wait_ns)?;
            if timeout == Some(Duration::ZERO) {
                return Ok(self.ended.pop_front());
            }
        }
    }

    /// Waits once for the kernel, and does what it tells.
    fn turn(&mut self, wait_ns: Option<u64>) -> io::Result<()> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
        let timeout = wait_ns.map(timespec);
        let count = match sys::epoll_wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        for event in &events[..count] {
            match event.data.u64() {
                WATCHES => self.read_watches(),
                token => self.dispatch(token),
            }
        }
        // Those that are due by now, and each once: whoever asks for another turn has it after everybody else's.
        let due_ns = now_ns();
        let mut due = std::mem::take(&mut self.tokens);
        while self.timers.peek().is_some_and(|Reverse((at_ns, _))| *at_ns <= due_ns) {
            due.extend(self.timers.pop().map(|Reverse((_, token))| token));
        }
        due.drain(..).for_each(|token| self.tick(token));
        self.tokens = due;
        Ok(())
    }

    /// The slot of a token, unless its capture has ended.
    fn slot_of(&self, token: u64) -> Option<u32> {
        let slot = (token >> 8) as u32 & (SLOTS_MAX as u32 - 1);
        let found = self.slots.get(slot as usize)?;
        (found.generation == (token >> 32) as u32 && found.running.is_some()).then_some(slot)
    }

    fn dispatch(&mut self, token: u64) {
        let Some(slot) = self.slot_of(token) else { return };
        let what = token as u8;
        if what == PIDFD {
            return self.exited(slot);
        }
        let port = Some(what & 0x0f).filter(|&port| port != ANY_PORT).map(usize::from);
        self.take(slot, usize::from(what >> 4), port);
        self.settle(slot);
    }

    /// Lets a source take what is there.
    fn take(&mut self, slot: u32, at: usize, port: Option<usize>) {
        let Reactor { slots, shared, epoll, .. } = self;
        let Slot { running: Some(running), generation } = &mut slots[slot as usize] else { return };
        let Some(source) = running.sources.get_mut(at).and_then(Option::as_mut) else { return };
        let mut taken = source.take(port, shared, &mut running.output);
        if running.drain_at_ns.is_some() && taken != Taken::End {
            taken = match (taken, source.exited(shared, &mut running.output)) {
                (Taken::More, exited) if exited != Taken::End => Taken::More,
                (_, exited) => exited,
            };
        }
        if source.is_full() != running.full[at] {
            running.full[at] = source.is_full();
            let first = token(slot, *generation, (at as u8) << 4);
            if let Err(errno) = switch_ports(epoll, source.as_ref(), first) {
                running.output.lost(at, format_args!("epoll: {errno}"));
                taken = Taken::End;
            }
        }
        running.output.flush();
        self.after(slot, at, taken);
    }

    fn after(&mut self, slot: u32, at: usize, taken: Taken) {
        match taken {
            Taken::Some | Taken::Nothing => {}
            Taken::More | Taken::Later => {
                if let Some(running) = self.slots[slot as usize].running.as_mut() {
                    let at_ns = if taken == Taken::More { 0 } else { now_ns() + LATER.as_nanos() as u64 };
                    running.again_at_ns = Some(running.again_at_ns.map_or(at_ns, |before_ns| before_ns.min(at_ns)));
                }
            }
            Taken::End => {
                if let Some(mut running) = self.slots[slot as usize].running.take() {
                    self.close_source(&mut running, at);
                    self.slots[slot as usize].running = Some(running);
                }
            }
        }
    }

    fn exited(&mut self, slot: u32) {
        let Reactor { slots, epoll, .. } = self;
        let Some(running) = slots[slot as usize].running.as_mut() else { return };
        let Some(pidfd) = &running.pidfd else { return };
        match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            // Told of by the kernel and not there: the next turn will have it.
            Ok(None) | Err(Errno::INTR) => return,
            Ok(Some(status)) => {
                let code = status.exit_status().map(Exit::Code);
                let exit = code.or(status.terminating_signal().map(Exit::Signal)).unwrap_or(Exit::Code(-1));
                running.exit = Some(Ok((exit, now_ns())));
            }
            Err(errno) => running.exit = Some(Err(errno)),
        }
        running.drain_at_ns = Some(now_ns() + DRAIN.as_nanos() as u64);
        running.kill_at_ns = None;
        let _not_in_the_set = epoll::delete(&*epoll, pidfd);
        running.pidfd = None;
        for at in 0..running.sources.len() {
            let Reactor { slots, shared, .. } = self;
            let Some(running) = slots[slot as usize].running.as_mut() else { return };
            let Some(source) = running.sources[at].as_mut() else { continue };
            let taken = source.exited(shared, &mut running.output);
            running.output.flush();
            self.after(slot, at, taken);
        }
        self.settle(slot);
    }

    /// Ends a capture that is through; else sees to it that it is looked at in time.
    fn settle(&mut self, slot: u32) {
        let Some(running) = self.slots[slot as usize].running.as_ref() else { return };
        if running.is_through() {
            let Some(mut running) = self.slots[slot as usize].running.take() else { return };
            self.forget(&mut running);
            let place = &mut self.slots[slot as usize];
            let id = CaptureId(token(slot, place.generation, 0));
            place.generation = place.generation.wrapping_add(1);
            self.free.push(slot);
            self.running -= 1;
            self.ended.push_back(Ended { id, outcome: running.outcome() });
        } else {
            self.arm_next(slot);
        }
    }

    fn arm_next(&mut self, slot: u32) {
        let next = self.slots[slot as usize].running.as_ref().and_then(|running| running.wake_at_ns());
        if let Some(at_ns) = next {
            self.arm(slot, at_ns);
        }
    }

    /// Has the capture looked at, at this time at the latest. An entry that is too early only arms again.
    fn arm(&mut self, slot: u32, at_ns: u64) {
        let place = &mut self.slots[slot as usize];
        let Some(running) = place.running.as_mut() else { return };
        if running.armed_ns.is_none_or(|armed_ns| at_ns < armed_ns) {
            running.armed_ns = Some(at_ns);
            self.timers.push(Reverse((at_ns, token(slot, place.generation, 0))));
        }
    }

    /// A capture's time has come.
    fn tick(&mut self, token: u64) {
        let Some(slot) = self.slot_of(token) else { return };
        let now_ns = now_ns();
        let Some(running) = self.slots[slot as usize].running.as_mut() else { return };
        // A stale entry is one behind an earlier one; the capture has another of its own then.
        if running.armed_ns.is_none_or(|armed_ns| armed_ns > now_ns) {
            return;
        }
        running.armed_ns = None;
        if running.kill_at_ns.take_if(|at_ns| *at_ns <= now_ns).is_some() {
            running.signal(Signal::KILL);
        }
        running.output.release_quiet(now_ns);
        running.output.flush();
        if running.again_at_ns.take_if(|at_ns| *at_ns <= now_ns).is_some() {
            for at in 0..self.sources_of(slot) {
                self.take(slot, at, None);
            }
        }
        let Some(running) = self.slots[slot as usize].running.as_ref() else { return };
        if running.drain_at_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.cut(slot);
        }
        self.settle(slot);
    }

    fn sources_of(&self, slot: u32) -> usize {
        self.slots[slot as usize].running.as_ref().map_or(0, |running| running.sources.len())
    }

    /// At the drain deadline: takes what is there, and closes what is still open.
    fn cut(&mut self, slot: u32) {
        for at in 0..self.sources_of(slot) {
            let Reactor { slots, shared, .. } = self;
            let Some(running) = slots[slot as usize].running.as_mut() else { return };
            let Some(source) = running.sources[at].as_mut() else { continue };
            source.cut(at, shared, &mut running.output);
            running.output.flush();
            self.after(slot, at, Taken::End);
        }
    }

    fn read_watches(&mut self) {
        let Some(watches) = &self.watches else { return };
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&watches.inotify, &mut buffer);
        let mut tokens = std::mem::take(&mut self.tokens);
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) => {
                    tokens.extend(watches.tokens.values().copied());
                }
                Ok(event) => {
                    let closed = event.events().contains(inotify::ReadFlags::CLOSE_WRITE);
                    let told = |token: &u64| if closed { token & !0x0f | u64::from(CLOSED_PORT) } else { *token };
                    tokens.extend(watches.tokens.get(&event.wd()).map(told));
                }
                Err(Errno::INTR) => continue,
                Err(_) => break,
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        tokens.dedup();
        tokens.drain(..).for_each(|token| self.dispatch(token));
        self.tokens = tokens;
    }
}

/// For an event loop of one's own: readable when [`Reactor::next`] with a timeout of zero has something to do. Timers are not in
/// it (a prompt, the drain deadline), so `next` is to be called every now and then, too; and each time until it returns None.
impl AsFd for Reactor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Watches {
    fn new(epoll: &OwnedFd) -> io::Result<Watches> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        epoll::add(epoll, &inotify, EventData::new_u64(WATCHES), EventFlags::IN)?;
        Ok(Watches { inotify, tokens: HashMap::new() })
    }

    fn add(&mut self, file: BorrowedFd<'_>, token: u64) -> io::Result<i32> {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE;
        let watch = inotify::add_watch(&self.inotify, path, flags)?;
        self.tokens.insert(watch, token);
        Ok(watch)
    }

    fn remove(&mut self, watch: i32) {
        self.tokens.remove(&watch);
        let _already_gone = inotify::remove_watch(&self.inotify, watch);
    }
}

impl Running<'_> {
    fn is_through(&self) -> bool {
        let waited = self.exit.is_some() || self.process.is_none();
        waited && self.sources.iter().all(Option::is_none)
    }

    fn wake_at_ns(&self) -> Option<u64> {
        let times = [self.output.quiet_at_ns(), self.drain_at_ns, self.kill_at_ns, self.again_at_ns];
        times.into_iter().flatten().min()
    }

    fn signal(&self, signal: Signal) {
        if let Some(pidfd) = &self.pidfd {
            let _already_gone = pidfd_send_signal(pidfd, signal);
        }
    }

    fn act_at_end(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end();
        }
    }

    fn outcome(mut self: Box<Self>) -> Result<Outcome, CaptureError> {
        self.output.end();
        self.act_at_end();
        let output = &mut self.output;
        let mut errors = std::mem::take(&mut output.errors);
        let consumer = output.take_consumer_error();
        let truncated = output.truncated || consumer.is_some();
        errors.extend(consumer.map(|error| format!("consumer: {error}")));
        let exit = self.exit.unwrap_or_else(|| Ok((Exit::Unknown, now_ns())));
        let (exit, exit_at_ns) = exit.map_err(|errno| CaptureError::Wait(errno.into()))?;
        Ok(Outcome { exit, exit_at_ns, truncated, errors, notes: std::mem::take(&mut output.notes) })
    }
}

/// Has the ports of a source waited for: that with the token `first`, and the next ones.
fn add_ports(epoll: &OwnedFd, source: &dyn Source, first: u64) -> rustix::io::Result<()> {
    let mut tokens = first..;
    source
        .ports()
        .into_iter()
        .zip(&mut tokens)
        .try_for_each(|((descriptor, flags), token)| epoll::add(epoll, descriptor, EventData::new_u64(token), flags))
}

/// Has the outlet waited for in place of the ports while the source is full, and the reverse.
fn switch_ports(epoll: &OwnedFd, source: &dyn Source, first: u64) -> rustix::io::Result<()> {
    let Some(outlet) = source.outlet() else { return Ok(()) };
    if !source.is_full() {
        epoll::delete(epoll, outlet)?;
        return add_ports(epoll, source, first);
    }
    source.ports().into_iter().try_for_each(|(descriptor, _)| epoll::delete(epoll, descriptor))?;
    epoll::add(epoll, outlet, EventData::new_u64(first | u64::from(ANY_PORT)), EventFlags::OUT)
}

fn kill_and_wait(pid: Pid) {
    let _already_gone = rustix::process::kill_process(pid, Signal::KILL);
    while let Err(Errno::INTR) = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty()) {}
}

/// Runs one command to its end.
///
/// # Errors
/// As [`Reactor::start`]; or the command could not be waited for.
pub(crate) fn capture(strategy: &dyn Reactive, command: &Command, sink: &dyn Sink) -> Result<Outcome, CaptureError> {
    let mut reactor = Reactor::new().map_err(CaptureError::Descriptors)?;
    reactor.start(strategy, command, sink)?;
    loop {
        if let Some(ended) = reactor.next(None).map_err(CaptureError::Descriptors)? {
            return ended.outcome;
        }
    }
}
