//! The words of a row, for the table and for Markdown.

use crate::comparison::{Figures, LongLine, Row};
use crate::strategy::Capability;
use crate::text::mebibytes;

/// The heads of the columns after the strategy column.
pub(super) const HEADS: [&str; 8] = ["LIVE", "APART", "FILE", "ORDER", "LOST", "LINE>64K", "EXIT", "UNTESTED"];

/// The heads of the columns of figures.
pub(super) const FIGURES: [&str; 7] = ["P50 us", "P99 us", "MB/s", "CPU ns/line", "RSS MiB", "END ms", "IDLE CPU"];

/// One word of a row, and whether it stands for a broken duty.
pub(super) struct Word {
    pub(super) text: String,
    pub(super) broken: bool,
}

fn plain(text: impl Into<String>) -> Word {
    Word { text: text.into(), broken: false }
}

/// The words of a row, in the order of the heads.
pub(super) fn words(row: &Row) -> [Word; 8] {
    let said = |column: fn(&crate::recording::Said) -> bool| row.said.as_ref().map(column);
    [
        said_and_measured(said(|said| said.live), row.live),
        said_and_measured(said(|said| said.apart), row.apart),
        said_and_measured(said(|said| said.file), row.file),
        plain(row.order_off.map_or("-".to_owned(), |off| {
            let declared = row.capabilities.iter().any(|one| one.capability == Capability::Order && one.declared);
            match off == 0.0 {
                true if declared => "exact".to_owned(),
                // The strategy does not promise it: the next run may differ.
                true => "0% off".to_owned(),
                false => format!("{:.0}% off", (off * 100.0).max(1.0)),
            }
        })),
        match (row.lost_lines, row.told_lines.unwrap_or(0)) {
            (None, _) => plain("-"),
            (Some(0), 0) => plain("0"),
            (Some(0), told) => plain(format!("0+{told}")),
            (Some(lost), 0) => Word { text: format!("{lost}!"), broken: true },
            (Some(lost), told) => Word { text: format!("{lost}!+{told}"), broken: true },
        },
        match row.long_line {
            None => plain("-"),
            Some(LongLine::Ok) => plain("ok"),
            Some(LongLine::Lost) => Word { text: "LOST".to_owned(), broken: true },
            Some(LongLine::Hangs) => Word { text: "HANGS".to_owned(), broken: true },
        },
        match row.exit_total {
            0 => plain("-"),
            total => Word { text: format!("{}/{total}", row.exit_right), broken: row.exit_right < total },
        },
        plain(row.untested.to_string()),
    ]
}

/// The figures in words, in the order of their heads. `at_exit`: the output comes at the exit, so it has no latency.
pub(super) fn figures(figures: &Figures, at_exit: bool) -> [String; 7] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let beside = |text: Option<String>, ratio: Option<f64>| {
        or_none(text.map(|text| ratio.map_or(text.clone(), |ratio| format!("{text} ({ratio:.1}x)"))))
    };
    let latency = |ns: Option<u64>, ratio| match (ns, at_exit) {
        (None, true) => "at exit".to_owned(),
        (ns, _) => beside(ns.map(micros), ratio),
    };
    [
        latency(figures.latency_p50_ns, figures.latency_p50_ratio),
        latency(figures.latency_p99_ns, figures.latency_p99_ratio),
        beside(figures.throughput_bytes_per_s.map(megabytes), figures.throughput_ratio),
        beside(figures.cpu_ns_a_line.map(|ns| ns.to_string()), figures.cpu_ratio),
        or_none(figures.max_rss_bytes.map(mebibytes)),
        or_none(figures.exit_latency_ns.map(|ns| format!("{:.1}", ns as f64 / 1e6))),
        or_none(figures.waited_cpu_percent.map(|percent| format!("{percent:.1}%"))),
    ]
}

/// `yes/no`: what the spike says, and what was measured.
fn said_and_measured(said: Option<bool>, measured: Option<bool>) -> Word {
    let word = |value: Option<bool>| match value {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    plain(format!("{:<3}/{:<3}", word(said), word(measured)))
}

/// Bytes per second in MB/s: `415`, `7.3`.
fn megabytes(rate: u64) -> String {
    if rate < 10_000_000 { format!("{:.1}", rate as f64 / 1e6) } else { (rate / 1_000_000).to_string() }
}

fn micros(ns: u64) -> String {
    if ns < 10_000 { format!("{:.1}", ns as f64 / 1_000.0) } else { (ns / 1_000).to_string() }
}

/// The name of the strategy, with a star if the spike recommends it.
pub(super) fn name(row: &Row) -> String {
    if row.recommended { format!("{} *", row.strategy) } else { row.strategy.clone() }
}

/// A duration in seconds, for a reader.
pub(super) fn seconds(ns: u64) -> String {
    format!("{:.0} s", (ns as f64 / 1e9).max(1.0))
}

/// Replaces the control characters of a text, because text from outside must not control a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
