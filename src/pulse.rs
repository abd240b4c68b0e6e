//! The pulse: a beat every 10 ms through a pipe of the harness's own, for as long as a session lasts. Where beats come
//! late, the machine was too busy to be on time, or somebody had stopped the harness; and the same may have happened to
//! what the harness measured.

use crun_capture_reactor::clock::{now_ns, sleep_until};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// The time between two beats, in ns.
const INTERVAL_NS: u64 = 10_000_000;

/// A beat that is later than this is kept, in ns.
const LATE_NS: u64 = 20_000_000;

/// A beat that came late, or after a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// When it was due, in ns of CLOCK_MONOTONIC.
    pub due_ns: u64,
    /// When it came.
    pub at_ns: u64,
    /// Whether the harness was stopped and continued meanwhile (SIGCONT), as by Ctrl-Z and `fg`.
    pub stopped: bool,
}

impl Beat {
    /// How late it was, in ns.
    pub fn late_ns(&self) -> u64 {
        self.at_ns - self.due_ns
    }
}

/// The pulse of a session. It ends when it is dropped.
pub struct Pulse {
    late: Arc<Mutex<Vec<Beat>>>,
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pulse {
    /// Starts the pulse, with two threads that sleep most of the time.
    ///
    /// # Errors
    /// There are no descriptors left, or the signal's handler cannot be installed.
    pub fn start() -> io::Result<Pulse> {
        let (reader, writer) = io::pipe()?;
        let (late, ends) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let continued = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(libc::SIGCONT, Arc::clone(&continued))?;
        let (kept, stop) = (Arc::clone(&late), Arc::clone(&ends));
        let threads = vec![
            std::thread::spawn(move || beat(writer, &stop)),
            std::thread::spawn(move || listen(reader, &kept, &continued)),
        ];
        Ok(Pulse { late, ends, threads })
    }

    /// The worst beat between two times: one after a stop, or else the latest. None: all were on time.
    pub fn worst(&self, from_ns: u64, to_ns: u64) -> Option<Beat> {
        let late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let within = late.iter().filter(|beat| beat.at_ns >= from_ns && beat.due_ns <= to_ns);
        within.max_by_key(|beat| (beat.stopped, beat.late_ns())).copied()
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

fn beat(mut pipe: PipeWriter, ends: &AtomicBool) {
    let mut due_ns = now_ns();
    while !ends.load(Ordering::Relaxed) {
        // The reader is there as long as this end is.
        let _always_read = pipe.write_all(&due_ns.to_le_bytes());
        // After a long delay the beats that were missed are not made up for.
        due_ns = (due_ns + INTERVAL_NS).max(now_ns());
        sleep_until(due_ns);
    }
}

fn listen(mut pipe: PipeReader, kept: &Mutex<Vec<Beat>>, continued: &AtomicBool) {
    let mut bytes = [0; 8];
    while pipe.read_exact(&mut bytes).is_ok() {
        let beat = Beat {
            due_ns: u64::from_le_bytes(bytes),
            at_ns: now_ns(),
            stopped: continued.swap(false, Ordering::Relaxed),
        };
        if beat.stopped || beat.late_ns() > LATE_NS {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(beat);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn a_stop_is_seen_and_a_calm_time_is_not() {
        let pulse = Pulse::start().unwrap();
        let from_ns = now_ns();
        signal_hook::low_level::raise(libc::SIGCONT).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !pulse.worst(from_ns, now_ns()).is_some_and(|beat| beat.stopped) {
            assert!(Instant::now() < deadline, "no beat tells of the stop");
            std::thread::yield_now();
        }
        assert_eq!(pulse.worst(0, from_ns.saturating_sub(1_000_000_000)), None);
    }
}
