//! What `compare` and `doctor` need before anything runs: the programs, the scratch directories, the runtimes of this machine.

use super::{Usage, complain, refuse_twice, unknown};
use anyhow::Context;
use crun_capture::comparison::RuntimeInfo;
use crun_capture::process::{Family, Interrupt};
use crun_capture::runtime::{self, Found, Programs, Runtime, Unusable};
use crun_capture::scratch::{self, Scratch};
use std::path::PathBuf;

/// What everything that starts a container needs.
pub(super) struct Host {
    /// Ends the run early; from here on no signal of the user's ends this process while a container runs.
    pub(super) interrupt: Interrupt,
    /// The run's own directories.
    pub(super) scratch: Scratch,
    /// The run's children.
    pub(super) family: Family,
    /// The programs beside the one that runs.
    pub(super) programs: Programs,
}

impl Host {
    /// Removes what the run had for itself.
    ///
    /// # Errors
    /// It cannot be removed, with the path.
    pub(super) fn close(self) -> anyhow::Result<()> {
        self.scratch.close().context("cannot remove what the run had for itself")
    }
}

/// This program.
pub(super) fn own_path() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program lies")
}

/// Clears away what dead runs have left, and makes what a new one needs.
pub(super) fn host() -> anyhow::Result<Host> {
    crun_capture::sys::keep_little_memory();
    Family::adopt_orphans().context("cannot become a subreaper")?;
    for swept in scratch::sweep() {
        let (path, processes, containers) = (swept.path.display(), swept.processes, swept.containers);
        complain(&format!(
            "removed what a killed run had left: {path} ({processes} processes, {containers} containers)"
        ));
        for failure in &swept.failures {
            complain(&format!("something of it is still there: {failure}"));
        }
    }
    let interrupt = Interrupt::by_signals().context("cannot handle signals")?;
    let scratch = Scratch::create().context("cannot make a directory for temporary files (TMPDIR names another)")?;
    let programs = Programs::beside(&own_path()?, scratch.disk())
        .context("the installation is not whole (`make build` or `cargo install` mends it)")?;
    Ok(Host { interrupt, family: scratch.family(), scratch, programs })
}

/// A runtime that was asked for.
pub(super) struct Wanted {
    runtime: &'static dyn Runtime,
    label: String,
    path: Option<PathBuf>,
    required: bool,
}

/// What `--runtime` and `--require` ask for. Nothing given: the defaults.
pub(super) fn wanted(named: &[String], required: &[String]) -> anyhow::Result<Vec<Wanted>> {
    let all = || runtime::ALL.iter().copied();
    let known: Vec<&str> = all().map(|one| one.name()).collect();
    let mut wanted = Vec::new();
    let plain = |runtime: &'static dyn Runtime| Wanted {
        runtime,
        label: runtime.name().to_owned(),
        path: None,
        required: required.iter().any(|name| name == runtime.name()),
    };
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
    for name in required.iter().filter(|name| !wanted.iter().any(|one| one.label == **name)).collect::<Vec<_>>() {
        wanted.extend(all().filter(|one| one.name() == name).map(plain));
    }
    // Real runtimes first, whatever the order on the command line: the first is the one that the table is about.
    wanted.sort_by_key(|one| !one.runtime.is_real());
    refuse_twice("runtime", wanted.iter().map(Wanted::label))?;
    Ok(wanted)
}

/// One runtime, and whether it works.
pub(super) struct Chosen {
    pub(super) wanted: Vec<Wanted>,
    pub(super) found: Vec<Result<Found, Unusable>>,
}

/// The runtime that was named, or else the first of the defaults that works here: a real one, or the fake. What does not work
/// is said.
pub(super) fn first_that_works(named: Option<&str>, host: &Host) -> anyhow::Result<Chosen> {
    let named: Vec<String> = named.map(str::to_owned).into_iter().collect();
    let mut last = None;
    for one in wanted(&named, &[])? {
        let found = one.find(host)?;
        if let Err(unusable) = &found {
            complain(&format!("{} does not work here: {}", one.label(), unusable.reason));
        }
        let works = found.is_ok();
        last = Some(Chosen { wanted: vec![one], found: vec![found] });
        if works {
            break;
        }
    }
    last.context("there is no runtime")
}

/// `LABEL=PATH`: a program with crun's command line.
fn labelled(label: &str, path: &str) -> anyhow::Result<Wanted> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if label.is_empty() || label.starts_with('.') || !label.chars().all(plain) {
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

impl Wanted {
    /// Whether it runs bundles.
    pub(super) fn is_oci(&self) -> bool {
        self.runtime.is_oci()
    }

    /// What it is called in ids.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// What `--runtime` takes to find it again.
    pub(super) fn word(&self) -> String {
        match &self.path {
            Some(path) => format!("{}={}", self.label, path.display()),
            None => self.label.clone(),
        }
    }

    /// Looks for it and runs one container. A path that the user gave must be a runtime; anything else may be missing.
    pub(super) fn find(&self, host: &Host) -> anyhow::Result<Result<Found, Unusable>> {
        let family = &host.family;
        let found = runtime::find(self.runtime, Some(&self.label), self.path.as_deref(), &host.programs, family);
        let directory = host.scratch.disk().join(format!("probe-{}", self.label));
        let found = found.and_then(|found| runtime::probe(&found, family, &directory).map(|()| found));
        match found {
            Err(unusable) if self.path.is_some() => Err(anyhow::anyhow!("{}: {}", self.label, unusable.reason)),
            found => Ok(found),
        }
    }

    /// What a report says of it.
    pub(super) fn info(&self, found: &Result<Found, Unusable>) -> RuntimeInfo {
        let skipped = found.as_ref().err();
        RuntimeInfo {
            name: self.label.clone(),
            version: found.as_ref().map(|found| found.version.clone()).unwrap_or_default(),
            path: found.as_ref().map(|found| found.program.display().to_string()).unwrap_or_default(),
            mode: found.as_ref().map(Found::mode_words).unwrap_or_default(),
            real: self.runtime.is_real(),
            required: self.required,
            skipped: skipped.map(|unusable| unusable.reason.clone()),
            mend: skipped.map(|unusable| unusable.mend.clone()).filter(|mend| !mend.is_empty()),
        }
    }
}
