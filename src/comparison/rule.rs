//! The rules: when a finding breaks a duty or a declared capability.

use crate::analysis::{DRAIN_NS, END_NS, Findings, LIVE_MIN, MEMORY_GROWTH_MAX_BYTES, STALLED_NS};
use crate::finding::Finding;
use crate::recording::{CapturerInfo, Planned};
use crate::strategy::Capability;

/// The messages of a capturer on its own streams are for people, and stay below this size.
const DIAGNOSTICS_MAX_BYTES: u64 = 64 << 10;

/// This many deliveries with fewer than `RECORD_MIN_BYTES` bytes each are neither lines nor pieces of lines.
const DELIVERIES_MIN: u64 = 200;
const RECORD_MIN_BYTES: u64 = 4;

/// The data that a rule looks at.
pub(super) struct Subject<'a> {
    findings: &'a Findings,
    capturer: &'a CapturerInfo,
    planned: &'a Planned,
}

impl Subject<'_> {
    fn declares(&self, capability: Capability) -> bool {
        self.capturer.declares.contains(&capability)
    }

    /// Whether the case tries this capability, and the capturer declares it.
    fn must(&self, capability: Capability) -> bool {
        self.declares(capability) && self.planned.tries.contains(&capability)
    }

    fn file(&self, count: Option<u64>) -> bool {
        self.declares(Capability::File) && count.is_some_and(|count| count > 0)
    }

    /// Whether the capturer ended by itself. At the deadline it is killed, so it has no status and no last frame that
    /// could be wrong.
    fn ended(&self) -> bool {
        !self.findings.deadline_hit
    }

    /// Whether the capturer refused or failed to start, and may do so: its exit code says so, and nothing has run.
    fn refused(&self) -> bool {
        let may = self.planned.expected.as_ref().is_ok_and(|expected| expected.may_be_refused);
        let says = self.findings.exit_reported.is_some_and(|code| code != 0);
        may && says && self.findings.workload_started == Some(false)
    }

    /// Whether output was lost that nobody could keep here, and the account says so.
    fn told_of_forced_loss(&self) -> bool {
        let told = self.findings.truncated || self.findings.told_lost_bytes.is_some_and(|bytes| bytes > 0);
        self.planned.forces_loss && self.findings.lost_bytes > 0 && told
    }

    /// The capabilities that the case tries, that the capturer does not declare, and for want of which something of this
    /// is broken.
    fn cannot(&self, broken: &[Finding]) -> Vec<Capability> {
        let lacks = |one: &&Capability| {
            let wanting = || broken.iter().any(|finding| covers(**one).contains(finding));
            !self.declares(**one) && wanting() && shows(**one, self.findings) == Some(false)
        };
        self.planned.tries.iter().filter(lacks).copied().collect()
    }
}

