//! What was run, where, and with what: the part of a run that is not in its recordings. Kept as `run.json`.

use crate::experiment::ExpectedEnd;
use crate::machine::Machine;
use crate::recording::CellId;
use crate::strategy::Capability;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One run of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The version of the format.
    pub schema_version: u32,
    /// When it was made, RFC 3339, UTC.
    pub generated_at: String,
    /// Name and version of the program.
    pub tool: String,
    /// Where.
    pub machine: Machine,
    /// Determines scripts and order.
    pub seed: u64,
    /// Less of everything.
    pub quick: bool,
    /// How long it took.
    pub wall_ns: u64,
    /// Whether it ended early: by the user, or by an error. True as long as it runs.
    pub interrupted: bool,
    /// Processes that some cell left and that could not be told to which they belong.
    pub left_behind: Vec<String>,
    /// For the command that runs a cell again: the words for each runtime, in their order, and those for all cells.
    pub runtime_words: Vec<String>,
    /// `--capturer FILE` and `--expectations FILE`, ready for a shell.
    pub other_words: String,
    /// The runtimes that were asked for, in the order of the report.
    pub runtimes: Vec<RuntimeInfo>,
    /// The capturers, in the order of the report.
    pub capturers: Vec<CapturerInfo>,
    /// The expectations, as they were read.
    pub expectations: String,
    /// Experiments that `--quick` does not take.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// All cells.
    pub plan: Vec<Planned>,
}

/// A runtime of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeInfo {
    /// What it is called in ids.
    pub name: String,
    /// What it says its version is.
    pub version: String,
    /// Its program.
    pub path: String,
    /// How it was run, in words.
    pub mode: String,
    /// Whether it is a real OCI runtime.
    pub real: bool,
    /// Whether the run fails without it.
    pub required: bool,
    /// Why it was not run; null when it was.
    pub skipped: Option<String>,
    /// The command that mends that.
    pub mend: Option<String>,
}

/// A capturer of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CapturerInfo {
    /// What it is called in ids.
    pub name: String,
    /// What it declares.
    pub declares: Vec<Capability>,
    /// What the spike's table says of it.
    pub said: Option<super::Said>,
    /// Whether the spike recommends it.
    pub recommended: bool,
}

/// One cell of a run's plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Which.
    pub id: CellId,
    /// How it is to end, or why it is not run.
    pub expected: Result<ExpectedEnd, NotRun>,
    /// Whether its script is paced and unbuffered, so that a live capturer delivers most of it before the exit.
    pub paced: bool,
    /// The capabilities that it shows the capturer to have or not.
    #[serde(default)]
    pub tries: Vec<Capability>,
    /// Findings that say nothing of the capturer here, by their names in JSON.
    #[serde(default)]
    pub excused: Vec<String>,
    /// Why; null where nothing is excused.
    #[serde(default)]
    pub excused_because: Option<String>,
}

/// Why a cell is not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotRun {
    /// It cannot be tried there.
    Unsupported(String),
    /// Its runtime is not there.
    Skipped(String),
}
