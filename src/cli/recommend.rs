//! `recommend`: measures on this machine which strategies do what the user needs.

use super::compare::{expectations, interrupted, tell_of_output};
use super::prepare::{self, DEADLINE_QUICK, Progress, worded};
use super::{Usage, report};
use clap::ValueEnum;
use crun_capture::capturer::Capturer;
use crun_capture::comparison::{Comparison, Recommendation, USES};
use crun_capture::plan::Selection;
use crun_capture::report::write_recommendation;
use crun_capture::session::{self, Destination, Measured, Request, Runtimes};
use crun_capture::strategy::Capability;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What the strategy must be able to do; `crun-capture list capabilities` explains each
    #[arg(long, value_name = "CAPABILITY", required_unless_present = "uses", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(Capability::ALL.map(Capability::name)))]
    need: Vec<String>,
    /// The needs of a kind of driver, in place of a list
    #[arg(long = "for", value_name = "USE", value_parser = clap::builder::PossibleValuesParser::new(USES.iter().map(|one| one.name)))]
    uses: Vec<String>,
    /// The runtime: a name, or LABEL=PATH [default: crun, or fake if crun does not work here]
    #[arg(long, value_name = "RUNTIME", conflicts_with = "from")]
    runtime: Option<String>,
    /// Use this stored run instead of a new one
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// The output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let needs = needs(arguments);
    let comparison = match &arguments.from {
        Some(from) => report::stored(from)?,
        None => match measured(arguments)? {
            Some(comparison) => comparison,
            None => return Ok(130),
        },
    };
    if comparison.rows.is_empty() {
        return Err(Usage("that run measured nothing: name another one with --from".to_owned()).into());
    }
    let recommendation = Recommendation::new(&comparison, &needs);
    let mut stdout = BufWriter::new(anstream::stdout());
    match arguments.format {
        Format::Text => write_recommendation(&recommendation, &mut stdout)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut stdout, &recommendation)?;
            writeln!(stdout)?;
        }
    }
    stdout.flush()?;
    Ok(0)
}

/// The capabilities that were named, and those that the uses need, each once.
fn needs(arguments: &Arguments) -> Vec<Capability> {
    let named = Capability::ALL.into_iter().filter(|one| arguments.need.iter().any(|name| name == one.name()));
    let used = USES.iter().filter(|one| arguments.uses.iter().any(|name| name == one.name));
    let mut needs: Vec<Capability> = named.chain(used.flat_map(|one| one.needs.iter().copied())).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Measures every strategy on one runtime, in every case that shows a capability or a duty. None: the run was
/// interrupted.
fn measured(arguments: &Arguments) -> anyhow::Result<Option<Comparison>> {
    let named: Vec<String> = arguments.runtime.iter().cloned().collect();
    let mut capturers = prepare::capturers(&[], &[])?;
    capturers.push(Capturer::control(&prepare::own_path()?));
    let request = Request {
        runtimes: Runtimes::FirstThatWorks(prepare::runtimes(&named, &[])?),
        capturers,
        selection: Selection::Everything,
        runs: 1,
        quick: true,
        seed: prepare::seed(None),
        deadline: DEADLINE_QUICK,
        jobs: Request::jobs_of_this_machine(),
        expectations: expectations(None, &[])?,
        output: Destination::Default,
        repeat_options: String::new(),
    };
    let host = prepare::host()?;
    let progress = Progress::that_says(|runtime| format!("measuring every strategy on {runtime}"));
    let Measured { ran, findings } = session::measure(&request, &host, &progress).map_err(worded)?;
    host.close()?;
    tell_of_output(&ran.output, ran.not_latest.as_deref());
    if interrupted(&ran).is_some() {
        return Ok(None);
    }
    Ok(Some(Comparison::new(ran.run, &findings, &request.expectations)))
}
