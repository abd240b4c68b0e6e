//! The command line: one file per verb. Each verb calls the stages in order.

mod capture;
mod claims;
mod compare;
mod doctor;
mod explain;
mod export;
mod front;
mod list;
mod own_bundle;
mod prepare;
mod recommend;
mod report;

use clap::{CommandFactory, Parser, Subcommand};
use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// The exit code of an internal or I/O error.
const FAILED: u8 = 1;

/// The exit code of bad usage. clap uses the same one.
const USAGE: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes: 0 as expected; 1 internal or I/O error; 2 bad usage; 4 nothing was run; 5 more than 2% of the \
cells could not be measured, because the machine was too busy or one of its limits too low; 100 an unexpected result, a \
verdict that differs from the recorded one, or a required runtime that is missing; 130 interrupted (the results so \
far are saved). If several apply, the first of 130, 100, 4 and 5 counts. `capture` exits with the code of its command: \
128 + n if signal n killed it, 125 if the capture failed, 126 or 127 if the command could not be run.";

/// Measures how different ways of capturing a container's stdout and stderr behave, on real and fake crun.
#[derive(Parser)]
#[command(version, after_long_help = EXIT_CODES, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run every strategy on real and fake crun, and compare what they do
    Compare(compare::Arguments),
    /// Try every claim of the spike, a design note for a Nomad task driver that compared five ways of capturing the
    /// output of `crun run`
    #[command(after_long_help = claims::DETAILS)]
    Claims(claims::Arguments),
    /// Run one cell again and draw what was written, delivered, stalled and lost
    #[command(after_long_help = explain::DETAILS)]
    Explain(explain::Arguments),
    /// Measure which strategies do what you need on this machine
    Recommend(recommend::Arguments),
    /// Capture a command of your own with one strategy
    #[command(after_long_help = capture::DETAILS)]
    Capture(capture::Arguments),
    /// Print the report of a stored run again
    Report(report::Arguments),
    /// List the strategies, experiments, runtimes, claims and so on
    List(list::Arguments),
    /// Report which runtimes work on this machine, why the others do not, and the command that fixes it
    Doctor(doctor::Arguments),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Run in front of a runtime: give it a cgroup view, or wait for its detached container
    #[command(hide = true)]
    Front(front::Arguments),
}

/// Parses the command line and runs the verb.
pub(crate) fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Compare(arguments) => match &arguments.bundle {
            Some(bundle) => own_bundle::run(&arguments, bundle),
            None => compare::run(&arguments),
        },
        Verb::Capture(arguments) => return ExitCode::from(capture::run(&arguments)),
        Verb::Claims(arguments) => claims::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Recommend(arguments) => recommend::run(&arguments),
        Verb::Report(arguments) => report::run(&arguments),
        Verb::List(arguments) => list::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Completions { shell } => completions(shell),
        Verb::Front(arguments) => return ExitCode::from(front::run(&arguments)),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Whoever reads our output may stop reading: `crun-capture list | head -1` must not fail.
            if is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            complain(&format!("{error:#}"));
            ExitCode::from(if error.is::<Usage>() { USAGE } else { FAILED })
        }
    }
}

/// An error in what the user typed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

fn completions(shell: clap_complete::Shell) -> anyhow::Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "crun-capture", &mut script);
    io::stdout().write_all(&script)?;
    Ok(0)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
            || cause
                .downcast_ref::<serde_json::Error>()
                .is_some_and(|error| error.io_error_kind() == Some(io::ErrorKind::BrokenPipe))
    })
}

/// Prints a message on stderr. It is no failure if nobody can read it.
fn complain(message: &str) {
    let _nobody_reads_it = writeln!(io::stderr(), "crun-capture: {message}");
}

/// Whether a person watches: stderr is a terminal.
fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// The candidate that is nearest to what the user typed, for a message. None: nothing is near.
fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate));
    scored.filter(|(score, _)| *score > 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// The error `there is no KIND "tea"; did you mean …? choose one of: …`.
fn unknown(kind: &str, typed: &str, candidates: &[&str]) -> anyhow::Error {
    let hint = nearest(typed, candidates.iter().copied());
    let hint = hint.map(|hint| format!("did you mean {hint:?}? ")).unwrap_or_default();
    Usage(format!("there is no {kind} {typed:?}; {hint}choose one of: {}", candidates.join(", "))).into()
}

/// Refuses a list that names something twice, because its cells would share an id.
fn refuse_twice<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Usage(format!("the {kind} {name:?} is named twice: name it once")).into());
        }
    }
    Ok(())
}
