//! What several verbs need before anything runs: names looked up, the host opened, progress shown.

use super::{Usage, complain, is_watched, nearest, refuse_twice, unknown};
use anyhow::Context;
use crun_capture::capturer::{self, Capturer};
use crun_capture::recording::{Recording, Run};
use crun_capture::runtime::{self, Runtime, Sought, Wanted};
use crun_capture::session::{Host, Observer, SessionError};
use crun_capture::strategy;
use crun_capture::text::is_label;
use indicatif::{ProgressBar, ProgressStyle};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// How long a cell may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// The same with `--quick`.
pub(super) const DEADLINE_QUICK: Duration = Duration::from_secs(3);

/// The seed where none is given.
pub(super) const SEED: u64 = 7;

/// This program.
pub(super) fn own_path() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program lies")
}

/// Clears away what killed runs have left, and makes what a new one needs.
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

/// What `--runtime` and `--require` ask for. Nothing given: the defaults.
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
    // Real runtimes first, whatever the order on the command line: the table is about the first one.
    wanted.sort_by_key(|one| !one.runtime.is_real());
    refuse_twice("runtime", wanted.iter().map(|one| one.label.as_str()))?;
    Ok(wanted)
}

/// `LABEL=PATH`: a program with crun's command line.
fn labelled(label: &str, path: &str) -> anyhow::Result<Wanted> {
    if !is_label(label) {
        let message = format!("the label {label:?} is not made of letters, digits, dashes, underscores and dots");
        return Err(Usage(message).into());
    }
    let crun = runtime::ALL.iter().copied().find(|one| one.program() == Some("crun"));
    let runtime = crun.context("there is no runtime crun")?;
    // Not where a link leads to: a program may ask by which name it was called.
    let cannot = || format!("cannot use the runtime {path}");
    std::fs::metadata(path).with_context(cannot)?;
    let path = std::path::absolute(path).with_context(cannot)?;
    Ok(Wanted { runtime, label: label.to_owned(), path: Some(path), required: false })
}

/// The capturers that are declared in files, and the built-in strategies of these names. Nothing given: all strategies.
pub(super) fn capturers(files: &[PathBuf], names: &[String]) -> anyhow::Result<Vec<Capturer>> {
    let own = own_path()?;
    let known: Vec<&str> = strategy::ALL.iter().map(|one| one.name()).collect();
    let mut capturers = Vec::new();
    for path in files {
        capturers.push(capturer::read_declaration(path)?);
    }
    for name in names {
        let strategy = strategy::find(name).ok_or_else(|| unknown("strategy", name, &known))?;
        capturers.push(Capturer::built_in(strategy, &own));
    }
    if capturers.is_empty() {
        capturers.extend(strategy::ALL.iter().map(|&one| Capturer::built_in(one, &own)));
    }
    refuse_twice("capturer", capturers.iter().map(|one| one.name.as_str()))?;
    Ok(capturers)
}

/// A session's error in the words of the command line: filters that fit nothing are bad usage, and the nearest id helps.
pub(super) fn worded(error: SessionError) -> anyhow::Error {
    match &error {
        SessionError::NoSuchCell { filters, ids } => {
            let full: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let typed = filters.join(", ");
            let last = typed.rsplit('/').next().unwrap_or_default();
            let near = nearest(&typed, full.iter().map(String::as_str))
                .or_else(|| nearest(last, ids.iter().map(|id| id.case.as_str())));
            let hint = near.map(|near| format!("; the nearest is {near:?}")).unwrap_or_default();
            Usage(format!("{error}{hint}")).into()
        }
        SessionError::Run(crun_capture::recording::run::RunError::Taken(_)) => Usage(error.to_string()).into(),
        _ => error.into(),
    }
}

/// A progress bar, where a person watches; and what a session has to say meanwhile.
#[derive(Default)]
pub(super) struct Progress {
    bar: OnceLock<ProgressBar>,
    /// What is said of the runtime when it is known.
    says: Option<fn(&str) -> String>,
}

impl Progress {
    /// One that first says this of the runtime.
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
