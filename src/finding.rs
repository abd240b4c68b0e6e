//! The findings: every fact that can be measured of a recording, by name; and the duties of every capturer.
//!
//! A finding that is not in this list has no name, so that rules, excuses, expectations and reports cannot misspell one.

use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What no capturer may decline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Duty {
    /// Every byte is delivered, except where nobody could and the account says so. A loss for want of a capability that the
    /// capturer does not declare counts, but breaks no duty.
    NoSilentLoss,
    /// Nothing is duplicated, changed, made up, or out of order within a stream.
    NoAlteration,
    /// The exit code or signal is the one that the runtime gave.
    RightStatus,
    /// The capture ends soon after the container, and waits without using the CPU.
    NoHang,
    /// No process, container or file stays.
    NothingLeft,
}

impl Duty {
    /// All duties.
    pub const ALL: [Duty; 5] =
        [Duty::NoSilentLoss, Duty::NoAlteration, Duty::RightStatus, Duty::NoHang, Duty::NothingLeft];

    /// Its name: `no-silent-loss`.
    pub fn name(self) -> &'static str {
        match self {
            Duty::NoSilentLoss => "no-silent-loss",
            Duty::NoAlteration => "no-alteration",
            Duty::RightStatus => "right-status",
            Duty::NoHang => "no-hang",
            Duty::NothingLeft => "nothing-left",
        }
    }

    /// What it asks, in one line.
    pub fn summary(self) -> &'static str {
        match self {
            Duty::NoSilentLoss => {
                "every byte is delivered; where nobody could deliver it, the capturer's account says so"
            }
            Duty::NoAlteration => "nothing is duplicated, changed, made up, or out of order within a stream",
            Duty::RightStatus => "the exit code or signal is the one that the runtime gave",
            Duty::NoHang => "the capture ends soon after the container, and waits without using the CPU",
            Duty::NothingLeft => "no process, container or file stays",
        }
    }
}

/// The unit of a finding's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A number of bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// A number of lines.
    Lines,
    /// A number of something else, which the sentence names.
    Count,
    /// Nanoseconds.
    Ns,
    /// A distribution of nanoseconds: p50, p90, p99, p99.9 and the largest.
    NsQuantiles,
    /// A fraction from 0 to 1.
    Fraction,
    /// An exit code, as a shell has it.
    ExitCode,
    /// A signal's number.
    Signal,
    /// True or false.
    YesNo,
    /// Words.
    Text,
}

impl Unit {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "bytes/s",
            Unit::Lines => "line count",
            Unit::Count => "count",
            Unit::Ns => "ns",
            Unit::NsQuantiles => "ns quantiles",
            Unit::Fraction => "fraction",
            Unit::ExitCode => "exit code",
            Unit::Signal => "signal",
            Unit::YesNo => "yes/no",
            Unit::Text => "text",
        }
    }
}

/// What a finding is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A duty.
    Duty(Duty),
    /// This capability, of capturers that declare it.
    Capability(Capability),
    /// The cell itself: a cell in which it is wrong shows nothing.
    Cell,
    /// Nothing: it is measured and reported.
    Report,
}

/// What is known of a finding.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Which.
    pub finding: Finding,
    /// Its unit.
    pub unit: Unit,
    /// What it is held against.
    pub about: About,
    /// What it says, in one plain sentence.
    pub sentence: &'static str,
}

/// Declares the findings once: variant, name in JSON, unit, what it is held against, sentence.
macro_rules! findings {
    ($($variant:ident $name:literal, $unit:ident, $about:expr, $sentence:literal;)*) => {
        /// One fact that can be measured of a recording. Its name is that of the field in `findings` in JSON.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Finding {
            $(#[doc = $sentence] #[serde(rename = $name)] $variant,)*
        }

        impl Finding {
            /// All findings.
            pub const ALL: &[Finding] = &[$(Finding::$variant),*];

            /// Its name in JSON: `lost_bytes`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Finding::$variant => $name,)*
                }
            }

            /// What is known of it.
            pub fn description(self) -> Description {
                match self {
                    $(Finding::$variant => Description {
                        finding: self,
                        unit: Unit::$unit,
                        about: $about,
                        sentence: $sentence,
                    },)*
                }
            }
        }
    };
}

use About::{Cell, Report};
use Capability::{Apart, BoundedMemory, ExactBytes, FreeFlow, Live, Order, Prompts, SurvivesDeath};
use Duty::{NoAlteration, NoHang, NoSilentLoss, NothingLeft, RightStatus};

/// Held against a duty.
const fn duty(duty: Duty) -> About {
    About::Duty(duty)
}

/// Held against a declared capability.
const fn of(capability: Capability) -> About {
    About::Capability(capability)
}

