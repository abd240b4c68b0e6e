//! Verdicts: each cell of the plan, judged by the rules and compared with the expectations.

use super::expectation::{Expectations, Facing, Fault};
use super::rule::{self, Ruled};
use crate::analysis::Findings;
use crate::finding::{Finding, names};
use crate::limit::LowLimit;
use crate::recording::CellId;
use crate::recording::{NotRun, Planned, Run};
use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The result of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every duty and every declared capability was kept.
    Pass,
    /// A duty or a declared capability was broken.
    Fail,
    /// Output was lost that nobody could keep here, and the capturer's account says so.
    Told,
    /// Output was lost or refused for want of a capability that the case tries and the capturer does not declare. It
    /// breaks nothing else.
    Cannot,
    /// The cell cannot be tried there.
    Unsupported,
    /// The cell was run, but the machine was at fault, so the result says nothing.
    NotMeasured,
    /// The cell was not run.
    Skipped,
}

impl Verdict {
    /// Whether the cell was run, and its result says something.
    pub fn is_measured(self) -> bool {
        matches!(self, Verdict::Pass | Verdict::Fail | Verdict::Told | Verdict::Cannot)
    }
}

/// One cell with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellResult {
    /// `runtime/strategy/experiment/case`.
    pub id: String,
    /// The runtime's label.
    pub runtime: String,
    /// The capturer's name.
    pub strategy: String,
    /// The experiment's name.
    pub experiment: String,
    /// The case's name.
    pub case: String,
    /// The number of the run, from 0.
    pub run: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Whose fault a failure is; null if the cell did not fail.
    pub fault: Option<Fault>,
    /// Whether the expectations explain the result: they name every failure, and every failure that always happens did
    /// happen.
    pub expected: bool,
    /// Why the cell failed, was not run, or was not expected; null for a plain pass.
    pub reason: Option<String>,
    /// The capabilities that the cell tries: it shows whether the strategy has them.
    pub tries: Vec<Capability>,
    /// The findings that break something.
    pub broken: Vec<Finding>,
    /// The capabilities that the cell tries, that the capturer does not declare, and for want of which output was lost or
    /// refused.
    pub cannot: Vec<Capability>,
    /// The command that runs the cell again.
    pub repeat: String,
    /// Lines that were lost or refused without a word, by the strategy's own fault.
    pub lost_lines: u64,
    /// Lines that were lost or refused, and of which the account says so.
    pub told_lines: u64,
    /// Whether the deadline came before the end.
    pub deadline_hit: bool,
    /// What was measured; null if the cell was not run.
    pub findings: Option<Findings>,
}

impl CellResult {
    pub(super) fn new(
        planned: &Planned,
        run: &Run,
        findings: &HashMap<CellId, Findings>,
        expectations: &Expectations,
    ) -> CellResult {
        let id = &planned.id;
        let mut result = CellResult {
            id: id.to_string(),
            runtime: id.runtime.clone(),
            strategy: id.strategy.clone(),
            experiment: id.experiment.clone(),
            case: id.case.clone(),
            run: id.run,
            verdict: Verdict::Skipped,
            fault: None,
            expected: true,
            reason: None,
            tries: planned.tries.clone(),
            broken: Vec::new(),
            cannot: Vec::new(),
            repeat: repeat(id, run),
            lost_lines: 0,
            told_lines: 0,
            deadline_hit: false,
            findings: None,
        };
        match (&planned.expected, findings.get(id)) {
            (Err(NotRun::Unsupported(reason)), _) => {
                (result.verdict, result.reason) = (Verdict::Unsupported, Some(reason.clone()));
            }
            (Err(NotRun::Skipped(reason)), _) => result.reason = Some(reason.clone()),
            (Ok(_), None) => result.reason = Some("the run ended before this cell".to_owned()),
            (Ok(_), Some(found)) => result.judge(planned, run, found, expectations),
        }
        result
    }

    fn judge(&mut self, planned: &Planned, run: &Run, found: &Findings, expectations: &Expectations) {
        let capturer = run.capturers.iter().find(|capturer| capturer.name == self.strategy);
        let ruled = capturer.map(|capturer| rule::judge(found, capturer, planned)).unwrap_or_default();
        self.verdict = match (ruled.broken.is_empty(), ruled.told, ruled.cannot.is_empty()) {
            (false, ..) => Verdict::Fail,
            (true, true, _) => Verdict::Told,
            (true, false, false) => Verdict::Cannot,
            (true, false, true) => Verdict::Pass,
        };
        self.deadline_hit = found.deadline_hit;
        self.findings = Some(found.clone());
        let judged = expectations.judge(&Facing::of(&planned.id, run), &ruled.broken, found);
        self.expected = judged.unexplained.is_empty() && judged.missing.is_empty();
        self.fault = (!ruled.broken.is_empty()).then(|| match judged.unexplained.as_slice() {
            [] => judged.fault.unwrap_or_default(),
            unexplained => fault(unexplained, found),
        });
        self.reason = match (judged.unexplained.as_slice(), judged.missing.as_slice()) {
            ([], []) if ruled.broken.is_empty() => plain_reason(&ruled, planned, found),
            ([], []) => judged.reason,
            ([], missing) => Some(format!("{} was expected to happen always, but did not", names(missing))),
            (unexplained, _) => Some(match &found.left_behind_what {
                Some(what) if unexplained.contains(&Finding::LeftBehind) => {
                    format!("unexpected: {} ({what})", names(unexplained))
                }
                _ => format!("unexpected: {}", names(unexplained)),
            }),
        };
        (self.broken, self.cannot) = (ruled.broken, ruled.cannot);
        // If the machine was busy, the cell was run again alone, and the machine was busy again.
        let of_machine = busy(found, &judged.unexplained).or_else(|| limited(run, found));
        if let Some(why) = of_machine.filter(|_| !self.expected) {
            (self.verdict, self.expected, self.fault) = (Verdict::NotMeasured, true, Some(Fault::Machine));
            self.reason = Some(format!("{why}; {} says nothing here", names_or_nothing(&self.broken)));
            return;
        }
        self.count_loss(planned, found);
    }
}

