//! Every way in which a container can end: is the end reported as it was?

use super::{Case, Experiment, Size};
use crate::bundle::Flaw;
use crate::script::{End, Lines, Script, Step};
use crun_capture_reactor::Stream;

/// Exit codes with a meaning: success, failure, usage, plain numbers, those of timeout(1) and env(1), 128 + n, the
/// largest.
const CODES: [u8; 13] = [0, 1, 2, 7, 42, 77, 125, 126, 127, 128, 137, 143, 255];

/// The codes that show nothing new beside the others. `--quick` leaves them out.
const FULL_ONLY: [u8; 7] = [2, 42, 77, 125, 128, 137, 143];

/// The signals, with the names that their cases use.
pub(super) const SIGNALS: [(&str, i32); 5] = [
    ("term", libc::SIGTERM),
    ("kill", libc::SIGKILL),
    ("segv", libc::SIGSEGV),
    ("abrt", libc::SIGABRT),
    ("int", libc::SIGINT),
];

pub(super) static EXIT_STATUS: Experiment = Experiment {
    name: "exit-status",
    question: "Is the exit code, the signal or the runtime's own failure reported as it was?",
    sources: &["spike: finding 4, Get exit code", "podman#3936", "podman#7814", "nextest#1891"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let codes = CODES.map(|code| Case {
            full_only: FULL_ONLY.contains(&code),
            ..Case::new(format!("code-{code}"), script(size, End::Exit(code)))
        });
        // Without a pid namespace, because the init of one cannot die of a signal that it sends to itself.
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

/// Whether another signal shows the same. Beside SIGKILL, one signal that dumps core and one that does not are enough.
pub(super) fn is_full_only(signal: i32) -> bool {
    matches!(signal, libc::SIGABRT | libc::SIGINT)
}

/// A script that writes one line to each stream and then ends.
pub(super) fn script(size: Size, end: End) -> Script {
    Script::new(size.seed, end).then(Step::Lines(Lines::fast(&Stream::BOTH, 2, 100)))
}
