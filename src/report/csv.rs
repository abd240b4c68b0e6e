//! The CSV report: one line per cell, for a spreadsheet.

use super::Report;
use super::words::printable;
use crate::comparison::{CellResult, Comparison};
use crate::finding::Finding;
use serde_json::Value;
use std::io::{self, Write};

/// The report for spreadsheets.
pub(super) struct Csv;

/// The columns before the findings.
const HEADS: [&str; 6] = ["id", "run", "verdict", "expected", "broken", "reason"];

/// The findings that have a column, each named as in JSON.
const FINDINGS: [Column; 22] = [
    Column::Whole(Finding::DeadlineHit),
    Column::Whole(Finding::LostBytes),
    Column::Whole(Finding::LostLines),
    Column::Whole(Finding::DuplicatedLines),
    Column::Whole(Finding::AlteredLines),
    Column::Whole(Finding::ForeignLines),
    Column::Whole(Finding::FileLostBytes),
    Column::Whole(Finding::MisattributedLines),
    Column::Whole(Finding::UnattributedLines),
    Column::Whole(Finding::StreamInversions),
    Column::Whole(Finding::CrossInversionRate),
    Column::Quantile(Finding::LatencyNs, "p50"),
    Column::Quantile(Finding::LatencyNs, "p99"),
    Column::Quantile(Finding::DueLatencyNs, "p50"),
    Column::Whole(Finding::DeliveredBeforeExitFraction),
    Column::Whole(Finding::ExitExpected),
    Column::Whole(Finding::ExitReported),
    Column::Whole(Finding::ExitLatencyNs),
    Column::Whole(Finding::DrainLatencyNs),
    Column::Whole(Finding::WorkloadStalledNs),
    Column::Whole(Finding::ThroughputBytesPerS),
    Column::Whole(Finding::MaxRssBytes),
];

/// A column of findings.
enum Column {
    Whole(Finding),
    /// One number of a distribution: `latency_p50_ns`.
    Quantile(Finding, &'static str),
}

impl Column {
    fn head(&self) -> String {
        match self {
            Column::Whole(finding) => finding.name().to_owned(),
            Column::Quantile(finding, quantile) => {
                format!("{}_{quantile}_ns", finding.name().trim_end_matches("_ns"))
            }
        }
    }

    fn value(&self, findings: &Value) -> String {
        let value = match self {
            Column::Whole(finding) => &findings[finding.name()],
            Column::Quantile(finding, quantile) => &findings[finding.name()][*quantile],
        };
        match value {
            Value::Null => String::new(),
            Value::String(text) => printable(text),
            // A fraction of 1 is written as `1`, as Rust does.
            Value::Number(number) if number.is_f64() => number.as_f64().unwrap_or_default().to_string(),
            other => other.to_string(),
        }
    }
}

impl Report for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn summary(&self) -> &'static str {
        "for a spreadsheet: one line per cell"
    }

    fn write(&self, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(writer);
        csv.write_record(HEADS.map(str::to_owned).into_iter().chain(FINDINGS.iter().map(Column::head)))?;
        for cell in &comparison.cells {
            csv.write_record(record(cell)?)?;
        }
        csv.flush()
    }
}

fn record(cell: &CellResult) -> io::Result<Vec<String>> {
    let findings = serde_json::to_value(&cell.findings)?;
    let broken: Vec<&str> = cell.broken.iter().map(|finding| finding.name()).collect();
    let before = [
        cell.id.clone(),
        cell.run.to_string(),
        format!("{:?}", cell.verdict).to_lowercase(),
        cell.expected.to_string(),
        broken.join(" "),
        printable(cell.reason.as_deref().unwrap_or_default()),
    ];
    Ok(before.into_iter().chain(FINDINGS.iter().map(|column| column.value(&findings))).collect())
}
