//! The watch over a running capturer: it sees three ends, reads the frames, and takes the capturer down.

use super::RunParts;
use super::grip::Grip;
use super::home::Home;
use super::inbox::{Inbox, READ_MAX_BYTES};
use super::launch::Launched;
use super::partner::Partner;
use super::poll::Sources;
use super::proc::{AFTER_PROGRAM_NS, AT_GATE_NS, Seen};
use crate::capturer::Capturer;
use crate::experiment::Stimulus;
use crate::experiment::stimulus::Cue;
use crate::plan::Cell;
use crate::process::{Stranger, descendants, readable};
use crate::runtime::{Found, Stop};
use crate::script::events;
use crate::script::journal::Journal;
use crate::strategy::Capability;
use crun_capture_reactor::Exit;
use crun_capture_reactor::clock::now_ns;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use std::io;
use std::process::Child;
use std::time::Duration;

/// The interval at which the capturer's memory is looked at where it matters.
const WEIGH: Duration = Duration::from_millis(20);

/// How long the workload may live on after its capturer, before it counts as left behind.
const WORKLOAD_GRACE: Duration = Duration::from_millis(200);

/// The interval at which the frames are read for a slow consumer.
const SLOW_READ: Duration = Duration::from_millis(1);

/// The reason why the watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Capturer,
    Deadline,
    Interrupted,
}

/// A running capturer, and the observations of it.
pub(super) struct Watch {
    pub(super) child: Child,
    pub(super) pidfd: OwnedFd,
    pub(super) inbox: Inbox,
    pub(super) seen: Seen,
    pub(super) grip: Grip,
    pub(super) partner: Option<Partner>,
    /// Whether the partner is the consumer. Then a stimulus on the consumer acts on the partner.
    pub(super) partner_consumes: bool,
    alive: Option<OwnedFd>,
    events: Option<OwnedFd>,
    /// Whether the capturer's memory and CPU time matter, so that they are looked at all the time.
    pub(super) weighs: bool,
}

impl Watch {
    pub(super) fn new(launched: Launched, cell: &Cell, found: &Found, capturer: &Capturer, home: &Home) -> Watch {
        let grip = Grip {
            stimulus: cell.case.stimulus.map(|stimulus| stimulus.0),
            id: home.stage.id.clone(),
            exchange: home.stage.exchange.clone(),
            pid_file: home.stage.pid_file.clone(),
            is_oci: found.runtime.is_oci(),
            owned: launched.owned,
            files: launched.files,
            company: launched.company,
            ..Grip::default()
        };
        Watch {
            child: launched.child,
            pidfd: launched.pidfd,
            inbox: launched.inbox,
            seen: Seen::new(launched.started_ns, found.programs()),
            grip,
            partner: launched.partner,
            partner_consumes: capturer.needs.needs_reader,
            alive: launched.alive,
            events: launched.events,
            weighs: cell.case.measures_cost
                || cell.case.own_bundle.is_some()
                || cell.case.tries.contains(&Capability::BoundedMemory),
        }
    }

