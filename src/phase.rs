//! The phases of a run, and the hook by which a test stops the harness in one of them.
//!
//! What a run leaves when it is killed depends on where it was. With `CRUN_CAPTURE_AT=PHASE:stop` the harness raises SIGSTOP
//! the first time it reaches that phase, so whoever waits for it (waitpid(2), WUNTRACED) can kill it just there; with
//! `PHASE:panic` it panics there.

use rustix::process::{Signal, getpid, kill_process};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a run can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its scratch directories are made and locked; nothing is in them.
    Scratch,
    /// A container that only tries a runtime has run; it is not cleared away.
    Probe,
    /// The root file system is there.
    Rootfs,
    /// The directories and the bundle of a cell are there; nothing has been started.
    Prepared,
    /// A capturer was started.
    Started,
    /// A capturer has delivered something, and goes on.
    Delivering,
    /// A capturer has ended, or its deadline came.
    Ended,
    /// The capturer and the container of a cell were taken down.
    TakenDown,
    /// Whatever was left of a cell was looked for; its directories are there.
    Cleared,
    /// A recording is on disk.
    Recorded,
    /// All cells were run; the scratch directories are there.
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

    /// Its name: `taken-down`.
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

/// The variable that asks for it.
pub const AT: &str = "CRUN_CAPTURE_AT";

/// What to do where; nothing, unless a test asks.
static WANTED: LazyLock<Option<(String, String)>> = LazyLock::new(|| {
    let wanted = std::env::var(AT).ok()?;
    wanted.split_once(':').map(|(phase, what)| (phase.to_owned(), what.to_owned()))
});

static DONE: AtomicBool = AtomicBool::new(false);

/// The run has come to `phase`.
///
/// # Panics
/// When a test asks for it.
pub fn reached(phase: Phase) {
    let Some((_, what)) = WANTED.as_ref().filter(|(name, _)| name == phase.name()) else { return };
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    assert!(what != "panic", "asked to panic at {}", phase.name());
    // A process may always signal itself.
    let _stopped = kill_process(getpid(), Signal::STOP);
}
