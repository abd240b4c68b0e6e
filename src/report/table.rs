//! The table for a terminal: the first real runtime in full, one line for each of the others.

use super::Report;
use super::failures::failures;
use super::words::{FIGURES, HEADS, figures, name, printable, seconds, words};
use crate::comparison::{Comparison, Difference};
use crate::recording::RuntimeInfo;
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};

/// The report for people at a terminal.
pub(super) struct Table;

/// Colour marks a broken duty, and nothing else.
const BROKEN: Style = AnsiColor::Red.on_default();

/// From which cells the columns come.
const LEGEND: &str = "\
LOST: lines lost or refused in all cells, N! without a word, +N told of; not what nobody could keep, nor what another
than the strategy lost. EXIT: right of tried, in exit-status. ORDER and APART: interleave. LIVE and FILE: paced.
UNTESTED: cells that were not run, or show nothing. -: not tried, or the spike says nothing of it.";

/// What the figures are, and from which cells.
const FIGURES_LEGEND: &str = "\
(1.4x): the ratio to the control in the same rounds; for MB/s more is better, for the rest less. The control only reads,
cuts into lines and delivers, so its figures are the price of measuring. P50, P99, END: paced. MB/s, CPU, RSS: throughput,
where lines are counted and not delivered, with the start and end of the container. END: from the program's end to the
capturer's. IDLE CPU: the most of one CPU that it used with nothing to do. What a separate reader costs is not in it.";

/// How many of the cells that differ for the same reason are listed. The JSON has all.
const LISTED_MAX: usize = 6;

impl Report for Table {
    fn name(&self) -> &'static str {
        "table"
    }

    fn summary(&self) -> &'static str {
        "for a terminal: the first real runtime in full, one line for each of the others"
    }

    fn write(&self, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
        for runtime in comparison.run.runtimes.iter().filter(|runtime| runtime.skipped.is_some()) {
            skipped(runtime, writer)?;
        }
        for low in &comparison.run.low_limits {
            writeln!(writer, "LOW LIMIT {}", printable(&low.words()))?;
        }
        let first = comparison.rows.first().map(|row| row.runtime.clone());
        if let Some(runtime) = comparison.run.runtimes.iter().find(|runtime| Some(&runtime.name) == first.as_ref()) {
            rows(comparison, runtime, writer)?;
            agreements(comparison, writer)?;
            writeln!(writer)?;
            for sentence in &comparison.answer {
                writeln!(writer, "{}", printable(sentence))?;
            }
        }
        for runtime in comparison.run.runtimes.iter().filter(|runtime| runtime.skipped.is_none()) {
            failed(comparison, runtime, Some(&runtime.name) == first.as_ref(), writer)?;
        }
        footer(comparison, writer)
    }
}

pub(super) fn skipped(runtime: &RuntimeInfo, writer: &mut dyn Write) -> io::Result<()> {
    let reason = printable(runtime.skipped.as_deref().unwrap_or_default());
    let must = if runtime.required { " It is required, so the run fails." } else { "" };
    match &runtime.mend {
        Some(mend) => writeln!(writer, "SKIPPED {}: {reason}.{must} To fix it: {mend}", runtime.name),
        None => writeln!(writer, "SKIPPED {}: {reason}.{must}", runtime.name),
    }
}

/// The heading of a runtime: `crun 1.8.1, rootful, private cgroup view · seed 7 · 41 s`.
pub(super) fn headline(comparison: &Comparison, runtime: &RuntimeInfo) -> String {
    let words = [runtime.version.as_str(), runtime.mode.as_str()].map(printable);
    let version = if words[0].is_empty() { String::new() } else { format!(" {}", words[0]) };
    let mode = if words[1].is_empty() { String::new() } else { format!(", {}", words[1]) };
    let quick = if comparison.run.quick { ", quick" } else { "" };
    let seconds = seconds(comparison.run.wall_ns);
    format!("{}{version}{mode} · seed {}{quick} · {seconds}", runtime.name, comparison.run.seed)
}

