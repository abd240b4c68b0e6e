//! One file a verb; each calls the stages in order.

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

/// An internal or I/O error.
const FAILED: u8 = 1;

/// Bad usage: clap's own code too.
const USAGE: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes: 0 as expected; 1 internal or I/O error; 2 usage; 4 nothing was run; 100 an unexpected result, a verdict other than the recorded one, \
or a required runtime is missing; 130 interrupted (what was done is saved). Where several apply: 130, 100, 4. \
`capture` exits as the command did: 128 + n for a signal, 125 when the capture failed, 126 and 127 when the command \
could not be run.";

/// Measures how ways of capturing a container's stdout and stderr behave, on real and fake crun.
#[derive(Parser)]
#[command(version, after_long_help = EXIT_CODES, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run every strategy on real and fake crun, and compare
    Compare(compare::Arguments),
    /// Put every claim of the spike on trial
    #[command(after_long_help = claims::DETAILS)]
    Claims(claims::Arguments),
    /// Run one cell again and draw what was written, delivered, stalled and lost
    #[command(after_long_help = explain::DETAILS)]
    Explain(explain::Arguments),
    /// Say which strategies do what you need, by measurement here
    Recommend(recommend::Arguments),
    /// Capture one command of your own with one strategy
    #[command(after_long_help = capture::DETAILS)]
    Capture(capture::Arguments),
    /// Print the report of a stored run again
    Report(report::Arguments),
    /// List what there is
    List(list::Arguments),
    /// Tell what this machine can run, why not, and the command that mends it
    Doctor(doctor::Arguments),
    /// Print the completions for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Stand before a runtime: give it a cgroup view, or wait for its detached container
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
            // Whoever reads our output may stop reading: `crun-capture list | head -1` is no failure.
            if is_broken_pipe(&error) {
                return ExitCode::SUCCESS;
            }
            complain(&format!("{error:#}"));
            ExitCode::from(if error.is::<Usage>() { USAGE } else { FAILED })
        }
    }
}

/// What is wrong with what the user typed.
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

/// Says something on stderr. That nobody can read it is no reason to fail.
fn complain(message: &str) {
    let _nobody_reads_it = writeln!(io::stderr(), "crun-capture: {message}");
}

/// Whether a person watches.
fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// The candidate nearest to what the user typed, for a message; None where nothing is near.
fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (strsim::jaro_winkler(typed, candidate), candidate));
    scored.filter(|(score, _)| *score > 0.6).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, candidate)| candidate)
}

/// `there is no KIND "tea"; did you mean …? There are: …`.
fn unknown(kind: &str, typed: &str, candidates: &[&str]) -> anyhow::Error {
    let hint = nearest(typed, candidates.iter().copied());
    let hint = hint.map(|hint| format!("did you mean {hint:?}? ")).unwrap_or_default();
    Usage(format!("there is no {kind} {typed:?}; {hint}There are: {}", candidates.join(", "))).into()
}

/// Refuses a list that names something twice: its cells would share an id.
fn refuse_twice<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Usage(format!("the {kind} {name:?} is named twice")).into());
        }
    }
    Ok(())
}
