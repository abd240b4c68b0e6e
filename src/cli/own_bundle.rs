//! `compare --bundle`: runs the user's own bundle under every strategy.

use super::compare::{self, Arguments, tell_of_output};
use super::export::Exports;
use super::prepare::{self, Progress, worded};
use super::{Usage, complain};
use anyhow::Context;
use crun_capture::bundle::OwnBundle;
use crun_capture::capturer::Capturer;
use crun_capture::comparison::OwnComparison;
use crun_capture::files::write_private;
use crun_capture::plan::Selection;
use crun_capture::report::write_own_bundle;
use crun_capture::{session, strategy};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The file in the run's directory that holds the comparison of the bundle.
pub(super) const FILE: &str = "bundle.json";

/// The time that one run of the bundle may take, unless `--deadline` says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn run(arguments: &Arguments, path: &Path) -> anyhow::Result<u8> {
    let bundle = Arc::new(OwnBundle::open(path).context("cannot use the bundle")?);
    // The cells run one at a time, because the time that each takes is measured.
    let mut request = compare::request(arguments, Selection::Bundle(Arc::clone(&bundle)), DEADLINE, 1)?;
    let runtimes = prepare::runtimes(&arguments.runtime, &arguments.require)?;
    if runtimes.iter().any(|one| !one.runtime.is_oci()) {
        return Err(Usage("a bundle needs a runtime, and `bare` has none: name another runtime".to_owned()).into());
    }
    let reference = strategy::reference();
    if !request.capturers.iter().any(|one| one.name == reference.name()) {
        request.capturers.insert(0, Capturer::built_in(reference, &prepare::own_path()?));
    }
    arguments.exports.check_json_only()?;
    if bundle.wants_terminal() {
        complain("the bundle asks for a terminal: it runs with a copy of its config.json that asks for none");
    }
    let host = prepare::host()?;
    let before = bundle.snapshot();
    let recordings = Mutex::new(Vec::new());
    let take = |recording, _| recordings.lock().unwrap_or_else(PoisonError::into_inner).push(recording);
    let ran = session::run(&request, &host, &Progress::default(), &take).map_err(worded)?;
    host.close()?;
    let recordings = recordings.into_inner().unwrap_or_else(PoisonError::into_inner);
    let changed = before.changed(&bundle.snapshot()).iter().map(|path| path.display().to_string()).collect();
    let bundle = bundle.path().display().to_string();
    let comparison = OwnComparison::new(&ran.run, &recordings, bundle, reference.name(), arguments.runs, changed);
    let json = serde_json::to_vec_pretty(&comparison)?;
    write_private(&ran.output.join(FILE), &json)?;
    report(&comparison, &json, &arguments.exports)?;
    tell_of_output(&ran.output, ran.not_latest.as_deref());
    Ok(comparison.exit_code())
}

/// Writes the JSON if it was asked for, and the table unless the JSON goes to stdout.
pub(super) fn report(comparison: &OwnComparison, json: &[u8], exports: &Exports) -> anyhow::Result<()> {
    if !exports.write_json(json)? {
        let mut stdout = BufWriter::new(anstream::stdout());
        write_own_bundle(comparison, &mut stdout)?;
        stdout.flush()?;
    }
    Ok(())
}