    /// Reads and watches until the capturer ends, the deadline comes, or the user interrupts. If the stimulus ends the
    /// capturer, watches until the workload has ended too.
    pub(super) fn until_end(&mut self, run: &RunParts<'_>) -> io::Result<End> {
        let lasts_ns = (run.deadline + self.grip.lasts()).as_nanos() as u64;
        let mut deadline_ns = self.seen.started_ns + lasts_ns;
        loop {
            if now_ns() >= deadline_ns {
                deadline_ns = self.put_off(deadline_ns, lasts_ns, run);
            }
            let left = Duration::from_nanos(deadline_ns.saturating_sub(now_ns()));
            let ready = self.sources(run).wait(self.patience(left))?;
            if self.weighs && !self.has_ended() {
                self.seen.weigh(self.child.id());
            }
            if ready.events {
                self.read_events();
            }
            if ready.alive {
                self.workload_ended();
            }
            if ready.interrupt {
                return Ok(End::Interrupted);
            }
            if ready.capturer {
                self.capturer_ended();
            }
            let delivered_before = self.inbox.deliveries.len();
            self.read_partner(ready.partner);
            let follows = self.grip.stimulus.is_some_and(Stimulus::ends_capturer) && self.alive.is_some();
            if self.has_ended() && !follows {
                return Ok(End::Capturer);
            }
            if !self.grip.held {
                self.read_frames();
                if self.inbox.deliveries.len() > delivered_before {
                    self.react(Cue::Delivered);
                }
            }
            if self.grip.wake_at_ns.take_if(|at_ns| now_ns() >= *at_ns).is_some() {
                self.react(Cue::Woken);
            }
            if left.is_zero() {
                // A capturer that ended before the deadline did not miss it.
                if self.has_ended() {
                    return Ok(End::Capturer);
                }
                self.seen.capturer_ended_ns = now_ns();
                self.seen.look_at_deadline(self.child.id());
                return Ok(End::Deadline);
            }
        }
    }

    /// The deadline counts from the start of the workload, however long the runtime took for it, and not while the harness
    /// itself was stopped. A workload that never starts is waited for twice as long.
    fn put_off(&self, deadline_ns: u64, lasts_ns: u64, run: &RunParts<'_>) -> u64 {
        let stopped = run.pulse.worst(self.seen.started_ns, now_ns()).filter(|beat| beat.stopped);
        let from_ns = match (stopped, self.grip.journal()) {
            (Some(beat), _) => beat.at_ns,
            (None, Some(journal)) => journal.started_ns,
            (None, None) => self.seen.started_ns + lasts_ns,
        };
        deadline_ns.max(from_ns + lasts_ns)
    }

    fn has_ended(&self) -> bool {
        self.seen.capturer_ended_ns != 0
    }

