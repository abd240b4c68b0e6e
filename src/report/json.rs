//! The JSON report: everything, for programs.

use super::Report;
use crate::comparison::{CellResult, Comparison, Control, Counts, Row};
use crate::limit::LowLimit;
use crate::machine::Machine;
use crate::recording::RuntimeInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// The report for programs.
pub(super) struct Json;

/// The format of `--export-json`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Export {
    /// The version of this format.
    pub schema_version: u32,
    /// When the run was made, in UTC (RFC 3339).
    pub generated_at: String,
    /// The name and version of the program.
    pub tool: String,
    /// The machine on which it ran.
    pub machine: Machine,
    /// The limits of the host that are too low for the harness or for a strategy.
    pub low_limits: Vec<LowLimit>,
    /// The seed of the scripts and of the order of the cells.
    pub seed: u64,
    /// The exit code of the program.
    pub exit_code: u8,
    /// The number of cells by result.
    pub counts: Counts,
    /// The runtimes that were asked for.
    pub runtimes: Vec<RuntimeInfo>,
    /// The rows of the table, for every runtime.
    pub rows: Vec<Row>,
    /// The figures of the control, which is measured beside the strategies, for each runtime.
    pub controls: Vec<Control>,
    /// All cells.
    pub cells: Vec<CellResult>,
}

impl From<&Comparison> for Export {
    fn from(comparison: &Comparison) -> Export {
        Export {
            schema_version: comparison.run.schema_version,
            generated_at: comparison.run.generated_at.clone(),
            tool: comparison.run.tool.clone(),
            machine: comparison.run.machine.clone(),
            low_limits: comparison.run.low_limits.clone(),
            seed: comparison.run.seed,
            exit_code: comparison.exit_code,
            counts: comparison.counts(),
            runtimes: comparison.run.runtimes.clone(),
            rows: comparison.rows.clone(),
            controls: comparison.controls.clone(),
            cells: comparison.cells.clone(),
        }
    }
}

impl Report for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn summary(&self) -> &'static str {
        "for programs: rows, and every cell with its findings"
    }

    fn write(&self, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *writer, &Export::from(comparison))?;
        writeln!(writer)
    }
}
