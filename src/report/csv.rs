//! One line a cell, for a spreadsheet.

use super::Report;
use super::words::printable;
use crate::comparison::{CellResult, Comparison};
use std::io::{self, Write};

/// For spreadsheets.
pub(super) struct Csv;

const HEADS: [&str; 28] = [
    "id",
    "run",
    "verdict",
    "expected",
    "broken",
    "reason",
    "deadline_hit",
    "lost_bytes",
    "lost_lines",
    "duplicated_lines",
    "altered_lines",
    "foreign_lines",
    "file_lost_bytes",
    "misattributed_lines",
    "unattributed_lines",
    "stream_inversions",
    "cross_inversion_rate",
    "latency_p50_ns",
    "latency_p99_ns",
    "due_latency_p50_ns",
    "delivered_before_exit_fraction",
    "exit_expected",
    "exit_reported",
    "exit_latency_ns",
    "drain_latency_ns",
    "workload_stalled_ns",
    "throughput_bytes_per_s",
    "max_rss_bytes",
];

impl Report for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn summary(&self) -> &'static str {
        "for a spreadsheet: one line a cell"
    }

    fn write(&self, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
        let mut csv = csv::Writer::from_writer(writer);
        csv.write_record(HEADS)?;
        for cell in &comparison.cells {
            csv.write_record(record(cell))?;
        }
        csv.flush()
    }
}

fn record(cell: &CellResult) -> [String; 28] {
    let found = cell.findings.as_ref();
    let some = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let count = |value: fn(&crate::analysis::Findings) -> u64| some(found.map(value));
    let fraction = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    [
        cell.id.clone(),
        cell.run.to_string(),
        format!("{:?}", cell.verdict).to_lowercase(),
        cell.expected.to_string(),
        cell.broken.join(" "),
        printable(cell.reason.as_deref().unwrap_or_default()),
        cell.deadline_hit.to_string(),
        count(|found| found.lost_bytes),
        count(|found| found.lost_lines),
        count(|found| found.duplicated_lines),
        count(|found| found.altered_lines),
        count(|found| found.foreign_lines),
        some(found.and_then(|found| found.file_lost_bytes)),
        count(|found| found.misattributed_lines),
        count(|found| found.unattributed_lines),
        count(|found| found.stream_inversions),
        fraction(found.and_then(|found| found.cross_inversion_rate)),
        some(found.and_then(|found| Some(found.latency_ns?.p50))),
        some(found.and_then(|found| Some(found.latency_ns?.p99))),
        some(found.and_then(|found| Some(found.due_latency_ns?.p50))),
        fraction(found.and_then(|found| found.delivered_before_exit_fraction)),
        found.map(|found| found.exit_expected.to_string()).unwrap_or_default(),
        found.and_then(|found| Some(found.exit_reported?.to_string())).unwrap_or_default(),
        some(found.and_then(|found| found.exit_latency_ns)),
        some(found.and_then(|found| found.drain_latency_ns)),
        some(found.and_then(|found| found.workload_stalled_ns)),
        some(found.and_then(|found| found.throughput_bytes_per_s)),
        some(found.and_then(|found| found.max_rss_bytes)),
    ]
}