/// A finding, and when it breaks something.
type Rule = (Finding, fn(&Subject<'_>) -> bool);

/// All rules: duties first, in the order of their weight, then declared capabilities.
pub(super) const RULES: [Rule; 35] = [
    // The stimulus failed, so the case was not tried.
    (Finding::StimulusError, |it| it.findings.stimulus_error.is_some()),
    (Finding::DeadlineHit, |it| it.findings.deadline_hit),
    // A program that never ran lost nothing, and proves nothing.
    (Finding::WorkloadStarted, |it| it.findings.workload_started == Some(false) && !it.refused()),
    // Only force excuses a loss. To tell of it is not enough.
    (Finding::LostBytes, |it| it.findings.lost_bytes > 0 && !it.told_of_forced_loss()),
    // What the capturer's own channel refuses is lost as surely as what it takes and drops.
    (Finding::RefusedBytes, |it| it.findings.refused_bytes > 0),
    (Finding::ToldWrongBytes, |it| it.ended() && it.findings.told_wrong_bytes.is_some_and(|bytes| bytes > 0)),
    (Finding::FalseAlarm, |it| it.ended() && it.findings.false_alarm),
    (Finding::DuplicatedLines, |it| it.findings.duplicated_lines > 0),
    (Finding::AlteredLines, |it| it.findings.altered_lines > 0),
    // If the runtime itself failed, its messages on stderr are not the capturer's fault.
    (Finding::ForeignLines, |it| it.findings.foreign_lines > 0 && it.findings.runtime_error.is_none()),
    (Finding::MisattributedLines, |it| it.findings.misattributed_lines > 0),
    (Finding::ImpossibleStamps, |it| it.findings.impossible_stamps > 0),
    (Finding::StreamInversions, |it| it.findings.stream_inversions > 0),
    (Finding::ExitReported, |it| {
        it.ended() && it.findings.exit_reported != Some(it.findings.exit_expected) && !it.refused()
    }),
    (Finding::RuntimeError, |it| {
        it.ended() && it.findings.runtime_error.is_some() != it.findings.runtime_error_expected && !it.refused()
    }),
    (Finding::LeftBehind, |it| it.findings.left_behind > 0),
    (Finding::ProtocolError, |it| it.ended() && it.findings.protocol_error.is_some()),
    // If a declared file is missing, everything in it is lost.
    (Finding::FileLostBytes, |it| {
        let missing = it.findings.file_lost_bytes.is_none() && it.findings.workload_started == Some(true);
        it.file(it.findings.file_lost_bytes) || it.declares(Capability::File) && missing
    }),
    (Finding::FileDuplicatedLines, |it| it.file(it.findings.file_duplicated_lines)),
    (Finding::FileAlteredLines, |it| it.file(it.findings.file_altered_lines)),
    // If nobody could keep the file whole, the capturer must report it.
    (Finding::FileLossTold, |it| {
        let could_not = it.planned.excused.contains(&Finding::FileLostBytes);
        let harms_files = could_not && it.planned.excused.contains(&Finding::FileAlteredLines);
        it.declares(Capability::File) && harms_files && it.ended() && it.findings.file_loss_told == Some(false)
    }),
    (Finding::FileOwnerChanged, |it| it.declares(Capability::File) && it.findings.file_owner_changed == Some(true)),
    (Finding::DiagnosticsBytes, |it| it.findings.diagnostics_bytes >= DIAGNOSTICS_MAX_BYTES),
    (Finding::WaitedCpuNs, |it| {
        let (waited, cpu) = (it.findings.waited_ns, it.findings.waited_cpu_ns);
        // On a busy machine a busy loop gets only its share of the CPUs. Whoever waits in the kernel uses nothing.
        waited.zip(cpu).is_some_and(|(waited_ns, cpu_ns)| cpu_ns > waited_ns / 10)
    }),
    (Finding::DeliveredBeforeExitFraction, |it| {
        // The program may end right after its last lines, and need not wait for them.
        let live = it.findings.live_fraction.or(it.findings.delivered_before_exit_fraction);
        let late = live.is_some_and(|fraction| fraction < LIVE_MIN);
        it.declares(Capability::Live) && it.planned.paced && late
    }),
    (Finding::HeldLines, |it| it.must(Capability::Live) && !it.findings.is_live() && it.findings.held_lines.is_some()),
    (Finding::PromptHeld, |it| it.must(Capability::Prompts) && it.findings.prompt_held == Some(true)),
    (Finding::UnattributedLines, |it| it.declares(Capability::Apart) && it.findings.unattributed_lines > 0),
    (Finding::CrossInversionRate, |it| {
        it.declares(Capability::Order) && it.findings.cross_inversion_rate.is_some_and(|rate| rate > 0.0)
    }),
    (Finding::WrongEndings, |it| it.declares(Capability::ExactBytes) && it.findings.wrong_endings > 0),
    // The capturer must end soon after the exit; if something holds the streams, within the drain deadline. If that is a
    // grandchild, it is a capability.
    (Finding::ExitLatencyNs, |it| {
        let late = it.findings.exit_latency_ns.is_some_and(|latency_ns| latency_ns > END_NS);
        it.ended() && (!is_prompt(it.findings) || late && !it.planned.drains)
    }),
    // One delivery per byte or so.
    (Finding::Deliveries, |it| {
        let found = it.findings;
        let many = found.deliveries >= DELIVERIES_MIN.max(4 * found.accepted_lines);
        many && found.delivered_bytes / found.deliveries < RECORD_MIN_BYTES
    }),
    (Finding::WorkloadStalledNs, |it| it.must(Capability::FreeFlow) && !is_free(it.findings)),
    (Finding::WorkloadSurvived, |it| {
        it.must(Capability::SurvivesDeath) && it.findings.workload_survived == Some(false)
    }),
    (Finding::MemoryGrowthBytes, |it| it.must(Capability::BoundedMemory) && !is_bounded(it.findings)),
];

fn is_prompt(found: &Findings) -> bool {
    !found.deadline_hit && found.exit_latency_ns.is_none_or(|latency_ns| latency_ns <= DRAIN_NS)
}

fn is_free(found: &Findings) -> bool {
    !found.deadline_hit && found.workload_stalled_ns.is_none_or(|stalled_ns| stalled_ns < STALLED_NS)
}

fn is_bounded(found: &Findings) -> bool {
    found.memory_growth_bytes.is_none_or(|bytes| bytes <= MEMORY_GROWTH_MAX_BYTES)
}

/// What the rules say about one cell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ruled {
    /// The findings that break something.
    pub(super) broken: Vec<Finding>,
    /// The findings that would break something if the case did not excuse them.
    pub(super) excused: Vec<Finding>,
    /// The capabilities that the case tries, that the capturer neither declares nor has, and for want of which output was
    /// lost or refused.
    pub(super) cannot: Vec<Capability>,
    /// Whether output was lost that nobody could keep here, and the account says so.
    pub(super) told: bool,
}

/// Holds the findings of one cell against the rules.
pub(super) fn judge(findings: &Findings, capturer: &CapturerInfo, planned: &Planned) -> Ruled {
    let subject = Subject { findings, capturer, planned };
    let all = RULES.iter().filter(|(_, breaks)| breaks(&subject)).map(|(finding, _)| *finding);
    let (excused, broken): (Vec<Finding>, Vec<Finding>) = all.partition(|one| planned.excused.contains(one));
    let cannot = subject.cannot(&broken);
    let covered = |finding: &Finding| cannot.iter().any(|&capability| covers(capability).contains(finding));
    let broken: Vec<Finding> = broken.into_iter().filter(|finding| !covered(finding)).collect();
    let file_told = excused.contains(&Finding::FileLostBytes) && findings.file_loss_told == Some(true);
    Ruled { broken, excused, cannot, told: subject.told_of_forced_loss() || file_told }
}

/// What belongs to a capability: these findings say nothing more against a capturer that does not declare it, in a case
/// that tries it and that shows that the capturer does not have it.
pub(super) fn covers(capability: Capability) -> &'static [Finding] {
    match capability {
        Capability::AnyLine
        | Capability::Reopen
        | Capability::AnyWrite
        | Capability::AnyProgram
        | Capability::IndependentSinks
        | Capability::SurvivesDeath => &[Finding::LostBytes, Finding::RefusedBytes, Finding::FileLostBytes],
        // The rules of the others ask whether they are declared.
        Capability::Live
        | Capability::Prompts
        | Capability::Apart
        | Capability::File
        | Capability::Order
        | Capability::ExactBytes
        | Capability::BoundedMemory
        | Capability::PromptDespiteGrandchild
        | Capability::FreeFlow => &[],
    }
}

