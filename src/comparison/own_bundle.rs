//! The user's own bundle under every strategy: what each strategy captured, compared with what the reference captured.
//!
//! There is no script and no journal here. So the reference output is what the runtime and its container wrote into the
//! files of the reference: the strategy that gives the container files, so that nobody else touches a byte.

use crate::capturer::SCHEMA_VERSION;
use crate::machine::Machine;
use crun_capture_reactor::{Delivered, Origin, Stream, lines};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::recording::{CapturerInfo, Recording, Run, RuntimeInfo};
use crate::strategy::Capability;
use crate::text::median;

/// The comparison of one bundle: what `compare --bundle` exports as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnComparison {
    /// The version of this format.
    pub schema_version: u32,
    /// When it was made, in UTC (RFC 3339).
    pub generated_at: String,
    /// The name and version of the program.
    pub tool: String,
    /// The machine on which it ran.
    pub machine: Machine,
    /// The bundle's directory.
    pub bundle: String,
    /// The strategy that the others are compared with.
    pub reference: String,
    /// How often each strategy ran the bundle.
    pub runs: u32,
    /// The duration of the whole run.
    pub wall_ns: u64,
    /// Whether the run ended early.
    pub interrupted: bool,
    /// The runtimes that were asked for.
    pub runtimes: Vec<RuntimeInfo>,
    /// One row per runtime and strategy.
    pub rows: Vec<OwnRow>,
    /// Processes that some run left behind, nobody can tell which.
    pub left_behind: Vec<String>,
    /// Files of the bundle that its containers changed. The harness itself writes nothing there.
    pub changed: Vec<String>,
}

/// One strategy on one runtime. Durations are medians over the runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnRow {
    /// The runtime's label.
    pub runtime: String,
    /// The capturer's name.
    pub strategy: String,
    /// The exit code of the capturer; null if it was killed at the deadline.
    pub exit_code: Option<i32>,
    /// The error in the runtime's own log.
    pub runtime_error: Option<String>,
    /// What came from stdout; null if the strategy cannot tell the streams apart.
    pub stdout: Option<Captured>,
    /// What came from stderr; null likewise.
    pub stderr: Option<Captured>,
    /// What came from either stream, if the strategy cannot tell them apart.
    pub merged: Option<Captured>,
    /// The time from the start of the capturer to the first delivery; null if nothing comes before the exit.
    pub first_delivery_ns: Option<u64>,
    /// How much longer the container took than under the reference, whose files never make a writer wait: the stall
    /// that the strategy caused. 0 if it was faster.
    pub stalled_ns: Option<u64>,
    /// CPU time of the capturer and its helpers, seen from outside.
    pub cpu_ns: Option<u64>,
    /// Peak resident set of the capturer and its helpers, seen from outside.
    pub max_rss_bytes: Option<u64>,
    /// Whether the deadline came before the end.
    pub deadline_hit: bool,
    /// What the runs left behind, in words.
    pub left_behind: Vec<String>,
    /// Whether the strategy differs from the reference where it must not.
    pub differs: bool,
}

/// The bytes of one origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Captured {
    /// The number of bytes in the worst run.
    pub bytes: u64,
    /// How the bytes compare with those of the reference, in the worst run.
    pub held: Likeness,
}

/// How captured bytes compare with those of the reference, from the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Likeness {
    /// The same to the byte. For merged bytes: all lines of both streams.
    Same,
    /// The same lines with different ends: a carriage return was stripped, or a last line feed was made up.
    Endings,
    /// Unknown: under the reference the bundle's output differs from run to run, was cut off, or is missing.
    Unknown,
    /// Different.
    Differs,
}

impl OwnComparison {
    /// Compares the recordings of a run. `changed`: the files of the bundle that the run changed.
    pub fn new(
        run: &Run,
        recordings: &[Recording],
        bundle: String,
        reference: &str,
        runs: u32,
        changed: Vec<String>,
    ) -> OwnComparison {
        OwnComparison {
            schema_version: OwnComparison::SCHEMA_VERSION,
            generated_at: run.generated_at.clone(),
            tool: run.tool.clone(),
            machine: run.machine.clone(),
            bundle,
            reference: reference.to_owned(),
            runs,
            wall_ns: run.wall_ns,
            interrupted: run.interrupted,
            rows: own_rows(recordings, &run.runtimes, &run.capturers, reference),
            runtimes: run.runtimes.clone(),
            left_behind: run.left_behind.clone(),
            changed,
        }
    }

