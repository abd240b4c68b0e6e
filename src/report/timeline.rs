//! The drawing of one cell: what was written and delivered, and when; with the verdict and the sources of the
//! experiment.

use super::table::headline;
use super::words::printable;
use crate::analysis::{Fate, Findings, fates};
use crate::comparison::{CellResult, Comparison, Outlook, Verdict};
use crate::experiment::{Experiment, failures};
use crate::finding::names;
use crate::recording::Recording;
use crate::script::journal::Write as Written;
use crate::text::time;
use anstyle::{AnsiColor, Style};
use crun_capture_reactor::{Origin, Stream};
use std::io::{self, Write};

/// A cell to be explained.
pub struct Explained<'a> {
    /// The cell's recording.
    pub recording: &'a Recording,
    /// The comparison of this cell alone, with its verdict.
    pub comparison: &'a Comparison,
    /// The experiment of the cell.
    pub experiment: &'a Experiment,
    /// What is expected of each strategy in this cell.
    pub outlooks: &'a [Outlook],
    /// The width in columns.
    pub width: usize,
}

/// Colour marks what is broken, and nothing else.
const BROKEN: Style = AnsiColor::Red.on_default();

/// The width of the margin before each line of the drawing.
const MARGIN: usize = 15;

/// The marks for one, several, and ten or more writes or deliveries in a column.
const SHADES: [char; 3] = ['.', ':', '#'];

/// A write that takes this long was blocked.
const BLOCKED_NS: u64 = 1_000_000;

/// Writes the whole explanation.
///
/// # Errors
/// The writer fails.
pub fn write_explained(explained: &Explained<'_>, writer: &mut dyn Write) -> io::Result<()> {
    let Some(cell) = explained.comparison.cells.first() else { return Ok(()) };
    let runtime = explained.comparison.run.runtimes.first();
    writeln!(
        writer,
        "{} · {}",
        printable(&cell.id),
        runtime.map_or(String::new(), |it| headline(explained.comparison, it))
    )?;
    writeln!(writer, "{}", explained.experiment.question)?;
    if let Some(stimulus) = &explained.recording.facts.stimulus {
        let known = crate::experiment::stimulus::ALL.iter().find(|one| one.name() == stimulus);
        writeln!(writer, "Meanwhile {}.", known.map_or(stimulus.as_str(), |one| one.summary()))?;
    }
    writeln!(writer)?;
    Drawing::new(explained).write(writer)?;
    writeln!(writer)?;
    verdict(cell, writer)?;
    if let Some(found) = &cell.findings {
        numbers(found, writer)?;
    }
    origins(explained.experiment, writer)?;
    outlooks(explained, writer)?;
    writeln!(writer, "\n{}", printable(&cell.repeat))
}

/// A drawing over time.
struct Drawing<'a> {
    recording: &'a Recording,
    from_ns: u64,
    to_ns: u64,
    columns: usize,
    fates: Vec<Fate>,
}

/// The content of one column.
#[derive(Clone, Copy, Default)]
struct Column {
    count: u64,
    blocked: bool,
}

impl<'a> Drawing<'a> {
    fn new(explained: &Explained<'a>) -> Drawing<'a> {
        let recording = explained.recording;
        let facts = &recording.facts;
        let writes = recording.journal.as_ref().map_or(&[][..], |journal| &journal.writes);
        let first_delivery = recording.deliveries.iter().map(|delivered| delivered.at_ns).min();
        let from_ns = writes.first().map(|write| write.before_ns).or(first_delivery).unwrap_or(facts.started_ns);
        let ended = |write: &Written| if write.after_ns == 0 { facts.capturer_ended_ns } else { write.after_ns };
        let last_write = writes.iter().map(ended).max();
        let last_delivery = recording.deliveries.iter().map(|delivered| delivered.at_ns).max();
        let last_note = facts.notes.iter().map(|(at_ns, _)| *at_ns).max();
        let to_ns = [last_write, last_delivery, last_note].into_iter().flatten().max().unwrap_or(from_ns);
        // The end of the program is a part of the drawing if it is not far off.
        let near = from_ns + (to_ns - from_ns).max(1) * 2;
        let to_ns = facts.init_ended_ns.filter(|&ended_ns| ended_ns < near).unwrap_or(to_ns).max(to_ns);
        let columns = explained.width.saturating_sub(MARGIN).max(20);
        Drawing { recording, from_ns, to_ns: to_ns.max(from_ns + 1), columns, fates: fates(recording) }
    }

    fn column(&self, at_ns: u64) -> usize {
        let span = u128::from(self.to_ns - self.from_ns);
        let at = u128::from(at_ns.saturating_sub(self.from_ns)) * (self.columns as u128 - 1) / span;
        (at as usize).min(self.columns - 1)
    }

    fn write(&self, writer: &mut dyn Write) -> io::Result<()> {
        let end = time(self.to_ns - self.from_ns);
        writeln!(writer, "{:MARGIN$}0{end:>width$}", "", width = self.columns - 1)?;
        let writes = self.recording.journal.as_ref().map_or(&[][..], |journal| &journal.writes);
        let merged = self.recording.deliveries.iter().any(|delivered| delivered.origin == Origin::Merged);
        for stream in Stream::BOTH {
            let name = format!("{stream:?}").to_lowercase();
            let own = || writes.iter().filter(|write| write.stream == stream);
            if own().next().is_some() {
                self.line(&format!("{name} written"), &self.written(own()), writer)?;
            }
            let delivered = self.delivered(Origin::from(stream));
            self.fates(stream, writer)?;
            if !merged && (own().next().is_some() || delivered.iter().any(|column| column.count > 0)) {
                self.line("delivered", &delivered, writer)?;
            }
        }
        if merged {
            self.line("both delivered", &self.delivered(Origin::Merged), writer)?;
        }
        self.marks(writer)
    }

    fn written<'w>(&self, writes: impl Iterator<Item = &'w Written>) -> Vec<Column> {
        let mut columns = vec![Column::default(); self.columns];
        for write in writes {
            let after_ns = if write.after_ns == 0 { self.to_ns } else { write.after_ns };
            let (first, last) = (self.column(write.before_ns), self.column(after_ns));
            columns[first].count += 1;
            if after_ns.saturating_sub(write.before_ns) >= BLOCKED_NS {
                columns[first + 1..=last.max(first)].iter_mut().for_each(|column| column.blocked = true);
            }
        }
        columns
    }

