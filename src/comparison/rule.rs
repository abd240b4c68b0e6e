//! The rules: which finding breaks which duty or declared capability. One line each.

use crate::analysis::{DRAIN_NS, Findings, LIVE_FRACTION, MEMORY_MAX_BYTES, STALLED_NS};
use crate::finding::Finding;
use crate::recording::{CapturerInfo, Planned};
use crate::strategy::Capability;

/// What a capturer says on its own streams is for people.
const DIAGNOSTICS_MAX_BYTES: u64 = 64 << 10;

/// So many deliveries of so few bytes each are no lines and no pieces of any.
const DELIVERIES_MIN: u64 = 200;
const RECORD_MIN_BYTES: u64 = 4;

/// Whoever waits for a second and needs more than a third of that on a CPU, waits busily.
const WAITED_MIN_NS: u64 = 1_000_000_000;

/// What a rule looks at.
pub(super) struct Subject<'a> {
    findings: &'a Findings,
    capturer: &'a CapturerInfo,
    planned: &'a Planned,
}

impl Subject<'_> {
    fn declares(&self, capability: Capability) -> bool {
        self.capturer.declares.contains(&capability)
    }

    /// Whether the case shows this capability, and the capturer declares it.
    fn must(&self, capability: Capability) -> bool {
        self.declares(capability) && self.planned.tries.contains(&capability)
    }

    fn file(&self, count: Option<u64>) -> bool {
        self.declares(Capability::File) && count.is_some_and(|count| count > 0)
    }

    /// At the deadline the capturer is killed: there is no status and no last frame to be wrong.
    fn ended(&self) -> bool {
        !self.findings.deadline_hit
    }

    /// Whether the capturer refused to start, or could not, where it may: it says so, and nothing has run.
    fn refused(&self) -> bool {
        let may = self.planned.expected.as_ref().is_ok_and(|expected| expected.may_be_refused);
        let says = self.findings.exit_reported.is_some_and(|code| code != 0);
        may && says && self.findings.workload_started == Some(false)
    }

    /// Whether something is declared that a loss contradicts, said or not. Who lets a program flow freely, or gives up on a
    /// grandchild, may lose and say so.
    fn must_lose_nothing(&self) -> bool {
        use Capability::{BoundedMemory, FreeFlow, PromptDespiteGrandchild, SurvivesDeath};
        let may = [FreeFlow, SurvivesDeath, PromptDespiteGrandchild, BoundedMemory];
        self.planned.tries.iter().any(|one| !may.contains(one) && self.declares(*one))
    }
}

