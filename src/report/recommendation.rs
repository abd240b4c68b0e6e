//! The recommendation, for a terminal.

use super::words::printable;
use crate::comparison::{Candidate, Recommendation, Shown};
use crate::strategy::Capability;
use crate::text::{mebibytes, time};
use std::io::{self, Write};

/// Writes the recommendation.
///
/// # Errors
/// The writer fails.
pub fn write_recommendation(recommendation: &Recommendation, writer: &mut dyn Write) -> io::Result<()> {
    let needs = recommendation.needs.iter().map(|need| need.name()).collect::<Vec<_>>().join(", ");
    writeln!(writer, "Needed: {needs}. Measured on {}.\n", printable(&recommendation.runtime))?;
    match recommendation.winner() {
        Some(winner) => {
            writeln!(writer, "{} does all of it, and breaks no duty.", winner.strategy)?;
            let cannot: Vec<&str> = winner.cannot.iter().map(|shown| shown.what.as_str()).collect();
            if !cannot.is_empty() {
                writeln!(writer, "What it cannot do: {}.", cannot.join(", "))?;
            }
        }
        None => writeln!(writer, "No strategy does all of it and keeps every duty.")?,
    }
    for candidate in &recommendation.candidates {
        writeln!(writer)?;
        one(candidate, writer)?;
    }
    Ok(())
}

fn one(candidate: &Candidate, writer: &mut dyn Write) -> io::Result<()> {
    let star = if candidate.recommended_by_spike {
        " (recommended by the spike, a design note for a Nomad task driver that compared five ways of capturing the \
         output of `crun run`)"
    } else {
        ""
    };
    let word = match (candidate.meets, candidate.broken_duties.is_empty()) {
        (true, true) => "does it",
        (true, false) => "does it, but breaks duties",
        (false, _) => "does not",
    };
    writeln!(writer, "{:<10} {word}{star}: {}", candidate.strategy, cost(candidate))?;
    for shown in &candidate.missing {
        lacking("misses", shown, writer)?;
    }
    for shown in &candidate.broken_duties {
        lacking("breaks", shown, writer)?;
    }
    if candidate.meets {
        for shown in &candidate.cannot {
            lacking("cannot", shown, writer)?;
        }
    }
    Ok(())
}

/// The cost in words: `118 ns of CPU per line (1.3 x the control), 3.5 MiB, p50 8.3 us (1.1 x)`.
fn cost(candidate: &Candidate) -> String {
    let figures = &candidate.figures;
    let times =
        |ratio: Option<f64>, what: &str| ratio.map(|ratio| format!(" ({ratio:.1} x{what})")).unwrap_or_default();
    let of_control = times(figures.cpu_ratio, " the control's");
    let cpu = figures.cpu_ns_a_line.map(|ns| format!("{ns} ns of CPU per line{of_control}"));
    let rss = figures.max_rss_bytes.map(|bytes| format!("{} MiB", mebibytes(bytes)));
    let of_control = times(figures.latency_p50_ratio, "");
    let latency = figures.latency_p50_ns.map(|ns| format!("p50 {}{of_control}", time(ns)));
    let words: Vec<String> = [cpu, rss, latency].into_iter().flatten().collect();
    if words.is_empty() { "its cost was not measured".to_owned() } else { words.join(", ") }
}

fn lacking(word: &str, shown: &Shown, writer: &mut dyn Write) -> io::Result<()> {
    let summary = Capability::ALL.into_iter().find(|one| one.name() == shown.what).map(Capability::summary);
    let summary = summary.map(|summary| format!(" ({summary})")).unwrap_or_default();
    writeln!(writer, "  {word} {}{summary}", shown.what)?;
    if let Some(why) = &shown.why {
        writeln!(writer, "    {}", printable(why))?;
    }
    match &shown.cell {
        Some(cell) => writeln!(writer, "    crun-capture explain {}", printable(cell)),
        None => writeln!(writer, "    no case of this run tries it"),
    }
}