    /// Marks, below what was written, the lines that are lost and those that came in another order.
    fn fates(&self, stream: Stream, writer: &mut dyn Write) -> io::Result<()> {
        let mut drawn = vec![' '; self.columns];
        for fate in self.fates.iter().filter(|fate| fate.stream == stream) {
            let Some(written_ns) = fate.written_ns else { continue };
            let mark = match (fate.delivered_ns, fate.swapped) {
                (None, _) => 'x',
                (Some(_), true) => '%',
                (Some(_), false) => continue,
            };
            let place = &mut drawn[self.column(written_ns)];
            // A lost line is worse than a swapped one.
            if *place != 'x' {
                *place = mark;
            }
        }
        if drawn.iter().all(|mark| *mark == ' ') {
            return Ok(());
        }
        let drawn: String = drawn.iter().collect();
        writeln!(writer, "{:>width$}  {BROKEN}{}{BROKEN:#}", "lost, swapped", drawn.trim_end(), width = MARGIN - 2)
    }

    fn delivered(&self, origin: Origin) -> Vec<Column> {
        let mut columns = vec![Column::default(); self.columns];
        for delivered in self.recording.deliveries.iter().filter(|delivered| delivered.origin == origin) {
            columns[self.column(delivered.at_ns)].count += 1;
        }
        columns
    }

    fn line(&self, name: &str, columns: &[Column], writer: &mut dyn Write) -> io::Result<()> {
        let shade = |column: &Column| match (column.count, column.blocked) {
            (0, true) => '=',
            (0, false) => ' ',
            (1, _) => SHADES[0],
            (2..=9, _) => SHADES[1],
            _ => SHADES[2],
        };
        let drawn: String = columns.iter().map(shade).collect();
        writeln!(writer, "{name:>width$}  {}", drawn.trim_end(), width = MARGIN - 2)
    }

    /// Marks the events by letters below the drawing, and says what each letter means.
    fn marks(&self, writer: &mut dyn Write) -> io::Result<()> {
        let facts = &self.recording.facts;
        let mut marks: Vec<(u64, String)> = facts.notes.clone();
        marks.extend(facts.init_ended_ns.map(|at_ns| (at_ns, "no process of the program is left".to_owned())));
        let end = if facts.deadline_hit { "the deadline: the capturer is killed" } else { "the capturer has ended" };
        marks.push((facts.capturer_ended_ns, end.to_owned()));
        marks.sort();
        let mut drawn = vec![' '; self.columns];
        for (letter, (at_ns, _)) in ('a'..='z').zip(&marks).filter(|(_, (at_ns, _))| *at_ns <= self.to_ns) {
            let column = self.column(*at_ns);
            // Two letters for one column stand side by side.
            let free = (column..self.columns).chain((0..column).rev()).find(|&at| drawn[at] == ' ');
            if let Some(free) = free {
                drawn[free] = letter;
            }
        }
        writeln!(writer, "{:MARGIN$}{}", "", drawn.iter().collect::<String>().trim_end())?;
        writeln!(
            writer,
            "{:MARGIN$}. : # one, several, ten or more    = blocked in write(2)    x lost    % swapped with the other stream",
            ""
        )?;
        for (letter, (at_ns, what)) in ('a'..='z').zip(&marks) {
            let at = time(at_ns.saturating_sub(self.from_ns));
            writeln!(writer, "  {letter} {at:>10}  {}", printable(what))?;
        }
        Ok(())
    }
}

