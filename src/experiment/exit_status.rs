//! Every way for a container to end: is it reported as it was?

use super::{Case, Experiment, Size};
use crate::bundle::Flaw;
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

/// Codes that mean something to somebody: success, failure, usage, plain numbers, timeout(1) and env(1), 128 + n, the largest.
const CODES: [u8; 13] = [0, 1, 2, 7, 42, 77, 125, 126, 127, 128, 137, 143, 255];

/// Those that only say once more what others do.
const FULL_ONLY: [u8; 7] = [2, 42, 77, 125, 128, 137, 143];

/// Signals by the names that the cases have.
pub(super) const SIGNALS: [(&str, i32); 5] = [
    ("term", libc::SIGTERM),
    ("kill", libc::SIGKILL),
    ("segv", libc::SIGSEGV),
    ("abrt", libc::SIGABRT),
    ("int", libc::SIGINT),
];

pub(super) static EXIT_STATUS: Experiment = Experiment {
    name: "exit-status",
    question: "Is the exit code, the signal, or the runtime's own failure reported as it was?",
    sources: &["spike: finding 4, Get exit code", "podman#3936", "podman#7814", "nextest#1891"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let codes = CODES.map(|code| Case {
            full_only: FULL_ONLY.contains(&code),
            ..Case::new(format!("code-{code}"), script(size, End::Exit(code)))
        });
        // Without a pid namespace: the init of one cannot die of a signal that it sends itself.
        let signals = SIGNALS.map(|(name, number)| Case {
            pid_namespace: false,
            full_only: is_full_only(number),
            ..Case::new(format!("signal-{name}"), script(size, End::Signal(number)))
        });
        let flaws = [
            ("missing-config", Flaw::MissingConfig),
            ("invalid-json", Flaw::InvalidJson),
            ("missing-rootfs", Flaw::MissingRootfs),
            ("executable-not-found", Flaw::ExecutableNotFound),
        ];
        let flaws = flaws.map(|(name, flaw)| Case { flaw, ..Case::new(name, script(size, End::Exit(0))) });
        codes.into_iter().chain(signals).chain(flaws).collect()
    },
};

/// Whether another signal says the same: one that dumps core and one that does not are enough, beside SIGKILL.
pub(super) fn is_full_only(signal: i32) -> bool {
    matches!(signal, libc::SIGABRT | libc::SIGINT)
}

/// One line on each stream, and the end.
pub(super) fn script(size: Size, end: End) -> Script {
    Script::new(size.seed, end).then(Step::Lines(Lines::fast(&Stream::BOTH, 2, 100)))
}