impl CellResult {
    /// Counts the lines that are lost. What nobody could keep is not, nor what another than the strategy lost.
    fn count_loss(&mut self, planned: &Planned, found: &Findings) {
        let of_another = self.fault.is_some_and(|fault| fault != Fault::Strategy);
        if of_another || planned.excused.contains(&Finding::LostBytes) {
            return;
        }
        let lost = found.lost_lines + found.refused_lines;
        let told = found.truncated || found.told_lost_bytes.is_some_and(|bytes| bytes > 0);
        if told { self.told_lines = lost } else { self.lost_lines = lost }
    }
}

/// A beat of the harness's pulse that is later than this shows that processes did not run for long enough to explain
/// anything. A beat that is a little late explains only what is about time.
const LATE_NS: u64 = 50_000_000;

/// What the machine did, if it may explain the findings. None: nothing.
fn busy(found: &Findings, unexplained: &[Finding]) -> Option<String> {
    let about_time = !unexplained.is_empty()
        && unexplained.iter().all(|finding| {
            matches!(
                finding,
                Finding::DeliveredBeforeExitFraction
                    | Finding::HeldLines
                    | Finding::PromptHeld
                    | Finding::ExitLatencyNs
                    | Finding::WorkloadStalledNs
            )
        });
    let may_explain = found.machine_late_ns.is_none_or(|late_ns| late_ns >= LATE_NS || about_time);
    found.machine_busy.clone().filter(|_| may_explain)
}

/// The limits of the host that may be at fault: those that spoil anything, and for a capturer that could not start the command
/// all others. None: no such limit is low.
fn limited(run: &Run, found: &Findings) -> Option<String> {
    let could_not_start = found.workload_started == Some(false) && found.exit_reported == Some(CAPTURE_FAILED);
    let may_be = run.low_limits.iter().filter(|low| low.spoils || could_not_start);
    let words: Vec<String> = may_be.map(LowLimit::words).collect();
    (!words.is_empty()).then(|| format!("a limit of this machine is too low: {}", words.join("; ")))
}

/// The exit code of a capturer that could not start the command, as env(1) and timeout(1) have it.
const CAPTURE_FAILED: i32 = 125;

fn names_or_nothing(broken: &[Finding]) -> String {
    if broken.is_empty() { "that nothing is broken".to_owned() } else { names(broken) }
}

/// Whose fault a failure is that no expectation names.
fn fault(unexplained: &[Finding], found: &Findings) -> Fault {
    match unexplained {
        _ if unexplained.contains(&Finding::StimulusError) => Fault::Stimulus,
        // The runtime's own log says that it failed.
        _ if unexplained.contains(&Finding::RuntimeError) && found.runtime_error.is_some() => Fault::Runtime,
        _ => Fault::Strategy,
    }
}

/// What there is to say of a cell that did not fail. None: nothing.
fn plain_reason(ruled: &Ruled, planned: &Planned, found: &Findings) -> Option<String> {
    let told = ruled.told.then(|| {
        let lost = found.lost_bytes + found.file_lost_bytes.unwrap_or(0);
        let said = found.told_lost_bytes.filter(|&bytes| bytes > 0);
        let said = said.map_or("without a figure".to_owned(), |bytes| format!("{bytes} bytes"));
        format!("nobody could keep everything here: {lost} bytes were lost, and the account says so, {said}")
    });
    let cannot = (!ruled.cannot.is_empty()).then(|| {
        let names: Vec<&str> = ruled.cannot.iter().map(|one| one.name()).collect();
        let lost = found.lost_bytes + found.refused_bytes;
        let lost = if lost > 0 { format!(", and {lost} bytes were lost or refused") } else { String::new() };
        format!("it does not declare {}{lost}", names.join(", "))
    });
    let excused = planned.excused_because.as_ref().filter(|_| !ruled.excused.is_empty());
    let excused = excused.map(|because| format!("excused: {} ({because})", names(&ruled.excused)));
    let all: Vec<String> = [told, cannot, excused].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

fn repeat(id: &CellId, run: &Run) -> String {
    let quick = if run.quick { " --quick" } else { "" };
    let place = run.runtimes.iter().position(|runtime| runtime.name == id.runtime);
    let runtime = place.and_then(|place| run.runtime_words.get(place)).unwrap_or(&id.runtime);
    format!("crun-capture compare --runtime {runtime} --filter {id} --seed {}{quick}{}", run.seed, run.other_words)
}