fn verdict(cell: &CellResult, writer: &mut dyn Write) -> io::Result<()> {
    let broken = names(&cell.broken);
    match (cell.verdict, cell.expected) {
        (Verdict::Fail, true) => writeln!(writer, "{BROKEN}Fails, as expected{BROKEN:#}: {broken}")?,
        (Verdict::Fail, false) => writeln!(writer, "{BROKEN}FAILS, and nobody expected it{BROKEN:#}: {broken}")?,
        (Verdict::Cannot, true) => {
            let names: Vec<&str> = cell.cannot.iter().map(|one| one.name()).collect();
            writeln!(writer, "Cannot, and never said that it can: {}", names.join(", "))?;
        }
        (Verdict::Told, true) => writeln!(writer, "Told: output was lost that nobody could keep here.")?,
        (_, true) => writeln!(
            writer,
            "Passes: it breaks no duty and nothing that it declares. It may still do what it never declared to avoid:"
        )?,
        (_, false) => writeln!(writer, "Passes, although a failure was expected.")?,
    }
    match &cell.reason {
        Some(reason) => writeln!(writer, "  {}", printable(reason)),
        None => Ok(()),
    }
}

/// Writes the measured numbers that are not zero.
fn numbers(found: &Findings, writer: &mut dyn Write) -> io::Result<()> {
    let count = |value: u64, what: &str| (value > 0).then(|| format!("{value} {what}"));
    let span = |value: Option<u64>, what: &str| value.filter(|&ns| ns > 0).map(|ns| format!("{what} {}", time(ns)));
    let swapped = found.cross_inversion_rate.filter(|&rate| rate > 0.0);
    let facts = [
        count(found.accepted_lines, "lines accepted by the kernel"),
        count(found.lost_lines, &format!("lost ({} bytes)", found.lost_bytes)),
        count(found.refused_bytes, "bytes refused that a pipe would have taken"),
        count(found.held_lines.unwrap_or(0), "held back while the program waited for them"),
        count(found.altered_lines, "altered"),
        count(found.duplicated_lines, "delivered twice"),
        count(found.foreign_lines, "that nobody wrote"),
        count(found.background_lines, "of a child in the background"),
        count(found.unattributed_lines, "without their stream"),
        count(found.file_lost_bytes.unwrap_or(0), "bytes missing from the files"),
        swapped.map(|rate| format!("{:.0}% of the neighbouring lines on different streams swapped", rate * 100.0)),
        span(found.first_delivery_ns, "first delivery after"),
        span(found.latency_ns.map(|latency| latency.p50), "p50"),
        span(found.latency_ns.map(|latency| latency.p99), "p99"),
        span(found.workload_stalled_ns, "stalled for"),
        span(found.exit_latency_ns, "exit reported after"),
        Some(match found.exit_reported {
            Some(code) if code == found.exit_expected => format!("exit code {code}"),
            Some(code) => format!("exit code {code} instead of {}", found.exit_expected),
            None => "no exit code".to_owned(),
        }),
        found.workload_survived.map(|survived| {
            format!("the program {}", if survived { "reached its end" } else { "did not reach its end" })
        }),
    ];
    writeln!(writer, "  {}", facts.into_iter().flatten().collect::<Vec<_>>().join(" · "))
}

fn origins(experiment: &Experiment, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "\nThe experiment comes from these sources:")?;
    let mut told: Vec<&str> = Vec::new();
    for source in experiment.sources {
        match failures().iter().find(|failure| failure.is_from(source)) {
            Some(failure) if told.contains(&failure.what.as_str()) => {}
            Some(failure) => {
                told.push(&failure.what);
                let own = failure.sources.iter().filter(|one| experiment.sources.contains(&one.as_str()));
                let sources = own.map(String::as_str).collect::<Vec<_>>().join(", ");
                writeln!(writer, "  {sources}: {}", failure.what)?;
            }
            None => writeln!(writer, "  {source}")?,
        }
    }
    Ok(())
}

fn outlooks(explained: &Explained<'_>, writer: &mut dyn Write) -> io::Result<()> {
    let holds = |one: &&Outlook| one.unsupported.is_none() && one.always.is_empty() && one.sometimes.is_empty();
    let holding: Vec<&str> = explained.outlooks.iter().filter(holds).map(|one| one.strategy.as_str()).collect();
    let holding = if holding.is_empty() { "none of the strategies here".to_owned() } else { holding.join(", ") };
    writeln!(writer, "\nThese do not fail here: {holding}")?;
    for outlook in explained.outlooks {
        let name = &outlook.strategy;
        if let Some(reason) = &outlook.unsupported {
            writeln!(writer, "  {name} cannot be tried: {reason}")?;
            continue;
        }
        for (when, findings) in [("always", &outlook.always), ("sometimes", &outlook.sometimes)] {
            if !findings.is_empty() {
                writeln!(writer, "  {name} fails {when}: {}", names(findings))?;
            }
        }
    }
    Ok(())
}
