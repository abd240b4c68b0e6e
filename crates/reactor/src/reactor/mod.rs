//! The event loop that drives all captures.

mod framer;
mod source;
#[cfg(test)]
mod tests;
mod under_way;
mod waker;
mod watches;

pub use framer::Framer;
pub use waker::Waker;

pub(crate) use source::{
    CLOSED_PORT, LAST_TAKES_MAX, Output, PIPE_BYTES, Port, Readable, Shared, Source, Taken, framers, pipe,
};

use crate::clock::{now_ns, timespec};
use crate::command::{CaptureError, Command};
use crate::outcome::{Exit, Outcome};
use crate::sink::Sink;
use crate::stream::CaptureId;
use crate::sys;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, waitid};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io;
use std::time::{Duration, Instant};
use under_way::UnderWay;
use waker::Bell;
use watches::Watches;

/// How long after the exit of a command its streams are still read, if another process holds them.
pub const DRAIN: Duration = Duration::from_secs(2);

/// How many captures at a time have large pipes. An unprivileged user has one budget for all pipes (pipe(7),
/// pipe-user-pages-soft). When it is used up, every new pipe of that user holds 8 KiB.
const LARGE_PIPES_MAX: usize = 16;

/// How long after [`Taken::Later`] a source is looked at again.
const LATER: Duration = Duration::from_millis(20);

/// How many events are taken from the kernel at a time.
const EVENTS: usize = 64;

/// A strategy that runs in a [`Reactor`]. All strategies of this crate do. You cannot add one of your own.
pub trait Reactive: Sync {
    /// Starts the command with the strategy's descriptors as fd 1 and 2. `large` asks for large pipes.
    ///
    /// # Errors
    /// The command cannot be started, or a descriptor or a file for it cannot be made.
    #[doc(hidden)]
    fn begin(&self, command: &Command, large: bool) -> Result<Begun, CaptureError>;
}

/// A command that was started, and the sources of its output.
#[doc(hidden)]
pub struct Begun {
    /// The process to wait for. None: a capture that was resumed ends with its streams.
    pub(crate) process: Option<Pid>,
    pub(crate) sources: Vec<Box<dyn Source>>,
    pub(crate) framers: Vec<Framer>,
    /// What to do when the capture has ended.
    pub(crate) at_end: Option<Box<dyn FnOnce() + Send>>,
}

impl Begun {
    /// A process that writes both streams.
    pub(crate) fn new(process: Pid, sources: Vec<Box<dyn Source>>) -> Begun {
        Begun { process: Some(process), sources, framers: framers(), at_end: None }
    }
}

/// A capture that has ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Its id, as `start` returned it.
    pub id: CaptureId,
    /// How it ended. Err: somebody else has waited for its command. What had been read was delivered all the same.
    pub outcome: Result<Outcome, CaptureError>,
}

/// Why [`Reactor::next`] has returned.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A capture has ended.
    Ended(Ended),
    /// A [`Waker`] has woken the reactor. One event may stand for several wakes.
    Woken,
    /// The timeout has passed.
    TimedOut,
    /// No capture runs, and no [`Waker`] is left: nothing can ever happen here until the next `start`.
    Idle,
}

/// Captures the output of many commands on the thread that calls [`next`](Reactor::next).
///
/// The lifetime is that of the sinks that it borrows. A reactor that lives long owns its sinks: it is a
/// `Reactor<'static>`, and can be sent to another thread.
///
/// Dropping a reactor closes the streams of the captures that have not ended. Their commands run on. One that then
/// writes to a pipe without a reader gets SIGPIPE. A container of `pty` is not deleted.
pub struct Reactor<'s> {
    epoll: OwnedFd,
    slots: Vec<Slot<'s>>,
    free: Vec<u32>,
    running: usize,
    ended: VecDeque<Ended>,
    /// When each capture is to be looked at. At most one entry of a capture counts. The others are stale.
    timers: BinaryHeap<Reverse<(u64, u64)>>,
    /// Room for the tokens of one turn. Empty between two uses.
    tokens: Vec<u64>,
    watches: Option<Watches>,
    bell: Option<Bell>,
    woken: bool,
    /// Whether the kernel may have more events than were taken from it last time.
    has_more: bool,
    shared: Shared,
}