findings! {
    AcceptedLines "accepted_lines", Lines, Report, "Lines that the kernel accepted as a whole: what a capturer had to deliver.";
    Deliveries "deliveries", Count, duty(NoAlteration), "The number of deliveries; a capturer that delivers nearly every byte apart delivers neither lines nor pieces of lines.";
    DeliveredBytes "delivered_bytes", Bytes, Report, "Bytes that were delivered, terminators included.";
    LostBytes "lost_bytes", Bytes, duty(NoSilentLoss), "Bytes that the kernel accepted and that were not delivered.";
    LostLines "lost_lines", Lines, Report, "Lines that the kernel accepted as a whole and that were not delivered.";
    RefusedBytes "refused_bytes", Bytes, duty(NoSilentLoss), "Bytes that the program wrote and that were refused, although a pipe would have taken them.";
    RefusedLines "refused_lines", Lines, Report, "Lines that were refused, at least in part, although a pipe would have taken them.";
    ToldLostBytes "told_lost_bytes", Bytes, Report, "Bytes that the capturer's account says were lost.";
    ToldWrongBytes "told_wrong_bytes", Bytes, duty(NoSilentLoss), "How far the account's figures of lost bytes are from what was lost.";
    FalseAlarm "false_alarm", YesNo, duty(NoSilentLoss), "Whether the account says that output was lost, although none was.";
    DuplicatedLines "duplicated_lines", Lines, duty(NoAlteration), "Deliveries of a line after its first.";
    AlteredLines "altered_lines", Lines, duty(NoAlteration), "Lines that were delivered with other bytes than were written.";
    ForeignLines "foreign_lines", Lines, duty(NoAlteration), "Deliveries that the program did not write.";
    WrongEndings "wrong_endings", Lines, of(ExactBytes), "Lines whose final line feed was made up or left out.";
    FileLostBytes "file_lost_bytes", Bytes, of(Capability::File), "Bytes that are missing from the files.";
    FileLostLines "file_lost_lines", Lines, Report, "Lines that are missing from the files.";
    FileDuplicatedLines "file_duplicated_lines", Lines, of(Capability::File), "Lines that stand in the files more than once.";
    FileAlteredLines "file_altered_lines", Lines, of(Capability::File), "Lines that stand in the files with other bytes than were written.";
    MisattributedLines "misattributed_lines", Lines, duty(NoAlteration), "Lines that were delivered as those of the other stream.";
    UnattributedLines "unattributed_lines", Lines, of(Apart), "Lines that were delivered without their stream.";
    AttributedStreams "attributed_streams", Count, Report, "Of how many streams lines were delivered with their stream.";
    StreamInversions "stream_inversions", Lines, duty(NoAlteration), "Lines that arrived before an earlier line of the same stream.";
    CrossInversionRate "cross_inversion_rate", Fraction, of(Order), "How many of the neighbouring lines on different streams arrived swapped.";
    LatencyNs "latency_ns", NsQuantiles, Report, "The time from the write of a line to its arrival at the harness.";
    SelfLatencyNs "self_latency_ns", NsQuantiles, Report, "The same time by the capturer's own stamps.";
    ImpossibleStamps "impossible_stamps", Count, duty(NoAlteration), "The capturer's own stamps that cannot be: before the line's write, or after its arrival.";
    DueLatencyNs "due_latency_ns", NsQuantiles, Report, "The time from when a line was due to its arrival.";
    FirstDeliveryNs "first_delivery_ns", Ns, Report, "The time from the first write to the first delivery.";
    DeliveredBeforeExitFraction "delivered_before_exit_fraction", Fraction, of(Live), "How much was delivered before the program ended.";
    LiveFraction "live_fraction", Fraction, Report, "How much was delivered before the program ended, or within 20 ms of its write.";
    ExitExpected "exit_expected", ExitCode, Report, "What the capturer had to exit with.";
    ExitReported "exit_reported", ExitCode, duty(RightStatus), "What the capturer exited with.";
    Signal "signal", Signal, Report, "The signal that the capturer reported.";
    RuntimeError "runtime_error", Text, Cell, "What the runtime's own log says went wrong.";
    RuntimeErrorExpected "runtime_error_expected", YesNo, Report, "Whether the runtime had to fail.";
    WallNs "wall_ns", Ns, Report, "The time from the start of the capturer to its end.";
    ExitLatencyNs "exit_latency_ns", Ns, duty(NoHang), "The time from the end of the program to the end of the capturer.";
    DrainLatencyNs "drain_latency_ns", Ns, Report, "The time from the end of the program to the last delivery.";
    Truncated "truncated", YesNo, Report, "Whether the capturer says that it did not deliver everything.";
    DeadlineHit "deadline_hit", YesNo, duty(NoHang), "Whether the capturer still ran at the deadline.";
    PidsLimit "pids_limit", Text, Report, "What limited the number of processes in the container.";
    LeftBehind "left_behind", Count, duty(NothingLeft), "Processes, containers and files that were still there after the capture.";
    LeftBehindWhat "left_behind_what", Text, Report, "What was left behind, in words.";
    ProtocolError "protocol_error", Text, Cell, "What was wrong with the capturer's frames or files.";
    WorkloadStarted "workload_started", YesNo, Cell, "Whether the program started.";
    WorkloadWrites "workload_writes", Count, Report, "The number of write(2) calls of the program.";
    WorkloadWritingNs "workload_writing_ns", Ns, Report, "The time from the program's first write to its last.";
    WorkloadStalledNs "workload_stalled_ns", Ns, of(FreeFlow), "How long the program was blocked in write(2).";
    WorkloadSurvived "workload_survived", YesNo, of(SurvivesDeath), "Whether the program ran to its end, although something was done to its run.";
    BackgroundLines "background_lines", Lines, Report, "Lines of a child that wrote on in the background.";
    PromptHeld "prompt_held", YesNo, of(Prompts), "Whether an unterminated prompt was held back.";
    HeldLines "held_lines", Lines, of(Live), "Lines that did not arrive while the program waited for them to arrive.";
    FileLossTold "file_loss_told", YesNo, duty(NoSilentLoss), "Whether the capturer's account tells of what is wrong with its files.";
    FileOwnerChanged "file_owner_changed", YesNo, of(Capability::File), "Whether a file belongs to somebody else than who runs the capturer, or has lost the owner, group or mode that it had.";
    FileOwner "file_owner", Text, Report, "Owner, group and mode of the first file.";
    CapturerCpuNs "capturer_cpu_ns", Ns, Report, "CPU time of the capturer and its helpers, from its start.";
    WaitedNs "waited_ns", Ns, Report, "The longest time in which the capturer had nothing to do.";
    WaitedCpuNs "waited_cpu_ns", Ns, duty(NoHang), "CPU time that the capturer used while it had nothing to do; much of it is a busy loop.";
    DiagnosticsBytes "diagnostics_bytes", Bytes, Cell, "How much the capturer wrote to its own stdout and stderr.";
    MachineBusy "machine_busy", Text, Report, "What the machine did to the cell, if that may explain a failure.";
    MachineLateNs "machine_late_ns", Ns, Report, "How late the harness's own pulse was on a busy machine.";
    StimulusError "stimulus_error", Text, Cell, "Why what had to be done to the run could not be done.";
    ThroughputBytesPerS "throughput_bytes_per_s", BytesPerSecond, Report, "Output a second, from the first write to the end of the capturer.";
    CpuUserNs "cpu_user_ns", Ns, Report, "CPU time in user mode by the capturer's own account.";
    CpuSystemNs "cpu_system_ns", Ns, Report, "CPU time in the kernel by the capturer's own account.";
    MaxRssBytes "max_rss_bytes", Bytes, Report, "The peak resident memory of the capturer and its helpers, seen from outside.";
    MemoryGrowthBytes "memory_growth_bytes", Bytes, of(BoundedMemory), "How much the memory that no file backs grew while the program wrote the larger part of its output.";
    Threads "threads", Count, Report, "The capturer's threads when the program ended.";
    Syscalls "syscalls", Count, Report, "The capturer's read and write system calls.";
}

