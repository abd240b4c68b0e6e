//! The phases of a run, and the hook by which a test stops the harness in one of them.
//!
//! What a killed run leaves behind depends on its phase. With `CRUN_CAPTURE_AT=PHASE:stop` the harness raises SIGSTOP
//! when it first reaches that phase. The process that waits for it (waitpid(2), WUNTRACED) can then kill it exactly
//! there. With `PHASE:panic` the harness panics there.

use rustix::process::{Signal, getpid, kill_process};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// A phase of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The scratch directories exist and are locked. They are still empty.
    Scratch,
    /// A container that only tests a runtime has run. It is not cleared away yet.
    Probe,
    /// The root file system exists.
    Rootfs,
    /// The directories and the bundle of a cell exist. Nothing has been started yet.
    Prepared,
    /// A capturer was started.
    Started,
    /// A capturer has delivered something, and still runs.
    Delivering,
    /// A capturer has ended, or its deadline came.
    Ended,
    /// The capturer and the container of a cell were taken down.
    TakenDown,
    /// The harness has searched for everything that was left of a cell. The cell's directories still exist.
    Cleared,
    /// A recording is on disk.
    Recorded,
    /// All cells were run. The scratch directories still exist.
    Closing,
}

impl Phase {
    /// All phases, in the order in which a run reaches them.
    pub const ALL: [Phase; 11] = [
        Phase::Scratch,
        Phase::Probe,
        Phase::Rootfs,
        Phase::Prepared,
        Phase::Started,
        Phase::Delivering,
        Phase::Ended,
        Phase::TakenDown,
        Phase::Cleared,
        Phase::Recorded,
        Phase::Closing,
    ];

    /// The phase's name, such as `taken-down`.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Scratch => "scratch",
            Phase::Probe => "probe",
            Phase::Rootfs => "rootfs",
            Phase::Prepared => "prepared",
            Phase::Started => "started",
            Phase::Delivering => "delivering",
            Phase::Ended => "ended",
            Phase::TakenDown => "taken-down",
            Phase::Cleared => "cleared",
            Phase::Recorded => "recorded",
            Phase::Closing => "closing",
        }
    }
}

/// The environment variable that selects a phase and an action: `PHASE:stop` or `PHASE:panic`.
pub const AT: &str = "CRUN_CAPTURE_AT";

/// The selected phase and action. None unless a test sets the variable.
static WANTED: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
    let wanted = std::env::var(AT).ok()?;
    wanted.split_once(':').map(|(phase, what)| (phase.to_owned(), what.to_owned()))
});

static DONE: AtomicBool = AtomicBool::new(false);

/// Records that the run has reached `phase`. Blocks while a test keeps the process stopped.
///
/// # Panics
/// When a test asks for it.
pub fn reached(phase: Phase) {
    let Some((_, what)) = WANTED.as_ref().filter(|(name, _)| name == phase.name()) else { return };
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    assert!(what != "panic", "asked to panic at {}", phase.name());
    // A process may always send itself a signal.
    let _stopped = kill_process(getpid(), Signal::STOP);
}
