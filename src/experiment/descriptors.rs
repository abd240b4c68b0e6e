//! Descriptors in odd states: the capturer's own, and those that it hands to the program.

use super::stimulus::{FEW_DESCRIPTORS, OWN_STDERR_DEAD, STDIN_CLOSED, STDOUT_CLOSED};
use super::{Case, Experiment};
use crate::script::{End, Lines, Script, Step};
use crate::strategy::Capability;
use crun_capture_reactor::Stream;

pub(super) static DESCRIPTORS: Experiment = Experiment {
    name: "descriptors",
    question: "Does the capture work when descriptors are closed, few, non-blocking, reopened or exchanged?",
    sources: &[
        "bun#33560",
        "curl#3239",
        "corefx#23539",
        "nomad#5593",
        "nomad#5598",
        "nomad#27815",
        "moby#7087",
        "moby#6880",
        "unix(7), EMSGSIZE",
    ],
    measures_time: false,
    quick: true,
    cases: |size| {
        let some = || Step::Lines(Lines::fast(&Stream::BOTH, 40, 100));
        let script = || Script::new(size.seed, End::Exit(0));
        let plain = || script().then(some());
        let reopened = plain()
            .then(Step::Reopen { stream: Stream::Stdout })
            .then(Step::Reopen { stream: Stream::Stderr })
            .then(some());
        // 41,943 lines of 100 bytes are one write of 4 MiB. A capturer that syncs each line gets longer lines.
        let (count, length) = if size.syncs_each_line { (84, 49_931) } else { (41_943, 99) };
        let large = Lines { per_write: count, ..Lines::fast(&[Stream::Stdout], count, length) };
        // More than a small pipe takes at a time. The program drops the lines that the kernel refuses, always whole
        // lines, so no capturer has lost them.
        let full = script()
            .then(Step::PipeSize { stream: Stream::Stdout, bytes: 4_096 })
            .then(Step::Nonblock { stream: Stream::Stdout })
            .then(Step::Lines(Lines::fast(&[Stream::Stdout], 2_000, 100)));
        vec![
            Case::new("stdin-closed", plain()).under(&STDIN_CLOSED),
            Case::new("stdout-closed", plain()).under(&STDOUT_CLOSED),
            Case::new("own-stderr-dead", plain()).under(&OWN_STDERR_DEAD),
            Case::new("few", plain()).under(&FEW_DESCRIPTORS),
            Case::new("blocking", plain().then(Step::RequireBlocking)),
            Case { forced_errors: &[libc::EAGAIN], ..Case::new("non-blocking", full) },
            Case::new("reopened", reopened).tries(Capability::Reopen),
            Case::new("write-4-mib", script().then(Step::Lines(large))).tries(Capability::AnyWrite),
            Case::new("exchanged", plain().then(Step::Exchange).then(some())),
        ]
    },
};