    /// The exit code: 130 if the run was interrupted; else 100 if something differs, something was left behind, or a
    /// required runtime is missing; else 4 if the bundle ran nowhere; else 0.
    pub fn exit_code(&self) -> u8 {
        let missing = self.runtimes.iter().any(|runtime| runtime.required && runtime.skipped.is_some());
        let left = !self.left_behind.is_empty() || self.rows.iter().any(|row| !row.left_behind.is_empty());
        if self.interrupted {
            130
        } else if missing || left || self.rows.iter().any(|row| row.differs) {
            100
        } else if self.rows.iter().all(|row| row.runtime_error.is_some()) {
            4
        } else {
            0
        }
    }

    /// The value of `schema_version`.
    pub const SCHEMA_VERSION: u32 = SCHEMA_VERSION;
}

/// The rows of these recordings, in the order of the runtimes and capturers.
fn own_rows(
    recordings: &[Recording],
    runtimes: &[RuntimeInfo],
    capturers: &[CapturerInfo],
    reference: &str,
) -> Vec<OwnRow> {
    let of = |runtime: &str, capturer: &str| -> Vec<&Recording> {
        let fits = |it: &&Recording| it.facts.id.runtime == runtime && it.facts.id.strategy == capturer;
        recordings.iter().filter(fits).collect()
    };
    let mut rows = Vec::new();
    for runtime in runtimes {
        let reference_output = Reference::of(&of(&runtime.name, reference));
        for capturer in capturers {
            let own = of(&runtime.name, &capturer.name);
            if !own.is_empty() {
                rows.push(row(&own, &reference_output, capturer, reference));
            }
        }
    }
    rows
}

/// What the reference captured.
struct Reference {
    /// The bytes of each stream. None: the reference itself differs from run to run, or was cut off.
    streams: [Option<Vec<u8>>; 2],
    /// The exit code. None: it is not the same each time.
    exit_code: Option<Option<i32>>,
    ran_ns: Option<u64>,
}

impl Reference {
    fn of(references: &[&Recording]) -> Reference {
        let streams = Stream::BOTH.map(|stream| {
            let bytes = |recording: &Recording| recording.file(stream).unwrap_or_default().to_vec();
            let first = references.first().map(|first| bytes(first))?;
            // Nothing can be compared with output that was cut off at the deadline.
            let whole = references.iter().all(|other| !other.facts.deadline_hit && bytes(other) == first);
            whole.then_some(first)
        });
        let codes: Vec<Option<i32>> = references.iter().map(|recording| exit_code(recording)).collect();
        let exit_code = codes.first().copied().filter(|first| codes.iter().all(|code| code == first));
        Reference { streams, exit_code, ran_ns: median(references.iter().map(|recording| ran_ns(recording))) }
    }
}

fn row(own: &[&Recording], reference_output: &Reference, capturer: &CapturerInfo, reference: &str) -> OwnRow {
    let last = own[own.len() - 1];
    let declares = |capability| capturer.declares.contains(&capability);
    let merged = own.iter().any(|recording| recording.deliveries.iter().any(|it| it.origin == Origin::Merged));
    let reference = capturer.name == reference;
    let stream = |stream: Stream| (!merged).then(|| captured(own, Origin::from(stream), reference_output, reference));
    let [stdout, stderr] = Stream::BOTH.map(stream);
    let merged = merged.then(|| captured(own, Origin::Merged, reference_output, reference));
    let codes: Vec<Option<i32>> = own.iter().map(|recording| exit_code(recording)).collect();
    let held = [stdout, stderr, merged].into_iter().flatten().map(|captured| captured.held).max();
    let tolerated =
        if declares(Capability::ExactBytes) && merged.is_none() { Likeness::Same } else { Likeness::Endings };
    let bytes_differ = held.is_some_and(|held| held > tolerated && held != Likeness::Unknown);
    let left_behind: Vec<String> = own.iter().flat_map(|recording| recording.facts.left_behind.clone()).collect();
    let deadline_hit = own.iter().any(|recording| recording.facts.deadline_hit);
    let ran_ns = median(own.iter().map(|recording| ran_ns(recording)));
    OwnRow {
        runtime: last.facts.id.runtime.clone(),
        strategy: capturer.name.clone(),
        exit_code: codes[codes.len() - 1],
        runtime_error: last.facts.runtime_errors.first().cloned(),
        stdout,
        stderr,
        merged,
        first_delivery_ns: declares(Capability::Live)
            .then(|| median(own.iter().filter_map(|recording| first_delivery_ns(recording))))
            .flatten(),
        stalled_ns: reference_output.ran_ns.zip(ran_ns).map(|(reference, ran)| ran.saturating_sub(reference)),
        cpu_ns: median(own.iter().filter_map(|recording| recording.facts.capturer_cpu_ns)),
        max_rss_bytes: own.iter().filter_map(|recording| recording.facts.capturer_rss_bytes).max(),
        deadline_hit,
        left_behind,
        differs: bytes_differ
            || deadline_hit
            || codes.iter().any(|code| reference_output.exit_code.is_some_and(|right| *code != right)),
    }
}