/// A place for a capture. The generation tells the events of one capture from those of the next one in the same place.
struct Slot<'s> {
    generation: u32,
    under_way: Option<Box<UnderWay<'s>>>,
}

/// The low byte of a token names a source and its port, or the pidfd.
const PIDFD: u8 = 0xff;
const ANY_PORT: u8 = 0x0f;
/// The tokens of the reactor itself.
const WATCHES: u64 = u64::MAX;
const BELL: u64 = u64::MAX - 1;

fn token(slot: u32, generation: u32, what: u8) -> u64 {
    u64::from(generation) << 32 | u64::from(slot) << 8 | u64::from(what)
}

/// A duration in ns. One of more than 584 years counts as that.
fn in_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How many captures a reactor can have at a time.
const SLOTS_MAX: usize = 1 << 24;

impl<'s> Reactor<'s> {
    /// A reactor without captures.
    ///
    /// # Errors
    /// There is no descriptor left (EMFILE), or no memory.
    pub fn new() -> io::Result<Reactor<'s>> {
        Ok(Reactor {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            slots: Vec::new(),
            free: Vec::new(),
            running: 0,
            ended: VecDeque::new(),
            timers: BinaryHeap::new(),
            tokens: Vec::new(),
            watches: None,
            bell: None,
            woken: false,
            has_more: false,
            shared: Shared::default(),
        })
    }

    /// Starts `command` under `strategy`. Its output goes to `sink`, from within [`next`](Reactor::next). The sink is
    /// dropped when the capture has ended.
    ///
    /// Blocks while it forks, and where the strategy says so: `passthrough` waits for the reader of each FIFO, `pty`
    /// for the runtime's `create` and `start`.
    ///
    /// # Errors
    /// The command cannot be started, or a descriptor or a file for it cannot be made. If the command was already
    /// running by then, it was killed and waited for. A container that its runtime had started by then is the runtime's
    /// to stop.
    pub fn start(
        &mut self,
        strategy: &dyn Reactive,
        command: &Command,
        sink: impl Sink + 's,
    ) -> Result<CaptureId, CaptureError> {
        let begun = strategy.begin(command, self.running < LARGE_PIPES_MAX)?;
        let process = begun.process;
        self.add(begun, Box::new(sink)).map_err(|error| {
            process.into_iter().for_each(kill_and_wait);
            CaptureError::Descriptors(error)
        })
    }

    pub(crate) fn add(&mut self, begun: Begun, sink: Box<dyn Sink + 's>) -> io::Result<CaptureId> {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None if self.slots.len() < SLOTS_MAX => {
                self.slots.push(Slot { generation: 0, under_way: None });
                self.slots.len() as u32 - 1
            }
            None => return Err(io::Error::other("a reactor has 16,777,216 captures at most")),
        };
        let generation = self.slots[slot as usize].generation;
        let id = CaptureId(token(slot, generation, 0));
        let mut running = Box::new(UnderWay::new(id, begun, sink));
        if let Err(error) = self.register(slot, generation, &mut running) {
            self.forget(&mut running);
            self.free.push(slot);
            running.act_at_end();
            return Err(error);
        }
        self.slots[slot as usize].under_way = Some(running);
        self.running += 1;
        self.arm(slot, now_ns());
        Ok(id)
    }

    fn register(&mut self, slot: u32, generation: u32, running: &mut UnderWay<'s>) -> io::Result<()> {
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
                    none => none.insert(Watches::new(&self.epoll, WATCHES)?),
                };
                let token = token(slot, generation, (at as u8) << 4 | ANY_PORT);
                running.watches.push((watches.add(file, token)?, at));
            }
        }
        Ok(())
    }

    /// Takes the descriptors of a capture out of the epoll set. Closing them is not enough: a fork(2) in another thread
    /// may hold a copy for a moment, which would keep them in the set.
    fn forget(&mut self, running: &mut UnderWay<'s>) {
        for at in 0..running.sources.len() {
            self.close_source(running, at);
        }
        if let Some(pidfd) = running.pidfd.take() {
            let _not_in_the_set = epoll::delete(&self.epoll, &pidfd);
        }
    }

    fn close_source(&mut self, running: &mut UnderWay<'s>, at: usize) {
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

    /// Asks the command of a capture to end: SIGTERM at once, SIGKILL after `grace`. Everything that it writes until
    /// its end is captured. [`next`](Reactor::next) tells of this end as of any other. Does nothing when the capture
    /// has ended. A second call may bring the SIGKILL forward, and never puts it off.
    ///
    /// The signals go to the command itself, not to its process group; [`pid`](Reactor::pid) is for that. A runtime in the foreground passes SIGTERM on to its container, which may
    /// ignore it; SIGKILL ends the runtime alone. To stop a container, call its runtime (`crun kill`). Under `pty` the
    /// signals go to the init of a container that has its terminal from the runtime.
    pub fn stop(&mut self, id: CaptureId, grace: Duration) {
        let Some(slot) = self.slot_of(id.0) else { return };
        let Some(running) = self.slots[slot as usize].under_way.as_mut() else { return };
        running.signal(Signal::TERM);
        let kill_at_ns = now_ns().saturating_add(in_ns(grace));
        running.kill_at_ns = Some(running.kill_at_ns.map_or(kill_at_ns, |before_ns| before_ns.min(kill_at_ns)));
        self.arm_next(slot);
    }

    /// The process id of the command of a capture, for signals of your own, to the process or to its group. The id
    /// stays that of the command until [`next`](Reactor::next) is called: nobody else waits for it. None: the capture
    /// has ended or was resumed, or its command has ended.
    pub fn pid(&self, id: CaptureId) -> Option<u32> {
        let running = self.slots[self.slot_of(id.0)? as usize].under_way.as_ref()?;
        let process = running.process.filter(|_| running.pidfd.is_some())?;
        u32::try_from(process.as_raw_nonzero().get()).ok()
    }

    /// A handle that makes [`next`](Reactor::next) return, from any thread. Keep it for as long as other threads may
    /// have orders for the reactor: while a waker exists, `next` waits even when no capture runs.
    ///
    /// # Errors
    /// There is no descriptor left (EMFILE), or no memory.
    pub fn waker(&mut self) -> io::Result<Waker> {
        let bell = match &mut self.bell {
            Some(bell) => bell,
            none => {
                let bell = Bell::new()?;
                epoll::add(&self.epoll, &bell, EventData::new_u64(BELL), EventFlags::IN)?;
                none.insert(bell)
            }
        };
        Ok(bell.waker())
    }

    /// When `next` must be called at the latest, even if the descriptor ([`AsFd`]) has not become readable by then. A
    /// prompt is due at that time, or a drain deadline or a grace period ends. None: there is no such time. It changes
    /// with every `next`, `start` and `stop`.
    pub fn next_deadline(&self) -> Option<Instant> {
        let now = Instant::now();
        if !self.ended.is_empty() || self.woken || self.has_more {
            return Some(now);
        }
        let Reverse((at_ns, _)) = self.timers.peek()?;
        Some(now + Duration::from_nanos(at_ns.saturating_sub(now_ns())))
    }

    /// Drives all captures. Returns when one has ended, a [`Waker`] wakes, or `timeout` has passed (None: no limit).
    /// Blocks in epoll_pwait2(2), and in the sinks.
    ///
    /// With a timeout of zero it does what there is to do, and does not wait. Call it again until it returns
    /// [`Event::TimedOut`] or [`Event::Idle`].
    ///
    /// # Errors
    /// The epoll set itself fails, because there is no memory. The captures stay as they were.
    pub fn next(&mut self, timeout: Option<Duration>) -> io::Result<Event> {
        let until_ns = timeout.map(|timeout| now_ns().saturating_add(in_ns(timeout)));
        let mut waited = false;
        loop {
            if let Some(ended) = self.ended.pop_front() {
                return Ok(Event::Ended(ended));
            }
            if std::mem::take(&mut self.woken) {
                return Ok(Event::Woken);
            }
            if self.running == 0 && !self.bell.as_ref().is_some_and(Bell::has_wakers) {
                // The last waker may have rung before it was dropped.
                self.turn(Some(0))?;
                if !self.woken {
                    return Ok(Event::Idle);
                }
                continue;
            }
            let now_ns = now_ns();
            if waited && until_ns.is_some_and(|until_ns| until_ns <= now_ns) {
                return Ok(Event::TimedOut);
            }
            waited = true;
            let wake_ns = self.timers.peek().map(|Reverse((at_ns, _))| *at_ns);
            let next_ns = wake_ns.into_iter().chain(until_ns).min();
            self.turn(next_ns.map(|at_ns| at_ns.saturating_sub(now_ns)))?;
        }
    }

    /// Waits for the kernel once, and handles the events that it reports.
    fn turn(&mut self, wait_ns: Option<u64>) -> io::Result<()> {
        let mut events = [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; EVENTS];
        let timeout = wait_ns.map(timespec);
        let count = match sys::epoll_wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok(count) => count,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        self.has_more = count == EVENTS;
        for event in &events[..count] {
            match event.data.u64() {
                WATCHES => self.read_watches(),
                BELL => {
                    self.bell.iter().for_each(Bell::silence);
                    self.woken = true;
                }
                token => self.dispatch(token),
            }
        }
        // Each timer that is due by now has one turn. A capture that asks for another has it after everybody else's.
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
        (found.generation == (token >> 32) as u32 && found.under_way.is_some()).then_some(slot)
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
        let Slot { under_way: Some(running), generation } = &mut slots[slot as usize] else { return };
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
                if let Some(running) = self.slots[slot as usize].under_way.as_mut() {
                    let at_ns = if taken == Taken::More { 0 } else { now_ns() + LATER.as_nanos() as u64 };
                    running.again_at_ns = Some(running.again_at_ns.map_or(at_ns, |before_ns| before_ns.min(at_ns)));
                }
            }
            Taken::End => {
                if let Some(mut running) = self.slots[slot as usize].under_way.take() {
                    self.close_source(&mut running, at);
                    self.slots[slot as usize].under_way = Some(running);
                }
            }
        }
    }

    fn exited(&mut self, slot: u32) {
        let Reactor { slots, epoll, .. } = self;
        let Some(running) = slots[slot as usize].under_way.as_mut() else { return };
        let Some(pidfd) = &running.pidfd else { return };
        match waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            // The kernel has told of the exit, but it is not there yet. The next turn will have it.
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
            let Some(running) = slots[slot as usize].under_way.as_mut() else { return };
            let Some(source) = running.sources[at].as_mut() else { continue };
            let taken = source.exited(shared, &mut running.output);
            running.output.flush();
            self.after(slot, at, taken);
        }
        self.settle(slot);
    }

    /// Ends a capture that is through. Sets the timer of any other.
    fn settle(&mut self, slot: u32) {
        let Some(running) = self.slots[slot as usize].under_way.as_ref() else { return };
        if running.has_ended() {
            let Some(mut running) = self.slots[slot as usize].under_way.take() else { return };
            self.forget(&mut running);
            let place = &mut self.slots[slot as usize];
            let id = CaptureId(token(slot, place.generation, 0));
            place.generation = place.generation.wrapping_add(1);
            self.free.push(slot);
            self.running -= 1;
            if self.running == 0 {
                self.timers.clear();
            }
            self.ended.push_back(Ended { id, outcome: running.outcome() });
        } else {
            self.arm_next(slot);
        }
    }

    fn arm_next(&mut self, slot: u32) {
        let next = self.slots[slot as usize].under_way.as_ref().and_then(|running| running.wake_at_ns());
        if let Some(at_ns) = next {
            self.arm(slot, at_ns);
        }
    }

    /// Sets the timer of a capture to `at_ns`, unless it is due earlier. A timer that fires too early is only set
    /// again.
    fn arm(&mut self, slot: u32, at_ns: u64) {
        let place = &mut self.slots[slot as usize];
        let Some(running) = place.under_way.as_mut() else { return };
        if running.armed_ns.is_none_or(|armed_ns| at_ns < armed_ns) {
            running.armed_ns = Some(at_ns);
            self.timers.push(Reverse((at_ns, token(slot, place.generation, 0))));
        }
    }

    /// Does what is due for a capture at its time.
    fn tick(&mut self, token: u64) {
        let Some(slot) = self.slot_of(token) else { return };
        let now_ns = now_ns();
        let Some(running) = self.slots[slot as usize].under_way.as_mut() else { return };
        // The entry is stale if an earlier one has replaced it. Then the capture has another entry.
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
        let Some(running) = self.slots[slot as usize].under_way.as_ref() else { return };
        if running.drain_at_ns.is_some_and(|at_ns| at_ns <= now_ns) {
            self.cut(slot);
        }
        self.settle(slot);
    }

    fn sources_of(&self, slot: u32) -> usize {
        self.slots[slot as usize].under_way.as_ref().map_or(0, |running| running.sources.len())
    }

    /// At the drain deadline: takes what is there, and closes the sources that are still open.
    fn cut(&mut self, slot: u32) {
        for at in 0..self.sources_of(slot) {
            let Reactor { slots, shared, .. } = self;
            let Some(running) = slots[slot as usize].under_way.as_mut() else { return };
            let Some(source) = running.sources[at].as_mut() else { continue };
            source.cut(at, shared, &mut running.output);
            running.output.flush();
            self.after(slot, at, Taken::End);
        }
    }

    fn read_watches(&mut self) {
        let Some(watches) = &self.watches else { return };
        let mut tokens = std::mem::take(&mut self.tokens);
        watches.read(&mut tokens);
        tokens.drain(..).for_each(|token| self.dispatch(token));
        self.tokens = tokens;
    }
}

