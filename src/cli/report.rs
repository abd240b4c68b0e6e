//! `report`: makes the report of a stored run from its recordings.

use super::export::Exports;
use super::own_bundle;
use anyhow::Context;
use crun_capture::comparison::{Comparison, Expectations, OwnComparison};
use crun_capture::files::read_regular;
use crun_capture::recording::run::check_version;
use crun_capture::session;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The directory of the run, such as .crun-capture/latest
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    #[command(flatten)]
    exports: Exports,
}

/// Reports on a run of the user's own bundle. None: the run is not one.
fn of_own_bundle(arguments: &Arguments) -> anyhow::Result<Option<u8>> {
    let path = arguments.from.join(own_bundle::FILE);
    let Some(json) = read_regular(&path)? else { return Ok(None) };
    let comparison: OwnComparison =
        serde_json::from_slice(&json).with_context(|| format!("cannot read {}", path.display()))?;
    check_version(&path, comparison.schema_version)?;
    arguments.exports.check_json_only()?;
    own_bundle::report(&comparison, &json, &arguments.exports)?;
    Ok(Some(comparison.exit_code()))
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if let Some(code) = of_own_bundle(arguments)? {
        return Ok(code);
    }
    let comparison = stored(&arguments.from)?;
    arguments.exports.check()?;
    arguments.exports.write(&comparison)?;
    Ok(comparison.exit_code)
}

/// The comparison of a stored run, made from its recordings.
pub(super) fn stored(from: &Path) -> anyhow::Result<Comparison> {
    let (run, findings) = session::stored_findings(from)?;
    let capturers: Vec<String> = run.capturers.iter().map(|capturer| capturer.name.clone()).collect();
    let expectations = Expectations::parse(&run.expectations, &capturers)?;
    Ok(Comparison::new(run, &findings, &expectations))
}
