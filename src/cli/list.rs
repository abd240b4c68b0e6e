//! `list`: prints the strategies, the experiments, the runtimes and the other lists.

use clap::ValueEnum;
use crun_capture::finding::{About, Duty, Finding};
use crun_capture::strategy::{Capability, Strategy};
use crun_capture::{experiment, report, runtime, strategy};
use serde::Serialize;
use std::io::{self, Write};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// What to list
    #[arg(value_enum)]
    what: What,
    /// The output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    Strategies,
    Experiments,
    Stimuli,
    Failures,
    Runtimes,
    Capabilities,
    Duties,
    Findings,
    Claims,
    Reports,
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Serialize)]
struct Item {
    name: String,
    summary: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    experiments: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cases: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_against: Option<String>,
}

fn item(name: &str, summary: &str) -> Item {
    let (name, summary) = (name.to_owned(), summary.to_owned());
    Item {
        name,
        summary,
        capabilities: Vec::new(),
        sources: Vec::new(),
        experiments: Vec::new(),
        cases: Vec::new(),
        unit: None,
        held_against: None,
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let items: Vec<Item> = match arguments.what {
        What::Strategies => strategy::ALL.iter().map(|&one| strategy_item(one)).collect(),
        What::Experiments => experiment::ALL.iter().map(|one| experiment_item(one)).collect(),
        What::Stimuli => experiment::stimulus::ALL.iter().map(|one| item(one.name(), one.summary())).collect(),
        What::Failures => experiment::failures().iter().map(failure_item).collect(),
        What::Runtimes => runtime::ALL.iter().map(|one| item(one.name(), one.summary())).collect(),
        What::Capabilities => Capability::ALL.iter().map(|one| item(one.name(), one.summary())).collect(),
        What::Duties => Duty::ALL.iter().map(|one| item(one.name(), one.summary())).collect(),
        What::Findings => Finding::ALL.iter().map(|&one| finding_item(one)).collect(),
        What::Claims => super::claims::list().map(|(id, says)| item(id, says)).collect(),
        What::Reports => report::ALL.iter().map(|one| item(one.name(), one.summary())).collect(),
    };
    let mut stdout = io::stdout().lock();
    match arguments.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut stdout, &items)?;
            writeln!(stdout)?;
        }
        Format::Text => {
            let width = items.iter().map(|item| item.name.len()).max().unwrap_or(0);
            for item in &items {
                let unit = item.unit.map(|unit| format!(" [{unit}]")).unwrap_or_default();
                let against = item.held_against.as_ref().map(|what| format!(" ({what})")).unwrap_or_default();
                writeln!(stdout, "{:<width$}  {}{unit}{against}", item.name, item.summary)?;
            }
        }
    }
    Ok(0)
}

fn strategy_item(strategy: &dyn Strategy) -> Item {
    let declares = strategy.declares();
    let declared = declares.iter();
    Item { capabilities: declared.map(Capability::name).collect(), ..item(strategy.name(), strategy.summary()) }
}

fn finding_item(finding: Finding) -> Item {
    let known = finding.description();
    let against = match known.about {
        About::Duty(duty) => Some(format!("duty {}", duty.name())),
        About::Capability(capability) => Some(format!("capability {}", capability.name())),
        About::Cell => Some("the cell itself".to_owned()),
        About::Report => None,
    };
    Item { unit: Some(known.unit.word()), held_against: against, ..item(finding.name(), known.sentence) }
}

fn failure_item(failure: &experiment::RealFailure) -> Item {
    let tries = experiment::ALL.iter().filter(|one| one.sources.iter().any(|&source| failure.is_from(source)));
    Item {
        sources: failure.sources.clone(),
        experiments: tries.map(|one| one.name).collect(),
        ..item(&failure.sources[0], &failure.what)
    }
}

fn experiment_item(experiment: &experiment::Experiment) -> Item {
    let size = experiment::Size { seed: 0, quick: true, syncs_each_line: false };
    Item {
        sources: experiment.sources.iter().map(|&source| source.to_owned()).collect(),
        cases: (experiment.cases)(size).into_iter().map(|case| case.name).collect(),
        ..item(experiment.name, experiment.question)
    }
}
