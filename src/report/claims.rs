//! The claims of the spike, a design note for a Nomad task driver, with their verdicts: as text for a terminal, as JSON
//! for programs, and as a Markdown report in the order of the spike's.

use super::words::printable;
use crate::claim::{Tried, Verdict};
use crate::machine::Machine;
use crate::recording::RuntimeInfo;
use crate::text::time;
use anstyle::{AnsiColor, Style};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, Write};

/// What `claims --format json` writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClaimsExport {
    /// The version of this format.
    pub schema_version: u32,
    /// Name and version of the program.
    pub tool: String,
    /// Where.
    pub machine: Machine,
    /// On which runtime.
    pub runtime: RuntimeInfo,
    /// Less of everything.
    pub quick: bool,
    /// Determines scripts and order.
    pub seed: u64,
    /// The claims, in the order of the spike.
    pub claims: Vec<Tried>,
}

impl ClaimsExport {
    fn count(&self, verdict: Verdict) -> usize {
        self.claims.iter().filter(|tried| tried.verdict == verdict).count()
    }

    /// The counts in words: `45 claims: 13 confirmed, …`.
    fn counts(&self) -> String {
        let counts =
            Verdict::ALL.map(|verdict| format!("{} {}", self.count(verdict), verdict.word().replace('_', " ")));
        format!("{} claims: {}", self.claims.len(), counts.join(", "))
    }

    fn place(&self) -> String {
        let words = [&self.runtime.name, &self.runtime.version].map(|word| printable(word));
        let mode =
            if self.runtime.mode.is_empty() { String::new() } else { format!(", {}", printable(&self.runtime.mode)) };
        let quick = if self.quick { ", quick" } else { "" };
        format!("{}{mode} · seed {}{quick}", words.join(" "), self.seed)
    }
}

/// The style of a refuted verdict. Nothing else has a colour.
const REFUTED: Style = AnsiColor::Red.on_default();

/// Writes the claims for a terminal.
///
/// # Errors
/// The writer fails.
pub fn write_claims_text(export: &ClaimsExport, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "{}", export.place())?;
    for tried in &export.claims {
        let word = tried.verdict.word().replace('_', " ");
        let style = if tried.verdict == Verdict::Refuted { REFUTED } else { Style::new() };
        let differs = if tried.differs() { "  UNEXPECTED" } else { "" };
        writeln!(writer, "\n{style}{word:<12}{style:#} {}{differs}", tried.id)?;
        writeln!(writer, "  the spike: {}", tried.says)?;
        writeln!(writer, "  {}", printable(&sentence(&tried.why)))?;
        if !tried.evidence.is_empty() {
            writeln!(writer, "  {}", numbers(tried))?;
        }
        writeln!(writer, "  {}", tried.repeat)?;
    }
    writeln!(writer, "\n{}", export.counts())
}

/// Writes the spike's report in Markdown, with evidence.
///
/// # Errors
/// The writer fails.
pub fn write_claims_markdown(export: &ClaimsExport, writer: &mut dyn Write) -> io::Result<()> {
    writeln!(writer, "# Spike 1: crun stdout/stderr capture, repeated with evidence\n")?;
    writeln!(
        writer,
        "Each claim of the spike, with the verdict of one run. The spike is a design note for a Nomad task driver that compared\n\
         five ways of capturing the stdout and stderr of `crun run`. Verdicts are computed from findings. The numbers come from\n\
         one run on one machine. Each claim has the command that measures it again.\n"
    )?;
    let machine = &export.machine;
    writeln!(
        writer,
        "{} · {} · {} × {} · {}\n",
        export.tool,
        export.place(),
        machine.cpus,
        printable(&machine.cpu),
        machine.kernel
    )?;
    writeln!(writer, "{}.\n", export.counts())?;
    writeln!(writer, "| claim | verdict | why |\n|---|---|---|")?;
    for tried in &export.claims {
        let verdict = tried.verdict.word().replace('_', " ");
        writeln!(writer, "| [{}](#{}) | {verdict} | {} |", tried.id, anchor(&tried.id), cell(&sentence(&tried.why)))?;
    }
    let mut group = "";
    for tried in &export.claims {
        let own = tried.id.split('/').next().unwrap_or_default();
        if own != group {
            group = own;
            writeln!(writer, "\n## {}", heading(group))?;
        }
        writeln!(writer, "\n### {}\n", tried.id)?;
        writeln!(writer, "> {}\n", tried.says)?;
        writeln!(writer, "**{}**: {}\n", tried.verdict.word().replace('_', " "), cell(&sentence(&tried.why)))?;
        if !tried.evidence.is_empty() {
            writeln!(writer, "{}\n", cell(&numbers(tried)))?;
        }
        writeln!(writer, "```sh\n{}\n```", tried.repeat)?;
    }
    Ok(())
}

fn heading(group: &str) -> &str {
    match group {
        "current" => "Today's way",
        "table" => "The table of capture methods",
        "finding" => "The key findings",
        "recommend" => "The recommendation",
        "arch" => "The architecture",
        "buffer" => "Buffering strategy",
        "rate" => "Rate limiting",
        "memory" => "Memory management",
        "verify" => "The manual test results",
        "conclusion" => "The conclusion",
        other => other,
    }
}

/// The anchor that GitHub makes from a heading.
fn anchor(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect()
}

/// Text that can stand in a cell of a Markdown table.
fn cell(text: &str) -> String {
    printable(text).replace('|', "\\|").replace('<', "&lt;")
}

fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// The evidence in words: `latency_p50 8.3 us · lost 0 bytes`.
fn numbers(tried: &Tried) -> String {
    let number = |(name, value): (&String, &Value)| match (name.strip_suffix("_ns"), name.strip_suffix("_bytes"), value)
    {
        (Some(name), _, Value::Number(ns)) => format!("{name} {}", time(ns.as_u64().unwrap_or(0))),
        (_, Some(name), Value::Number(bytes)) => format!("{name} {} bytes", bytes),
        (_, _, Value::Number(number)) if number.is_f64() => format!("{name} {:.3}", number.as_f64().unwrap_or(0.0))
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
        (_, _, Value::String(text)) => format!("{name}: {text}"),
        (_, _, Value::Null) => format!("{name} -"),
        (_, _, value) => format!("{name} {value}"),
    };
    printable(&tried.evidence.iter().map(number).collect::<Vec<_>>().join(" · "))
}
