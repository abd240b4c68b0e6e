//! `recommend`: which strategies do what somebody needs, by measurement on this machine.

use super::compare::{Arguments as Compare, Plan, capturers};
use super::prepare::{self, Chosen};
use super::{Usage, complain, report};
use clap::ValueEnum;
use crun_capture::comparison::{Comparison, Recommendation, USES};
use crun_capture::report::write_recommendation;
use crun_capture::strategy::Capability;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What it must be able to do; crun-capture list capabilities
    #[arg(long, value_name = "CAPABILITY", required_unless_present = "uses", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(Capability::ALL.map(Capability::name)))]
    need: Vec<String>,
    /// What it is for
    #[arg(long = "for", value_name = "USE", value_parser = clap::builder::PossibleValuesParser::new(USES.iter().map(|one| one.name)))]
    uses: Vec<String>,
    /// On this runtime, or LABEL=PATH [default: crun, and where that does not work, fake]
    #[arg(long, value_name = "RUNTIME", conflicts_with = "from")]
    runtime: Option<String>,
    /// By a stored run, instead of a new one
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// How
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
        return Err(Usage("nothing of that run was measured: name another with --from".to_owned()).into());
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

/// What was named, and what the uses need, each once.
fn needs(arguments: &Arguments) -> Vec<Capability> {
    let named = Capability::ALL.into_iter().filter(|one| arguments.need.iter().any(|name| name == one.name()));
    let used = USES.iter().filter(|one| arguments.uses.iter().any(|name| name == one.name));
    let mut needs: Vec<Capability> = named.chain(used.flat_map(|one| one.needs.iter().copied())).collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Every strategy on one runtime, in every case that shows a capability or a duty. None: interrupted.
fn measured(arguments: &Arguments) -> anyhow::Result<Option<Comparison>> {
    let compare = Compare { runs: 1, quick: true, seed: 7, ..Compare::default() };
    let capturers = capturers(&compare, &prepare::own_path()?)?;
    let host = prepare::host()?;
    let Chosen { wanted, found } = prepare::first_that_works(arguments.runtime.as_deref(), &host)?;
    complain(&format!("measuring every strategy on {}", wanted[0].label()));
    let plan = Plan::new(&compare, &wanted, capturers, &|_| true)?;
    let measured = plan.measure(&host, &wanted, &found)?;
    host.close()?;
    complain(&format!("recordings: {}", measured.output.display()));
    let interrupted = measured.run.interrupted;
    let comparison = Comparison::new(measured.run, &measured.findings, &plan.expectations);
    Ok((!interrupted).then_some(comparison))
}