    fn sources<'a>(&'a self, run: &'a RunParts<'_>) -> Sources<Option<rustix::fd::BorrowedFd<'a>>> {
        let consumer_reads = !self.grip.held && self.grip.bytes_per_ms.is_none();
        let partner = self.partner.as_ref().filter(|_| !self.partner_consumes || consumer_reads);
        Sources {
            interrupt: Some(run.interrupt.as_fd()),
            capturer: Some(self.pidfd.as_fd()).filter(|_| !self.has_ended()),
            alive: self.alive.as_ref().map(AsFd::as_fd),
            frames: self.inbox.descriptor().filter(|_| consumer_reads),
            events: self.events.as_ref().map(AsFd::as_fd),
            partner: partner.map_or([None, None], Partner::descriptors),
        }
    }

    fn workload_ended(&mut self) {
        self.seen.init_ended_ns = Some(now_ns());
        self.alive = None;
        self.seen.look_at_end_of_workload(self.child.id());
        self.react(Cue::Ended);
    }

    fn capturer_ended(&mut self) {
        self.seen.capturer_ended_ns = now_ns();
        self.seen.look_at_end_of_capturer(self.child.id());
        self.grip.company.clear();
        self.react(Cue::CapturerEnded);
    }

    /// Reads what the FIFOs have, unless their reader is the consumer and does not read now.
    fn read_partner(&mut self, ready: [bool; 2]) {
        let most = match self.grip.bytes_per_ms.filter(|_| self.partner_consumes) {
            Some(bytes) => bytes,
            None => READ_MAX_BYTES as usize,
        };
        if let Some(partner) = self.partner.as_mut().filter(|_| !(self.partner_consumes && self.grip.held)) {
            partner.read(ready, most, &mut self.inbox.deliveries);
            partner.release(now_ns(), &mut self.inbox.deliveries);
        }
    }

    /// Reads what the live pipe has, at most as much as the consumer reads at a time.
    pub(super) fn read_frames(&mut self) {
        self.inbox.read(self.grip.bytes_per_ms.map_or(READ_MAX_BYTES, |bytes| bytes as u64));
    }

    /// How long the watch can wait for a source before it has something else to do.
    fn patience(&self, left: Duration) -> Duration {
        let until = |at_ns: u64| Duration::from_nanos(at_ns.saturating_sub(now_ns()));
        let wakes = self.grip.wake_at_ns.map(until);
        let slow = self.grip.bytes_per_ms.map(|_| SLOW_READ);
        let weighs = (self.weighs && !self.has_ended()).then_some(WEIGH);
        let quiet = self.partner.as_ref().filter(|_| !self.grip.held).and_then(Partner::quiet_at_ns).map(until);
        [wakes, slow, weighs, quiet].into_iter().flatten().fold(left, Duration::min)
    }

    /// Reads the events of the workload.
    fn read_events(&mut self) {
        let mut bytes = [0; 64];
        let read = self.events.as_ref().map_or(Ok(0), |events| rustix::io::read(events, &mut bytes[..]));
        match read {
            Ok(0) => self.events = None,
            Ok(count) => bytes[..count].iter().for_each(|&byte| match byte {
                events::AT_GATE => {
                    self.grip.front = self.find_front();
                    self.seen.waits(self.child.id(), AT_GATE_NS);
                    self.react(Cue::AtGate);
                }
                events::PLAYED => {
                    self.react(Cue::Played);
                    self.seen.waits(self.child.id(), AFTER_PROGRAM_NS);
                }
                _ => {}
            }),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.events = None,
        }
    }

    /// After a deadline or an interrupt, takes down the container first, then the capturer, then the processes below
    /// it.
    pub(super) fn take_down(&mut self, end: End, run: &RunParts<'_>, home: &Home) -> Option<Stop> {
        if end == End::Capturer {
            self.wait_for_workload();
            return None;
        }
        // A suspended process cannot react to a request to end.
        let _already_gone = pidfd_send_signal(&self.pidfd, Signal::CONT);
        if end == End::Deadline {
            // What the capturer has delivered until now counts. What it delivers while it is being killed does not.
            self.read_frames();
            self.inbox.close();
        }
        let below = descendants(self.child.id());
        let stop = home.stop(run);
        // `reap` waits for it. It is not an error if it has just ended by itself.
        let _already_gone = self.child.kill();
        below.iter().for_each(Stranger::kill);
        stop
    }

    /// A workload that started and ends only now was not waited for by its capturer.
    fn wait_for_workload(&mut self) {
        let Some(alive) = &self.alive else { return };
        let started = Journal::read(&self.grip.exchange.join("journal")).ok().flatten().is_some();
        if started && readable(alive.as_fd(), WORKLOAD_GRACE) {
            self.seen.init_ended_ns = Some(now_ns());
            self.alive = None;
        }
    }

    /// A capturer that hands on what it does not read cannot have counted it, but its reader has.
    pub(super) fn take_over_counts(&mut self) {
        let counted = self.partner.as_ref().and_then(Partner::counted);
        if let (Some([stdout, stderr]), Some(summary)) = (counted, &mut self.inbox.summary) {
            (summary.stdout, summary.stderr) = (stdout, stderr);
        }
    }

    /// Waits for the capturer, which has ended or was killed, and takes its last frames.
    pub(super) fn reap(&mut self, run: &RunParts<'_>, end: End) -> io::Result<Option<Exit>> {
        let status = self.child.wait()?;
        run.family.forget(self.child.id());
        // Reads at most what the pipe holds. A process of the capturer that lives on and writes is not waited for.
        self.grip.bytes_per_ms = None;
        self.read_frames();
        self.grip.held = false;
        self.read_partner([false; 2]);
        if let Some(partner) = &mut self.partner {
            partner.finish(&mut self.inbox.deliveries);
        }
        self.inbox.finish();
        Ok((end == End::Capturer).then(|| Exit::from(status)))
    }
}
