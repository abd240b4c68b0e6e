//! The Markdown report, for an issue or a pull request.

use super::failures::failures;
use super::words::{FIGURES, HEADS, figures, name, printable, words};
use super::{Report, table};
use crate::comparison::{CapabilityState, Comparison};
use crate::recording::RuntimeInfo;
use crate::strategy::Capability;
use std::io::{self, Write};

/// The report for issues and pull requests.
pub(super) struct Markdown;

impl Report for Markdown {
    fn name(&self) -> &'static str {
        "markdown"
    }

    fn summary(&self) -> &'static str {
        "for an issue or a pull request: the tables, capabilities and failures of every runtime"
    }

    fn write(&self, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
        for sentence in &comparison.answer {
            writeln!(writer, "{}", escape(sentence))?;
        }
        for low in &comparison.run.low_limits {
            writeln!(writer, "\n**Low limit**: {}", escape(&low.words()))?;
        }
        for runtime in &comparison.run.runtimes {
            match &runtime.skipped {
                Some(reason) => writeln!(writer, "\n**{}** skipped: {}", escape(&runtime.name), escape(reason))?,
                None => section(comparison, runtime, writer)?,
            }
        }
        let counts = comparison.counts();
        writeln!(
            writer,
            "\n{} cells: {} pass, {} fail ({} expected), {} told of a loss that nobody could prevent, {} cannot (not \
             declared), {} unexpected results, {} unsupported, {} not measured, {} skipped.",
            counts.cells,
            counts.pass,
            counts.fail,
            counts.expected_failures,
            counts.told,
            counts.cannot,
            counts.unexpected,
            counts.unsupported,
            counts.not_measured,
            counts.skipped
        )
    }
}

fn section(comparison: &Comparison, runtime: &RuntimeInfo, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "\n### {}\n", escape(&table::headline(comparison, runtime)))?;
    writeln!(writer, "| said by the spike / measured | {} |", HEADS.join(" | "))?;
    writeln!(writer, "|---{}|", "|---".repeat(HEADS.len()))?;
    let rows: Vec<_> = comparison.rows.iter().filter(|row| row.runtime == runtime.name).collect();
    for row in &rows {
        let words = words(row).map(|word| {
            let text = escape(word.text.trim());
            if word.broken { format!("**{text}**") } else { text }
        });
        writeln!(writer, "| {} | {} |", escape(&name(row)), words.join(" | "))?;
    }
    writeln!(writer, "\n| beside the control | {} |", FIGURES.join(" | "))?;
    writeln!(writer, "|---{}|", "|---".repeat(FIGURES.len()))?;
    let all = rows.iter().map(|row| (name(row), figures(&row.figures, row.at_exit)));
    for (name, words) in all.chain(table::control(comparison, runtime)) {
        writeln!(writer, "| {} | {} |", escape(&name), words.join(" | "))?;
    }
    writeln!(writer, "\n| declared / measured | {} |", Capability::ALL.map(Capability::name).join(" | "))?;
    writeln!(writer, "|---{}|", "|---".repeat(Capability::ALL.len()))?;
    for row in &rows {
        let states: Vec<String> = row.capabilities.iter().map(state).collect();
        writeln!(writer, "| {} | {} |", escape(&row.strategy), states.join(" | "))?;
    }
    for (at, failure) in failures(comparison, &runtime.name).iter().enumerate() {
        if at == 0 {
            writeln!(writer)?;
        }
        let word = if failure.expected { "" } else { "**unexpected** " };
        let (cells, broken, reason) = (failure.cells(), failure.broken(), &failure.reason);
        let (cells, broken, reason) = (escape(&cells), escape(&broken), escape(reason));
        writeln!(writer, "- {word}{cells}: {broken}. {reason}. `{}`", failure.repeat())?;
    }
    Ok(())
}

fn state(state: &CapabilityState) -> String {
    let measured = match state.measured {
        Some(true) => "yes",
        Some(false) => "no",
        None => "-",
    };
    format!("{}/{measured}", if state.declared { "yes" } else { "no" })
}

/// Escapes a text, so that it neither ends a table cell nor becomes HTML or markup.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in printable(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}
