//! Everything, for programs.

use super::Report;
use crate::comparison::{CellResult, Comparison, Counts, Row};
use crate::machine::Machine;
use crate::recording::RuntimeInfo;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// For programs.
pub(super) struct Json;

/// What `--export-json` writes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Export {
    /// The version of this format.
    pub schema_version: u32,
    /// When the run was made, RFC 3339, UTC.
    pub generated_at: String,
    /// Name and version of the program.
    pub tool: String,
    /// Where.
    pub machine: Machine,
    /// Determines scripts and order.
    pub seed: u64,
    /// What the program exits with.
    pub exit_code: u8,
    /// How many cells came out how.
    pub counts: Counts,
    /// The runtimes that were asked for.
    pub runtimes: Vec<RuntimeInfo>,
    /// What the table prints, for every runtime.
    pub rows: Vec<Row>,
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
            seed: comparison.run.seed,
            exit_code: comparison.exit_code,
            counts: comparison.counts(),
            runtimes: comparison.run.runtimes.clone(),
            rows: comparison.rows.clone(),
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
