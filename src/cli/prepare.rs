//! The preparations that several verbs share: they look up names, open the host and show progress.

use super::{Usage, complain, is_watched, nearest, refuse_twice, unknown};
use anyhow::Context;
use crun_capture::capturer::{self, Capturer};
use crun_capture::limit::{self, LowLimit};
use crun_capture::recording::{Recording, Run};
use crun_capture::runtime::{self, Runtime, Sought, Wanted};
use crun_capture::session::{Host, Observer, SessionError};
use crun_capture::strategy;
use crun_capture::text::is_label;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// The time that a cell may take, unless `--deadline` says otherwise.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The time that a cell may take with `--quick`.
pub(super) const DEADLINE_QUICK: Duration = Duration::from_secs(3);

/// The seeds that are chosen if none is given are below this, so that they are easy to type.
const SEEDS: u64 = 1_000_000;

/// The given seed. If none is given: another one each time, because a capturer may behave with one seed only.
pub(super) fn seed(given: Option<u64>) -> u64 {
    given.unwrap_or_else(|| fastrand::u64(1..SEEDS))
}

/// The path of this program.
pub(super) fn own_path() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot find the path of this program")
}

/// Removes what killed runs have left, and tells the user so. Makes what a new run needs.
pub(super) fn host() -> anyhow::Result<Host> {
    let host = Host::open(&own_path()?)?;
    for swept in &host.swept {
        let (path, processes, containers) = (swept.path.display(), swept.processes, swept.containers);
        complain(&format!(
            "removed what a killed run had left: {path} ({processes} processes, {containers} containers)"
        ));
        for failure in &swept.failures {
            complain(&format!("some of it could not be removed: {failure}"));
        }
    }
    Ok(host)
}

/// The runtimes that `--runtime` names, or else the defaults; and those that `--require` names.
pub(super) fn runtimes(named: &[String], required: &[String]) -> anyhow::Result<Vec<Wanted>> {
    let all = || runtime::ALL.iter().copied();
    let known: Vec<&str> = all().map(|one| one.name()).collect();
    let plain = |runtime: &'static dyn Runtime| Wanted {
        runtime,
        label: runtime.name().to_owned(),
        path: None,
        required: required.iter().any(|name| name == runtime.name()),
    };
    let mut wanted = Vec::new();
    if let Some(name) = required.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(unknown("runtime", name, &known));
    }
    for word in named {
        match word.split_once('=') {
            Some((label, path)) => wanted.push(labelled(label, path)?),
            None if word == "all" => wanted.extend(all().map(plain)),
            None => {
                let found = all().find(|one| one.name() == word).ok_or_else(|| unknown("runtime", word, &known))?;
                wanted.push(plain(found));
            }
        }
    }
    if named.is_empty() {
        wanted.extend(all().filter(|one| one.by_default()).map(plain));
    }
    for name in required {
        if !wanted.iter().any(|one| one.label == *name) {
            wanted.extend(all().filter(|one| one.name() == name).map(plain));
        }
    }
    // Real runtimes come first, whatever the order on the command line, because the table is about the first one.
    wanted.sort_by_key(|one| !one.runtime.is_real());
    refuse_twice("runtime", wanted.iter().map(|one| one.label.as_str()))?;
    Ok(wanted)
}

/// The runtime for `LABEL=PATH`: a program with crun's command line.
fn labelled(label: &str, path: &str) -> anyhow::Result<Wanted> {
    if !is_label(label) {
        let message = format!(
            "the label {label:?} must consist of letters, digits, dashes, underscores and dots, and not begin with a dot"
        );
        return Err(Usage(message).into());
    }
    let crun = runtime::ALL.iter().copied().find(|one| one.program() == Some("crun"));
    let runtime = crun.context("there is no runtime crun")?;
    // A link is not followed, because a program may look at the name by which it was called.
    let cannot = || format!("cannot use the runtime {path}");
    std::fs::metadata(path).with_context(cannot)?;
    let path = std::path::absolute(path).with_context(cannot)?;
    Ok(Wanted { runtime, label: label.to_owned(), path: Some(path), required: false })
}

/// The capturers that the files declare, and the built-in strategies of these names. If nothing is named: all
/// strategies.
pub(super) fn capturers(files: &[PathBuf], names: &[String]) -> anyhow::Result<Vec<Capturer>> {
    let own = own_path()?;
    let known: Vec<&str> = strategy::ALL.iter().map(|one| one.name()).collect();
    let mut capturers = Vec::new();
    for path in files {
        capturers.push(capturer::read_declaration(path)?);
    }
    for name in names {
        if capturers.iter().any(|one: &Capturer| one.built_in.is_none() && one.name == *name) {
            let message =
                format!("{name:?} is declared by --capturer, which runs it in any case: leave out --strategy {name}");
            return Err(Usage(message).into());
        }
        let strategy = strategy::find(name).ok_or_else(|| unknown("strategy", name, &known))?;
        capturers.push(Capturer::built_in(strategy, &own));
    }
    if capturers.is_empty() {
        capturers.extend(strategy::ALL.iter().map(|&one| Capturer::built_in(one, &own)));
    }
    refuse_twice("capturer", capturers.iter().map(|one| one.name.as_str()))?;
    Ok(capturers)
}

/// A session's error, in the words of the command line. Filters that fit nothing are bad usage, and the message names
/// the nearest id.
pub(super) fn worded(error: SessionError) -> anyhow::Error {
    match &error {
        SessionError::NoSuchCell { filter, ids } => {
            let full: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let last = filter.rsplit('/').next().unwrap_or_default();
            let near = nearest(filter, full.iter().map(String::as_str))
                .or_else(|| nearest(last, ids.iter().map(|id| id.case.as_str())));
            let hint = near.map(|near| format!("; the nearest is {near:?}")).unwrap_or_default();
            Usage(format!("{error}{hint}")).into()
        }
        SessionError::Run(crun_capture::recording::run::RunError::Taken(_)) => Usage(error.to_string()).into(),
        SessionError::EndedEarly { output, .. } => {
            let low: Vec<String> = limit::low(&[&std::env::temp_dir(), output]).iter().map(LowLimit::words).collect();
            if low.is_empty() { error.into() } else { anyhow::anyhow!("{error}\n{}", low.join("\n")) }
        }
        _ => error.into(),
    }
}

/// The progress of a session: a bar if a person watches, and the messages of the session.
#[derive(Default)]
pub(super) struct Progress {
    bar: OnceLock<ProgressBar>,
    /// Makes a message about the runtime, once that is known.
    says: Option<fn(&str) -> String>,
}

impl Progress {
    /// A progress that first prints this message about the runtime.
    pub(super) fn that_says(says: fn(&str) -> String) -> Progress {
        Progress { says: Some(says), ..Progress::default() }
    }
}

impl Observer for Progress {
    fn passed_over(&self, sought: &Sought) {
        if let Err(unusable) = &sought.found {
            complain(&format!("{} does not work here: {}", sought.wanted.label, unusable.reason));
        }
    }

    fn starts(&self, run: &Run, cells: usize) {
        if let (Some(says), Some(runtime)) = (self.says, run.runtimes.first()) {
            complain(&says(&runtime.name));
        }
        let bar = if is_watched() { ProgressBar::new(cells as u64) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} cells, {eta} left");
        self.bar.get_or_init(|| bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())));
    }

    fn recorded(&self, _recording: &Recording) {
        if let Some(bar) = self.bar.get() {
            bar.inc(1);
        }
    }

    fn ends(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}
