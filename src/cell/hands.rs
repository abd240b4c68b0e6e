//! The actions of a stimulus on a running cell.

use super::watch::Watch;
use crate::experiment::stimulus::{Cue, Hands};
use crate::files::with_path;
use crate::process::{Stranger, descendants};
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Delivered, Stream};
use rustix::process::{Signal, pidfd_send_signal};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often, and at which interval, the harness looks for a pid file that is not there yet.
const PID_FILE_LOOKS: u32 = 1_000;
const PID_FILE_LOOK: Duration = Duration::from_millis(1);

impl Watch {
    /// Tells the stimulus that something has happened.
    pub(super) fn react(&mut self, event: Cue) {
        let Some(stimulus) = self.grip.stimulus else { return };
        if let Err(error) = stimulus.react(event, self) {
            self.grip.error.get_or_insert(format!("{} at {event:?}: {error}", stimulus.name()));
        }
    }

    /// The runtime's process in front of the container: the last process below the capturer whose command line contains
    /// the container's id. The init's command line contains it too until it has become the workload, so this must be
    /// called while the workload runs.
    pub(super) fn find_front(&self) -> Option<u32> {
        let names_it = |process: &&Stranger| {
            let line = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            line.split(|&byte| byte == 0).any(|word| word == self.grip.id.as_bytes())
        };
        descendants(self.child.id()).iter().rfind(names_it).map(|process| process.pid)
    }
}

impl Hands for Watch {
    /// Opens a gate. A FIFO that is opened for reading and writing never blocks (fifo(7)). It stays open, so that a
    /// workload that comes later gets through too.
    fn open_gate(&mut self, gate: &str) -> io::Result<()> {
        if self.grip.gates.iter().any(|(open, _)| open == gate) {
            return Ok(());
        }
        let path = self.grip.exchange.join(format!("gate-{gate}"));
        self.seen.waits_until(now_ns(), self.child.id());
        if self.weighs {
            self.seen.passes_gate(self.child.id());
        }
        let opened = File::options().read(true).write(true).open(&path);
        let mut fifo = opened.map_err(|error| with_path(&error, &path))?;
        io::Write::write_all(&mut fifo, b"g")?;
        self.grip.gates.push((gate.to_owned(), fifo));
        self.note("the workload goes on");
        Ok(())
    }

    fn opened_gates(&self) -> usize {
        self.grip.gates.len()
    }

    fn hold_frames(&mut self, hold: bool) {
        self.grip.held = hold;
        self.note(if hold { "the consumer stops reading" } else { "the consumer reads again" });
    }

    fn slow_frames(&mut self, bytes_per_ms: usize) {
        self.grip.bytes_per_ms = Some(bytes_per_ms);
        self.note("the consumer is slow");
    }

    fn close_frames(&mut self) {
        // Everything that has come is delivered.
        self.read_frames();
        self.inbox.close_in_mid_frame();
        if self.partner_consumes {
            self.partner = None;
        }
        self.note("the consumer is gone");
    }

    fn wake_after(&mut self, after: Duration) {
        self.grip.wake_at_ns = Some(now_ns() + after.as_nanos() as u64);
    }

    fn signal_capturer(&mut self, signal: Signal) -> io::Result<()> {
        self.note(&format!("the capturer gets signal {}", signal.as_raw()));
        Ok(pidfd_send_signal(&self.pidfd, signal)?)
    }

    fn front(&self) -> Option<Stranger> {
        Stranger::of(self.grip.front?)
    }

    /// The workload's process. This waits for the pid file, because a runtime may write it only after the workload has
    /// begun to run.
    fn workload(&self) -> Option<Stranger> {
        if !self.grip.is_oci {
            return Stranger::of(self.grip.journal()?.pid as u32);
        }
        for _ in 0..PID_FILE_LOOKS {
            let text = fs::read_to_string(&self.grip.pid_file).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                return Stranger::of(pid);
            }
            std::thread::sleep(PID_FILE_LOOK);
        }
        None
    }

    fn file(&self, stream: Stream) -> &Path {
        &self.grip.files[stream.index()]
    }

    fn keep_file(&mut self, stream: Stream, file: File) {
        self.grip.kept[stream.index()] = Some(file);
    }

    fn made(&mut self, path: PathBuf) {
        self.grip.made.push(path);
    }

    fn delivered(&self) -> &[Delivered] {
        &self.inbox.deliveries
    }

    fn accepted(&self, stream: Stream) -> u64 {
        let journal = self.grip.journal().unwrap_or_default();
        journal.writes.iter().filter(|write| write.stream == stream).map(|write| write.accepted).sum()
    }

    fn note(&mut self, what: &str) {
        self.grip.notes.push((now_ns(), what.to_owned()));
    }
}
