//! One capture while it runs: its command, its sources, and when it is to be looked at.

use super::source::{Output, Source};
use super::{Begun, CaptureId};
use crate::clock::now_ns;
use crate::command::CaptureError;
use crate::outcome::{Exit, Outcome};
use crate::sink::Sink;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};

pub(super) struct UnderWay<'s> {
    pub(super) process: Option<Pid>,
    pub(super) pidfd: Option<OwnedFd>,
    /// How the command ended, and when the reactor learned of it; or why nobody could wait for it.
    pub(super) exit: Option<Result<(Exit, u64), Errno>>,
    pub(super) sources: Vec<Option<Box<dyn Source>>>,
    /// For each source whether its outlet is waited for in place of its ports.
    pub(super) full: Vec<bool>,
    /// The watches of its files, each with the number of its source.
    pub(super) watches: Vec<(i32, usize)>,
    pub(super) output: Output<'s>,
    pub(super) at_end: Option<Box<dyn FnOnce() + Send>>,
    /// When streams that something still holds are no longer read.
    pub(super) drain_at_ns: Option<u64>,
    pub(super) kill_at_ns: Option<u64>,
    /// When all sources are looked at, although nobody has told of anything.
    pub(super) again_at_ns: Option<u64>,
    /// The time of the entry in the heap of the reactor that counts for this capture.
    pub(super) armed_ns: Option<u64>,
}

impl<'s> UnderWay<'s> {
    pub(super) fn new(id: CaptureId, begun: Begun, sink: Box<dyn Sink + 's>) -> UnderWay<'s> {
        UnderWay {
            process: begun.process,
            pidfd: None,
            exit: None,
            full: vec![false; begun.sources.len()],
            sources: begun.sources.into_iter().map(Some).collect(),
            watches: Vec::new(),
            output: Output::new(id, sink, begun.framers),
            at_end: begun.at_end,
            drain_at_ns: None,
            kill_at_ns: None,
            // All sources are looked at once at the start. Nobody tells of what was there before it was watched, nor of
            // the end of a capture that has nothing to wait for.
            again_at_ns: Some(0),
            armed_ns: None,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        let waited = self.exit.is_some() || self.process.is_none();
        waited && self.sources.iter().all(Option::is_none)
    }

    pub(super) fn wake_at_ns(&self) -> Option<u64> {
        let times = [self.output.quiet_at_ns(), self.drain_at_ns, self.kill_at_ns, self.again_at_ns];
        times.into_iter().flatten().min()
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pidfd) = &self.pidfd {
            let _already_gone = pidfd_send_signal(pidfd, signal);
        }
    }

    pub(super) fn act_at_end(&mut self) {
        if let Some(at_end) = self.at_end.take() {
            at_end();
        }
    }

    pub(super) fn outcome(mut self: Box<Self>) -> Result<Outcome, CaptureError> {
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