/// Whether a case that tries this capability shows that the capturer has it, whatever the capturer declares. None: the
/// case shows nothing, as for the file of a capturer that writes no files.
pub(super) fn shows(capability: Capability, found: &Findings) -> Option<bool> {
    // If the program never ran, or the stimulus failed, the case shows nothing.
    if found.workload_started == Some(false) || found.stimulus_error.is_some() {
        return None;
    }
    let kept = found.lost_bytes == 0 && found.refused_bytes == 0;
    // What is delivered but not in a file that the capturer writes is not kept.
    let in_file = found.file_lost_bytes.is_none_or(|lost| lost == 0);
    let whole = !found.deadline_hit && kept && found.altered_lines == 0 && found.foreign_lines == 0;
    let ends_right = found.exit_reported == Some(found.exit_expected);
    Some(match capability {
        Capability::Live => found.is_live(),
        Capability::Prompts => found.prompt_held == Some(false),
        // Whoever delivers nothing, or lines of one stream only, shows nothing.
        Capability::Apart if found.attributed_streams < 2 && found.unattributed_lines == 0 => return None,
        Capability::Apart => found.unattributed_lines == 0 && found.misattributed_lines == 0,
        Capability::File => found.has_file(),
        Capability::Order => found.cross_inversion_rate == Some(0.0),
        Capability::ExactBytes => whole && found.wrong_endings == 0,
        Capability::AnyLine => !found.deadline_hit && kept && in_file && found.altered_lines == 0,
        Capability::BoundedMemory => is_bounded(found),
        Capability::PromptDespiteGrandchild => is_prompt(found),
        Capability::FreeFlow => is_free(found),
        Capability::SurvivesDeath => {
            found.workload_survived == Some(true) && found.file_lost_bytes.is_none_or(|lost| lost == 0)
        }
        // If the consumer is gone, the file must be whole. If the file fails, the deliveries must be whole.
        Capability::IndependentSinks => {
            let file_whole = found.file_lost_bytes? == 0;
            (file_whole || whole)
                && found.refused_bytes == 0
                && !found.deadline_hit
                && found.workload_survived != Some(false)
        }
        Capability::AnyWrite | Capability::Reopen | Capability::AnyProgram => whole && in_file && ends_right,
    })
}
