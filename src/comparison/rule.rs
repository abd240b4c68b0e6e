//! The rules: which finding breaks which duty or declared capability. One line each.

use crate::analysis::{DRAIN_NS, Findings, LIVE_FRACTION, MEMORY_MAX_BYTES, STALLED_NS};
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

/// A finding's name in JSON, and when it breaks something.
type Rule = (&'static str, fn(&Subject<'_>) -> bool);

/// All rules: duties first, in the order of their weight, then declared capabilities.
pub(super) const RULES: [Rule; 31] = [
    // What was to be tried was not.
    ("stimulus_error", |it| it.findings.stimulus_error.is_some()),
    ("deadline_hit", |it| it.findings.deadline_hit),
    // What never ran lost nothing, and proves nothing.
    ("workload_started", |it| it.findings.workload_started == Some(false) && !it.refused()),
    // No *silent* loss: a capturer that says so has kept the duty, but not what it declares.
    ("lost_bytes", |it| it.findings.lost_bytes > 0 && (!it.findings.truncated || it.must_lose_nothing())),
    ("duplicated_lines", |it| it.findings.duplicated_lines > 0),
    ("altered_lines", |it| it.findings.altered_lines > 0),
    // Where the runtime itself failed, its words on stderr are no fault of the capturer.
    ("foreign_lines", |it| it.findings.foreign_lines > 0 && it.findings.runtime_error.is_none()),
    ("misattributed_lines", |it| it.findings.misattributed_lines > 0),
    ("stream_inversions", |it| it.findings.stream_inversions > 0),
    ("exit_reported", |it| it.ended() && it.findings.exit_reported != Some(it.findings.exit_expected) && !it.refused()),
    ("runtime_error", |it| {
        it.ended() && it.findings.runtime_error.is_some() != it.findings.runtime_error_expected && !it.refused()
    }),
    ("left_behind", |it| it.findings.left_behind > 0),
    ("protocol_error", |it| it.ended() && it.findings.protocol_error.is_some()),
    // A file that is declared and not there has lost everything.
    ("file_lost_bytes", |it| {
        let missing = it.findings.file_lost_bytes.is_none() && it.findings.workload_started == Some(true);
        it.file(it.findings.file_lost_bytes) || it.declares(Capability::File) && missing
    }),
    ("file_duplicated_lines", |it| it.file(it.findings.file_duplicated_lines)),
    ("file_altered_lines", |it| it.file(it.findings.file_altered_lines)),
    // Where nobody could keep the file, it is to be said.
    ("file_loss_told", |it| {
        let could_not = it.planned.excused.iter().any(|name| name == "file_lost_bytes");
        let harms_files = could_not && it.planned.excused.iter().any(|name| name == "file_altered_lines");
        it.declares(Capability::File) && harms_files && it.ended() && it.findings.file_loss_told == Some(false)
    }),
    ("file_owner_changed", |it| it.declares(Capability::File) && it.findings.file_owner_changed == Some(true)),
    ("diagnostics_bytes", |it| it.findings.diagnostics_bytes >= DIAGNOSTICS_MAX_BYTES),
    ("capturer_cpu_ns", |it| {
        let waited_ns = it.findings.exit_latency_ns.filter(|&waited_ns| waited_ns >= WAITED_MIN_NS);
        waited_ns.is_some_and(|waited_ns| it.findings.capturer_cpu_ns.is_some_and(|cpu_ns| cpu_ns > waited_ns / 3))
    }),
    ("delivered_before_exit_fraction", |it| {
        let late = it.findings.delivered_before_exit_fraction.is_some_and(|fraction| fraction < LIVE_FRACTION);
        it.declares(Capability::Live) && it.planned.paced && late
    }),
    ("prompt_held", |it| it.must(Capability::Live) && it.findings.prompt_held == Some(true)),
    ("unattributed_lines", |it| it.declares(Capability::Apart) && it.findings.unattributed_lines > 0),
    ("cross_inversion_rate", |it| {
        it.declares(Capability::Order) && it.findings.cross_inversion_rate.is_some_and(|rate| rate > 0.0)
    }),
    ("wrong_endings", |it| it.declares(Capability::ExactBytes) && it.findings.wrong_endings > 0),
    // It ends within the drain deadline after the exit; where a grandchild holds the streams that is a capability.
    ("exit_latency_ns", |it| !is_prompt(it.findings) && it.ended()),
    // A record a byte.
    ("deliveries", |it| {
        let found = it.findings;
        let many = found.deliveries >= DELIVERIES_MIN.max(4 * found.accepted_lines);
        many && found.delivered_bytes / found.deliveries < RECORD_MIN_BYTES
    }),
    ("workload_stalled_ns", |it| it.must(Capability::FreeFlow) && !is_free(it.findings)),
    ("workload_survived", |it| it.must(Capability::SurvivesDeath) && it.findings.workload_survived == Some(false)),
    // A write that the stream does not take loses nothing, and is the program's loss all the same.
    ("refused_bytes", |it| it.must(Capability::AnyWrite) && it.findings.refused_bytes > 0),
    ("max_rss_bytes", |it| it.must(Capability::BoundedMemory) && !is_bounded(it.findings)),
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

/// The findings by which a duty is broken: what no capturer may decline.
const DUTIES: [&str; 13] = [
    "deadline_hit",
    "lost_bytes",
    "duplicated_lines",
    "altered_lines",
    "foreign_lines",
    "misattributed_lines",
    "stream_inversions",
    "exit_reported",
    "left_behind",
    "file_loss_told",
    "capturer_cpu_ns",
    "exit_latency_ns",
    "deliveries",
];

/// Whether a duty is broken by this finding, and no capability.
pub(super) fn is_duty(finding: &str) -> bool {
    DUTIES.contains(&finding)
}

/// The findings that break something, by their names in JSON.
pub fn broken(findings: &Findings, capturer: &CapturerInfo, planned: &Planned) -> Vec<&'static str> {
    all_broken(findings, capturer, planned).filter(|name| !is_excused(planned, name)).collect()
}

/// Those that would, if the case did not excuse them.
pub(super) fn excused(findings: &Findings, capturer: &CapturerInfo, planned: &Planned) -> Vec<&'static str> {
    all_broken(findings, capturer, planned).filter(|name| is_excused(planned, name)).collect()
}

fn all_broken<'a>(
    findings: &'a Findings,
    capturer: &'a CapturerInfo,
    planned: &'a Planned,
) -> impl Iterator<Item = &'static str> + use<'a> {
    let subject = Subject { findings, capturer, planned };
    RULES.iter().filter(move |(_, breaks)| breaks(&subject)).map(|(name, _)| *name)
}

fn is_excused(planned: &Planned, name: &str) -> bool {
    planned.excused.iter().any(|excused| excused == name)
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
        Capability::Live => match found.prompt_held {
            Some(held) => !held,
            None => found.delivered_before_exit_fraction.is_some_and(|fraction| fraction >= LIVE_FRACTION),
        },
        Capability::Apart => found.unattributed_lines == 0 && found.misattributed_lines == 0,
        // What is delivered is in the file. That something is lost from both is another finding.
        Capability::File => {
            let no_worse = |of_file: Option<u64>, delivered| of_file.is_some_and(|of_file| of_file <= delivered);
            no_worse(found.file_lost_lines, found.lost_lines) && no_worse(found.file_altered_lines, found.altered_lines)
        }
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
