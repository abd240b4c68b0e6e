//! A signal in mid-stream: to the capturer, to the runtime's front process or to the workload.

use super::super::Conditions;
use super::{Cue, GATE, Hands, Stimulus};
use crate::finding::Finding;
use crate::strategy::{Capabilities, Capability, Needs};
use rustix::process::Signal;
use std::io;

/// The process that gets the signal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    Capturer,
    Front,
    Workload,
}

/// One signal to one of these processes.
pub(crate) struct Sent {
    name: &'static str,
    summary: &'static str,
    whom: Whom,
    signal: Signal,
    code: Option<i32>,
}

pub(crate) static CAPTURER_KILLED: Sent = Sent {
    name: "capturer-killed",
    summary: "the capturer gets SIGKILL in mid-stream",
    whom: Whom::Capturer,
    signal: Signal::KILL,
    code: None,
};

pub(crate) static CAPTURER_TERMINATED: Sent = Sent {
    name: "capturer-terminated",
    summary: "the capturer gets SIGTERM in mid-stream",
    whom: Whom::Capturer,
    signal: Signal::TERM,
    code: None,
};

/// Only the front process is gone, and the container lives on. The process that the capturer started was killed, so the
/// capturer reports that.
pub(crate) static FRONT_KILLED: Sent = Sent {
    name: "front-killed",
    summary: "the runtime's front process gets SIGKILL in mid-stream, and the container lives on",
    whom: Whom::Front,
    signal: Signal::KILL,
    code: Some(137),
};

pub(crate) static FRONT_TERMINATED: Sent = Sent {
    name: "front-terminated",
    summary: "the runtime's front process gets SIGTERM in mid-stream, and passes it on",
    whom: Whom::Front,
    signal: Signal::TERM,
    code: None,
};

pub(crate) static WORKLOAD_KILLED: Sent = Sent {
    name: "workload-killed",
    summary: "the container's init gets SIGKILL in mid-stream",
    whom: Whom::Workload,
    signal: Signal::KILL,
    code: Some(137),
};

pub(crate) static WORKLOAD_TERMINATED: Sent = Sent {
    name: "workload-terminated",
    summary: "the container's init gets SIGTERM in mid-stream",
    whom: Whom::Workload,
    signal: Signal::TERM,
    code: None,
};

impl Stimulus for Sent {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    /// A capturer that is gone reports and delivers nothing, and nobody cares for its containers. A capturer that
    /// declares that the workload survives it, and writes files, also declares that the files are whole.
    fn excuses(&self, declares: Capabilities) -> &'static [Finding] {
        const OF_THE_DEAD: &[Finding] = &[
            Finding::LostBytes,
            Finding::AlteredLines,
            Finding::ForeignLines,
            Finding::DeliveredBeforeExitFraction,
            Finding::ToldWrongBytes,
            Finding::FalseAlarm,
            Finding::ExitReported,
            Finding::LeftBehind,
            Finding::RuntimeError,
            Finding::ProtocolError,
            Finding::FileLossTold,
            Finding::FileLostBytes,
            Finding::FileAlteredLines,
        ];
        match self.whom {
            Whom::Capturer if declares.has(Capability::SurvivesDeath) => &OF_THE_DEAD[..OF_THE_DEAD.len() - 2],
            Whom::Capturer => OF_THE_DEAD,
            // The container outlives what the capturer waits for.
            Whom::Front if self.signal == Signal::KILL => &[Finding::LeftBehind, Finding::DeliveredBeforeExitFraction],
            Whom::Front | Whom::Workload => &[],
        }
    }

    /// The reader of a pipe dies with the capturer.
    fn forced_errors(&self, _needs: Needs) -> &'static [i32] {
        if self.whom == Whom::Capturer { &[libc::EPIPE] } else { &[] }
    }

    fn unsupported(&self, conditions: Conditions, _declares: Capabilities) -> Option<String> {
        if self.whom != Whom::Front {
            return None;
        }
        let reason = match (conditions.is_oci(), conditions.detached) {
            (false, _) => "without a runtime there is no front process",
            (true, true) => {
                "a container that is detached, or created for a terminal, has no front process of the runtime"
            }
            (true, false) => return None,
        };
        Some(reason.to_owned())
    }

    fn code(&self) -> Option<i32> {
        self.code
    }

    fn ends_capturer(&self) -> bool {
        self.whom == Whom::Capturer
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        match event {
            Cue::AtGate => {}
            Cue::CapturerEnded if self.whom == Whom::Capturer => return run.open_gate(GATE),
            _ => return Ok(()),
        }
        match self.whom {
            Whom::Capturer => run.signal_capturer(self.signal)?,
            Whom::Front => send(run.front(), self.signal, "front process")?,
            Whom::Workload => send(run.workload(), self.signal, "init of the container")?,
        }
        run.note(self.name);
        // A killed capturer must be gone before the workload writes on. A capturer that is told to end may wait for the
        // workload.
        let first_its_end = self.whom == Whom::Capturer && self.signal == Signal::KILL;
        if first_its_end { Ok(()) } else { run.open_gate(GATE) }
    }
}

fn send(whom: Option<crate::process::Stranger>, signal: Signal, what: &str) -> io::Result<()> {
    let found = whom.ok_or_else(|| io::Error::other(format!("there is no {what} to send a signal to")))?;
    found.signal(signal)
}