/// A finding, and when it breaks something.
type Rule = (Finding, fn(&Subject<'_>) -> bool);

/// All rules: duties first, in the order of their weight, then declared capabilities.
pub(super) const RULES: [Rule; 31] = [
    // What was to be tried was not.
    (Finding::StimulusError, |it| it.findings.stimulus_error.is_some()),
    (Finding::DeadlineHit, |it| it.findings.deadline_hit),
    // What never ran lost nothing, and proves nothing.
    (Finding::WorkloadStarted, |it| it.findings.workload_started == Some(false) && !it.refused()),
    // No *silent* loss: a capturer that says so has kept the duty, but not what it declares.
    (Finding::LostBytes, |it| it.findings.lost_bytes > 0 && (!it.findings.truncated || it.must_lose_nothing())),
    (Finding::DuplicatedLines, |it| it.findings.duplicated_lines > 0),
    (Finding::AlteredLines, |it| it.findings.altered_lines > 0),
    // Where the runtime itself failed, its words on stderr are no fault of the capturer.
    (Finding::ForeignLines, |it| it.findings.foreign_lines > 0 && it.findings.runtime_error.is_none()),
    (Finding::MisattributedLines, |it| it.findings.misattributed_lines > 0),
    (Finding::StreamInversions, |it| it.findings.stream_inversions > 0),
    (Finding::ExitReported, |it| {
        it.ended() && it.findings.exit_reported != Some(it.findings.exit_expected) && !it.refused()
    }),
    (Finding::RuntimeError, |it| {
        it.ended() && it.findings.runtime_error.is_some() != it.findings.runtime_error_expected && !it.refused()
    }),
    (Finding::LeftBehind, |it| it.findings.left_behind > 0),
    (Finding::ProtocolError, |it| it.ended() && it.findings.protocol_error.is_some()),
    // A file that is declared and not there has lost everything.
    (Finding::FileLostBytes, |it| {
        let missing = it.findings.file_lost_bytes.is_none() && it.findings.workload_started == Some(true);
        it.file(it.findings.file_lost_bytes) || it.declares(Capability::File) && missing
    }),
    (Finding::FileDuplicatedLines, |it| it.file(it.findings.file_duplicated_lines)),
    (Finding::FileAlteredLines, |it| it.file(it.findings.file_altered_lines)),
    // Where nobody could keep the file, it is to be said.
    (Finding::FileLossTold, |it| {
        let could_not = it.planned.excused.contains(&Finding::FileLostBytes);
        let harms_files = could_not && it.planned.excused.contains(&Finding::FileAlteredLines);
        it.declares(Capability::File) && harms_files && it.ended() && it.findings.file_loss_told == Some(false)
    }),
    (Finding::FileOwnerChanged, |it| it.declares(Capability::File) && it.findings.file_owner_changed == Some(true)),
    (Finding::DiagnosticsBytes, |it| it.findings.diagnostics_bytes >= DIAGNOSTICS_MAX_BYTES),
    (Finding::CapturerCpuNs, |it| {
        let waited_ns = it.findings.exit_latency_ns.filter(|&waited_ns| waited_ns >= WAITED_MIN_NS);
        waited_ns.is_some_and(|waited_ns| it.findings.capturer_cpu_ns.is_some_and(|cpu_ns| cpu_ns > waited_ns / 3))
    }),
    (Finding::DeliveredBeforeExitFraction, |it| {
        let late = it.findings.delivered_before_exit_fraction.is_some_and(|fraction| fraction < LIVE_FRACTION);
        it.declares(Capability::Live) && it.planned.paced && late
    }),
    (Finding::PromptHeld, |it| it.must(Capability::Live) && it.findings.prompt_held == Some(true)),
    (Finding::UnattributedLines, |it| it.declares(Capability::Apart) && it.findings.unattributed_lines > 0),
    (Finding::CrossInversionRate, |it| {
        it.declares(Capability::Order) && it.findings.cross_inversion_rate.is_some_and(|rate| rate > 0.0)
    }),
    (Finding::WrongEndings, |it| it.declares(Capability::ExactBytes) && it.findings.wrong_endings > 0),
    // It ends within the drain deadline after the exit; where a grandchild holds the streams that is a capability.
    (Finding::ExitLatencyNs, |it| !is_prompt(it.findings) && it.ended()),
    // A record a byte.
    (Finding::Deliveries, |it| {
        let found = it.findings;
        let many = found.deliveries >= DELIVERIES_MIN.max(4 * found.accepted_lines);
        many && found.delivered_bytes / found.deliveries < RECORD_MIN_BYTES
    }),
    (Finding::WorkloadStalledNs, |it| it.must(Capability::FreeFlow) && !is_free(it.findings)),
    (Finding::WorkloadSurvived, |it| {
        it.must(Capability::SurvivesDeath) && it.findings.workload_survived == Some(false)
    }),
    // A write that the stream does not take loses nothing, and is the program's loss all the same.
    (Finding::RefusedBytes, |it| it.must(Capability::AnyWrite) && it.findings.refused_bytes > 0),
    (Finding::MaxRssBytes, |it| it.must(Capability::BoundedMemory) && !is_bounded(it.findings)),
];

fn is_prompt(found: &Findings) -> bool {
    !found.deadline_hit && found.exit_latency_ns.is_none_or(|latency_ns| latency_ns <= DRAIN_NS)
}

fn is_free(found: &Findings) -> bool {
    !found.deadline_hit && found.workload_stalled_ns.is_none_or(|stalled_ns| stalled_ns < STALLED_NS)
}

fn is_bounded(found: &Findings) -> bool {
    found.max_rss_bytes.is_none_or(|bytes| bytes <= MEMORY_MAX_BYTES)
}

/// The findings that break something.
pub(super) fn broken(findings: &Findings, capturer: &CapturerInfo, planned: &Planned) -> Vec<Finding> {
    all_broken(findings, capturer, planned).filter(|one| !planned.excused.contains(one)).collect()
}

/// Those that would, if the case did not excuse them.
pub(super) fn excused(findings: &Findings, capturer: &CapturerInfo, planned: &Planned) -> Vec<Finding> {
    all_broken(findings, capturer, planned).filter(|one| planned.excused.contains(one)).collect()
}

fn all_broken<'a>(
    findings: &'a Findings,
    capturer: &'a CapturerInfo,
    planned: &'a Planned,
) -> impl Iterator<Item = Finding> + use<'a> {
    let subject = Subject { findings, capturer, planned };
    RULES.iter().filter(move |(_, breaks)| breaks(&subject)).map(|(finding, _)| *finding)
}

/// Whether a case that tries this capability shows the capturer to have it, whatever it declares. None where it shows
/// nothing: a capturer that writes no file has none to be looked at.
pub(super) fn shows(capability: Capability, found: &Findings) -> Option<bool> {
    // What never ran, or was not done, shows nothing.
    if found.workload_started == Some(false) || found.stimulus_error.is_some() {
        return None;
    }
    let whole = !found.deadline_hit && found.lost_bytes == 0 && found.altered_lines == 0 && found.foreign_lines == 0;
    let ends_right = found.exit_reported == Some(found.exit_expected);
    Some(match capability {
        Capability::Live => found.is_live(),
        Capability::Apart => found.unattributed_lines == 0 && found.misattributed_lines == 0,
        Capability::File => found.has_file(),
        Capability::Order => found.cross_inversion_rate == Some(0.0),
        Capability::ExactBytes => whole && found.wrong_endings == 0,
        Capability::AnyLine => !found.deadline_hit && found.lost_bytes == 0 && found.altered_lines == 0,
        Capability::BoundedMemory => is_bounded(found),
        Capability::PromptDespiteGrandchild => is_prompt(found),
        Capability::FreeFlow => is_free(found),
        Capability::SurvivesDeath => {
            found.workload_survived == Some(true) && found.file_lost_bytes.is_none_or(|lost| lost == 0)
        }
        // With a consumer that is gone, the file is to be whole; with a file that fails, the deliveries.
        Capability::IndependentSinks => {
            let file_whole = found.file_lost_bytes? == 0;
            (file_whole || whole) && !found.deadline_hit && found.workload_survived != Some(false)
        }
        Capability::AnyWrite => whole && ends_right && found.refused_bytes == 0,
        Capability::Reopen | Capability::AnyProgram => whole && ends_right,
    })
}
