//! The signals of `exit_status` inside a pid namespace, where PID 1 survives a signal that it sends to itself.

use super::exit_status::{SIGNALS, is_full_only, script};
use super::{Case, Experiment};
use crate::script::End;

pub(super) static SIGNAL_PID1: Experiment = Experiment {
    name: "signal-pid1",
    question: "How does a container's init end after it signals itself, and is that end reported?",
    sources: &["pid_namespaces(7)", "spike: finding 4, Kill process"],
    measures_time: false,
    quick: true,
    cases: |size| {
        let signals = SIGNALS.map(|(name, number)| Case {
            full_only: is_full_only(number),
            ..Case::new(name, script(size, End::Signal(number)))
        });
        signals.into_iter().chain([Case::new("abort", script(size, End::Abort))]).collect()
    },
};
