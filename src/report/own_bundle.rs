//! The report on the user's own bundle: a table for a terminal.

use super::words::{printable, seconds};
use crate::comparison::{Captured, Likeness, OwnComparison, OwnRow};
use crate::text::mebibytes;
use std::io::{self, Write};

const HEADS: [&str; 7] = ["STATUS", "STDOUT", "STDERR", "FIRST ms", "STALL ms", "CPU ms", "RSS MiB"];

/// Writes the table.
///
/// # Errors
/// The writer fails.
pub fn write_own_bundle(comparison: &OwnComparison, writer: &mut dyn Write) -> io::Result<()> {
    for runtime in comparison.runtimes.iter().filter(|runtime| runtime.skipped.is_some()) {
        super::table::skipped(runtime, writer)?;
    }
    let (bundle, runs) = (printable(&comparison.bundle), comparison.runs);
    writeln!(writer, "{bundle} · {runs} runs each · {}", seconds(comparison.wall_ns))?;
    for runtime in comparison.runtimes.iter().filter(|runtime| runtime.skipped.is_none()) {
        let words = [&runtime.name, &runtime.version, &runtime.mode].map(|word| printable(word));
        writeln!(writer, "\n{}", words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))?;
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).enforce_styling();
        table.set_header(std::iter::once("").chain(HEADS));
        let own = || comparison.rows.iter().filter(|row| row.runtime == runtime.name);
        for row in own() {
            let words = words_of(row).into_iter().map(|word| {
                let cell = comfy_table::Cell::new(word);
                if row.differs { cell.fg(comfy_table::Color::DarkRed) } else { cell }
            });
            table.add_row(std::iter::once(comfy_table::Cell::new(printable(&row.strategy))).chain(words));
        }
        for line in table.lines() {
            writeln!(writer, "{}", line.trim_end())?;
        }
        if let Some(error) = own().find_map(|row| row.runtime_error.as_ref()) {
            writeln!(writer, "{} says: {}", printable(&runtime.name), printable(error))?;
        }
        for left in own().flat_map(|row| &row.left_behind) {
            writeln!(writer, "LEFT BEHIND: {}", printable(left))?;
        }
    }
    footer(comparison, writer)
}

fn footer(comparison: &OwnComparison, writer: &mut dyn Write) -> io::Result<()> {
    let reference = printable(&comparison.reference);
    writeln!(
        writer,
        "\nCompared with what {reference} captured: it gives the container files and touches no byte. STALL: how much longer \
         the container ran than with {reference}. Times are medians."
    )?;
    if comparison.rows.iter().flat_map(captures).any(|captured| captured.held == Likeness::Unknown) {
        writeln!(
            writer,
            "`?`: with {reference} the output differs from run to run, was cut off or is missing. So only the amount is \
             known, not whether it is complete."
        )?;
    }
    for sentence in disagreements(comparison) {
        writeln!(writer, "{sentence}")?;
    }
    for left in &comparison.left_behind {
        writeln!(writer, "LEFT BEHIND by some run, nobody can tell which: {}", printable(left))?;
    }
    if let Some(first) = comparison.changed.first() {
        let count = comparison.changed.len();
        writeln!(writer, "The containers changed {count} files of the bundle. The first is {}", printable(first))?;
    }
    let differ: Vec<String> = comparison.rows.iter().filter(|row| row.differs).map(name).collect();
    if comparison.interrupted {
        writeln!(writer, "The run was interrupted: these are the results so far.")?;
    }
    match differ.as_slice() {
        [] if comparison.rows.is_empty() => writeln!(writer, "Nothing was run."),
        [] => writeln!(writer, "No strategy differs in what it declares to preserve."),
        some => writeln!(writer, "DIFFERENT: {}", some.join(", ")),
    }
}

/// Says on which runtimes the bundle itself behaves differently: then the difference is not the strategy's.
fn disagreements(comparison: &OwnComparison) -> Vec<String> {
    let mut references = comparison.rows.iter().filter(|row| row.strategy == comparison.reference);
    let Some(first) = references.next() else { return Vec::new() };
    let seen = |row: &OwnRow| (row.exit_code, captures(row).map(|captured| captured.bytes).collect::<Vec<_>>());
    let others = references.filter(|row| seen(row) != seen(first));
    let sentence = |row: &OwnRow| {
        let (runtime, other) = (printable(&row.runtime), printable(&first.runtime));
        format!("The bundle itself ends or writes differently on {runtime} than on {other}.")
    };
    others.map(sentence).collect()
}

fn name(row: &OwnRow) -> String {
    printable(&format!("{}/{}", row.runtime, row.strategy))
}

fn captures(row: &OwnRow) -> impl Iterator<Item = &Captured> {
    [&row.stdout, &row.stderr, &row.merged].into_iter().flatten()
}

fn words_of(row: &OwnRow) -> [String; 7] {
    let millis = |ns: Option<u64>| ns.map_or("-".to_owned(), |ns| format!("{:.1}", ns as f64 / 1e6));
    let captured = |captured: Option<Captured>| captured.map_or("-".to_owned(), |captured| bytes(&captured));
    let (stdout, stderr) = match row.merged {
        Some(merged) => (format!("merged {}", bytes(&merged)), "-".to_owned()),
        None => (captured(row.stdout), captured(row.stderr)),
    };
    [
        row.exit_code.map_or("HANGS".to_owned(), |code| code.to_string()),
        stdout,
        stderr,
        row.first_delivery_ns.map_or("at exit".to_owned(), |ns| millis(Some(ns))),
        millis(row.stalled_ns),
        millis(row.cpu_ns),
        row.max_rss_bytes.map_or("-".to_owned(), mebibytes),
    ]
}

fn bytes(captured: &Captured) -> String {
    let word = match captured.held {
        Likeness::Same => "same",
        Likeness::Endings => "same but for line ends",
        Likeness::Unknown => "?",
        Likeness::Differs => "DIFFERS",
    };
    format!("{} {word}", captured.bytes)
}