fn captured(own: &[&Recording], origin: Origin, reference_output: &Reference, reference: bool) -> Captured {
    let mut worst = Likeness::Same;
    let mut bytes = 0;
    for recording in own {
        // What the reference captured is in its files, even if it was killed before it delivered them.
        let file = origin.stream().filter(|_| reference).and_then(|stream| recording.file(stream));
        let got = file.map_or_else(|| text(&recording.deliveries, origin), <[u8]>::to_vec);
        let held = match (origin.stream(), &reference_output.streams) {
            (Some(stream), streams) => streams[stream.index()].as_ref().map(|wanted| hold(wanted, &got)),
            (None, [Some(stdout), Some(stderr)]) => Some(hold_merged(stdout, stderr, &got)),
            (None, _) => None,
        };
        let held = held.unwrap_or(Likeness::Unknown);
        if held >= worst {
            (worst, bytes) = (held, got.len() as u64);
        }
    }
    Captured { bytes, held: worst }
}

/// The bytes as they were delivered, terminators included.
fn text(deliveries: &[Delivered], origin: Origin) -> Vec<u8> {
    let own = deliveries.iter().filter(|delivered| delivered.origin == origin);
    own.flat_map(|delivered| delivered.bytes.iter().chain(delivered.ending.terminator())).copied().collect()
}

fn hold(wanted: &[u8], got: &[u8]) -> Likeness {
    if wanted == got {
        Likeness::Same
    } else if contents(wanted).eq(contents(got)) {
        Likeness::Endings
    } else {
        Likeness::Differs
    }
}

/// Compares merged bytes. Nobody knows the order of the two streams, so the lines are compared, and not their order.
fn hold_merged(stdout: &[u8], stderr: &[u8], got: &[u8]) -> Likeness {
    let sorted = |mut all: Vec<Vec<u8>>| {
        all.sort();
        all
    };
    let wanted = sorted(contents(stdout).chain(contents(stderr)).map(<[u8]>::to_vec).collect());
    if wanted == sorted(contents(got).map(<[u8]>::to_vec).collect()) {
        return Likeness::Same;
    }
    // An unterminated line may be joined with a line of the other stream. Then at least every byte must be there.
    let bytes = |parts: &[&[u8]]| {
        let mut all = parts.concat();
        all.sort_unstable();
        all
    };
    if bytes(&[stdout, stderr]) == bytes(&[got]) { Likeness::Endings } else { Likeness::Differs }
}

fn contents(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines(bytes).map(|(content, _)| content.strip_suffix(b"\r").unwrap_or(content))
}

fn exit_code(recording: &Recording) -> Option<i32> {
    recording.facts.capturer_exit.and_then(crun_capture_reactor::Exit::shell_code)
}

fn first_delivery_ns(recording: &Recording) -> Option<u64> {
    let first = recording.deliveries.first()?;
    Some(first.at_ns.saturating_sub(recording.facts.started_ns))
}

/// How long the container ran: until the capturer learned of its end, or until the capturer ended if it does not say.
fn ran_ns(recording: &Recording) -> u64 {
    let reported = recording.facts.summary.as_ref().and_then(|summary| summary.exit_at_ns);
    reported.unwrap_or(recording.facts.capturer_ended_ns).saturating_sub(recording.facts.started_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_the_same_or_only_end_otherwise_or_differ() {
        assert_eq!(hold(b"a\nb", b"a\nb"), Likeness::Same);
        assert_eq!(hold(b"a\r\nb", b"a\nb\n"), Likeness::Endings);
        assert_eq!(hold(b"a\nb\n", b"b\na\n"), Likeness::Differs);
        assert_eq!(hold(b"a\nb\n", b"a\n"), Likeness::Differs);
        assert_eq!(hold(b"", b""), Likeness::Same);
    }

    #[test]
    fn merged_bytes_may_come_in_any_order_but_all_must_come() {
        assert_eq!(hold_merged(b"a\nb\n", b"c\n", b"a\nc\nb\n"), Likeness::Same);
        assert_eq!(hold_merged(b"a", b"c\n", b"ac\n"), Likeness::Endings);
        assert_eq!(hold_merged(b"a\n", b"c\n", b"a\n"), Likeness::Differs);
        assert_eq!(hold_merged(b"a\n", b"c\n", b"a\nc\nc\n"), Likeness::Differs);
    }
}