impl Finding {
    /// The finding of this name; None: there is none.
    pub fn of_name(name: &str) -> Option<Finding> {
        Finding::ALL.iter().copied().find(|finding| finding.name() == name)
    }

    /// Whether a capturer that breaks it breaks a duty.
    pub fn is_duty(self) -> bool {
        matches!(self.description().about, About::Duty(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// `lost_bytes, altered_lines`.
pub fn names(findings: &[Finding]) -> String {
    findings.iter().map(|finding| finding.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_ones_of_json_and_each_stands_once() {
        let mut names: Vec<&str> = Finding::ALL.iter().map(|finding| finding.name()).collect();
        for &finding in Finding::ALL {
            assert_eq!(serde_json::to_value(finding).unwrap(), finding.name());
            assert_eq!(Finding::of_name(finding.name()), Some(finding));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Finding::ALL.len());
        assert_eq!(Finding::of_name("lost"), None);
    }

    #[test]
    fn every_duty_can_be_broken_and_every_sentence_is_one() {
        for duty in Duty::ALL {
            let of_it = |finding: &&Finding| finding.description().about == About::Duty(duty);
            assert!(Finding::ALL.iter().any(|finding| of_it(&finding)), "{}", duty.name());
        }
        let sentences = Finding::ALL.iter().map(|finding| finding.description().sentence);
        assert!(sentences.clone().all(|sentence| sentence.ends_with('.') && sentence.starts_with(char::is_uppercase)));
    }
}