fn rows(comparison: &Comparison, runtime: &RuntimeInfo, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "{}        said by the spike (a design note) / measured", headline(comparison, runtime))?;
    let mut table = empty_table(&HEADS);
    let own = || comparison.rows.iter().filter(|row| row.runtime == runtime.name);
    for row in own() {
        let cells = words(row).map(|word| {
            let cell = comfy_table::Cell::new(word.text);
            if word.broken { cell.fg(comfy_table::Color::DarkRed) } else { cell }
        });
        table.add_row(std::iter::once(comfy_table::Cell::new(name(row))).chain(cells));
    }
    lines(&table, writer)?;
    if comparison.rows.iter().any(|row| row.recommended) {
        writeln!(writer, "* recommended by the spike.")?;
    }
    writeln!(writer, "{LEGEND}")?;
    let figures: Vec<_> = own().map(|row| (name(row), figures(&row.figures, row.at_exit))).collect();
    // Without a cell that measures time or cost there is nothing to show.
    if figures.iter().all(|(_, words)| words.iter().all(|word| word == "-")) {
        return Ok(());
    }
    let mut table = empty_table(&FIGURES);
    for (name, words) in figures.into_iter().chain(control(comparison, runtime)) {
        table.add_row(std::iter::once(name).chain(words));
    }
    writeln!(writer)?;
    lines(&table, writer)?;
    writeln!(writer, "{FIGURES_LEGEND}")
}

/// The name and the figures of the control on a runtime.
pub(super) fn control(comparison: &Comparison, runtime: &RuntimeInfo) -> Option<(String, [String; 7])> {
    let control = comparison.controls.iter().find(|one| one.runtime == runtime.name)?;
    Some(("(control)".to_owned(), figures(&control.figures, false)))
}

fn empty_table(heads: &[&str]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).enforce_styling();
    table.set_header(std::iter::once(&"").chain(heads));
    table
}

fn lines(table: &comfy_table::Table, writer: &mut dyn Write) -> io::Result<()> {
    table.lines().try_for_each(|line| writeln!(writer, "{}", line.trim_end()))
}

fn agreements(comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
    for agreement in &comparison.agreements {
        let (runtime, reference) = (&agreement.runtime, &agreement.reference);
        writeln!(
            writer,
            "{runtime} agrees with {reference} on {} of {} cells, races aside (crun-capture compare --runtime {runtime})",
            agreement.same, agreement.both
        )?;
        for Difference { reason, cells } in &agreement.different {
            let more = cells.len().saturating_sub(LISTED_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let listed = cells[..cells.len().min(LISTED_MAX)].join(", ");
            writeln!(writer, "  not on {}: {}", printable(&listed) + &more, printable(reason))?;
        }
    }
    Ok(())
}

/// Writes the failures of a runtime: all of them if `full`, or else only the unexpected ones.
fn failed(comparison: &Comparison, runtime: &RuntimeInfo, full: bool, writer: &mut dyn Write) -> io::Result<()> {
    let all = failures(comparison, &runtime.name);
    let shown = all.iter().filter(|failure| full || !failure.expected);
    for (at, failure) in shown.enumerate() {
        if at == 0 {
            writeln!(writer, "\nFailed on {}:", runtime.name)?;
        }
        let word = if failure.expected { "" } else { "UNEXPECTED " };
        writeln!(writer, "  {BROKEN}{word}{}{BROKEN:#}: {}", printable(&failure.cells()), failure.broken())?;
        writeln!(writer, "    {}", failure.reason)?;
        writeln!(writer, "    {}", failure.repeat())?;
    }
    Ok(())
}

fn footer(comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
    for left in &comparison.run.left_behind {
        writeln!(writer, "\nLEFT BEHIND by some cell, nobody can tell which: {}", printable(left))?;
    }
    let counts = comparison.counts();
    let failures = match (counts.fail, counts.unexpected) {
        (0, 0) => "no failures".to_owned(),
        (fail, 0) => format!("{fail} failures, all expected (the list of expected failures has their reasons)"),
        (fail, unexpected) => format!("{fail} failures, {unexpected} UNEXPECTED results"),
    };
    let rest = [
        (counts.told, "with a loss that nobody could prevent and that was told"),
        (counts.cannot, "lost or refused output for want of a capability that was never declared"),
        (counts.unsupported, "unsupported"),
        (counts.not_measured, "not measured"),
        (counts.skipped, "skipped"),
    ];
    let rest: String =
        rest.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!(" · {count} {what}")).collect();
    writeln!(writer, "\n{} cells · {} passed · {failures}{rest}", counts.cells, counts.pass)?;
    if comparison.run.quick {
        write!(writer, "--quick: fewer and shorter lines, smaller crowds, and a deadline of 3 s instead of 10 s")?;
        match comparison.run.left_out.as_slice() {
            [] => writeln!(writer, ".")?,
            left => writeln!(writer, "; left out: {}.", left.join(", "))?,
        }
    }
    Ok(())
}