/// For an event loop of your own. The descriptor becomes readable when [`Reactor::next`] with a timeout of zero has
/// something to do. It does not become readable for timers: see [`Reactor::next_deadline`].
impl AsFd for Reactor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl AsRawFd for Reactor<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }
}

/// Adds the ports of a source to the epoll set. The token of the first one is `first`, and the others count on from it.
fn add_ports(epoll: &OwnedFd, source: &dyn Source, first: u64) -> rustix::io::Result<()> {
    let mut tokens = first..;
    source
        .ports()
        .into_iter()
        .zip(&mut tokens)
        .try_for_each(|((descriptor, flags), token)| epoll::add(epoll, descriptor, EventData::new_u64(token), flags))
}

/// Puts the outlet of a source into the epoll set in place of its ports while the source is full, and the reverse.
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

/// Captures one command in a reactor of its own. Blocks until the capture has ended.
///
/// # Errors
/// As for [`Reactor::start`]; or somebody else has waited for the command.
pub(crate) fn capture(
    strategy: &dyn Reactive,
    command: &Command,
    sink: &mut dyn Sink,
) -> Result<Outcome, CaptureError> {
    let mut reactor = Reactor::new().map_err(CaptureError::Descriptors)?;
    reactor.start(strategy, command, sink)?;
    reactor.finish()
}

impl Reactor<'_> {
    /// Drives a reactor with one capture to its end.
    pub(crate) fn finish(&mut self) -> Result<Outcome, CaptureError> {
        loop {
            match self.next(None).map_err(CaptureError::Descriptors)? {
                Event::Ended(ended) => return ended.outcome,
                Event::Idle => return Err(CaptureError::Wait(io::ErrorKind::NotFound.into())),
                Event::Woken | Event::TimedOut => {}
            }
        }
    }
}
