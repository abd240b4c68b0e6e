//! Finds the runtimes of this machine and the modes they run in, and tells why a program is none.

use super::Runtime;
use crate::bundle;
use crate::files;
use crate::machine::{self, CgroupMode};
use crate::process::{Family, VERB_DEADLINE};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs of the harness itself.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `crun-capture`.
    pub crun_capture: PathBuf,
    /// The workload: a static `crun-capture-emit`.
    pub emit: PathBuf,
    /// `fake-crun`.
    pub fake_crun: PathBuf,
}

impl Programs {
    /// The programs in the directory of the program at `crun_capture`. If the workload has to be written out, it goes
    /// to `scratch`.
    ///
    /// # Errors
    /// A program is missing, or the workload cannot be written out. The error names the path.
    pub fn beside(crun_capture: &Path, scratch: &Path) -> io::Result<Programs> {
        let folder = crun_capture.parent().unwrap_or(Path::new("/"));
        let beside = |name: &str| {
            let path = folder.join(name);
            let found = path.metadata().map_err(|error| files::with_path(&error, &path));
            found.map(|_| path)
        };
        Ok(Programs {
            crun_capture: crun_capture.to_owned(),
            emit: static_emit(&beside("crun-capture-emit")?, scratch)?,
            fake_crun: beside("fake-crun")?,
        })
    }
}

/// The program at `path` if it is static. Otherwise the one that was built into this program, written into `scratch`.
///
/// # Errors
/// Neither is there, or it cannot be written out.
fn static_emit(path: &Path, scratch: &Path) -> io::Result<PathBuf> {
    if bundle::is_static(path)? {
        return Ok(path.to_owned());
    }
    let Some(bytes) = EMBEDDED else {
        let message = format!("{} is not static, and a rootfs contains no other files", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    };
    let path = scratch.join("crun-capture-emit");
    files::write_private(&path, bytes)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok(path)
}

#[cfg(embedded_emit)]
const EMBEDDED: Option<&[u8]> = Some(include_bytes!(env!("CRUN_CAPTURE_EMBEDDED_EMIT")));
#[cfg(not(embedded_emit))]
const EMBEDDED: Option<&[u8]> = None;

/// The mode in which a runtime runs here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mode {
    /// A user without privileges runs it.
    pub rootless: bool,
    /// It runs in a user namespace that the harness makes.
    pub user_namespace: bool,
    /// It runs in a private cgroup2 view that the harness makes.
    pub cgroup_view: bool,
}

/// A runtime that was found.
#[derive(Clone)]
pub struct Found {
    /// The runtime.
    pub runtime: &'static dyn Runtime,
    /// The runtime's label in ids: its name, or the one that the user gave it.
    pub label: String,
    /// The path of the program.
    pub program: PathBuf,
    /// The version that the program prints. Empty for `bare`.
    pub version: String,
    /// The mode in which it runs.
    pub mode: Mode,
    /// The mode that the program itself reports. Empty if it reports none.
    pub own_mode: String,
    pub(super) pids_parent: Option<PathBuf>,
    pub(super) crun_capture: PathBuf,
    pub(super) emit: PathBuf,
}

/// A runtime that cannot be used here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// What is missing or fails.
    pub reason: String,
    /// How to repair that. Empty if no way is known.
    pub mend: String,
}

impl Found {
    /// The mode in words, such as `rootful, private cgroup view`.
    pub fn mode_words(&self) -> String {
        if !self.runtime.is_oci() {
            return String::new();
        }
        let mut words = vec![if self.mode.rootless { "rootless" } else { "rootful" }];
        words.extend(self.mode.user_namespace.then_some("user namespace"));
        words.extend(self.mode.cgroup_view.then_some("private cgroup view"));
        words.extend(Some(self.own_mode.as_str()).filter(|words| !words.is_empty()));
        words.join(", ")
    }

    /// The programs of the command that runs a container: its own, and those of the harness.
    pub fn programs(&self) -> Vec<PathBuf> {
        let all = [&self.program, &self.crun_capture, &self.emit];
        all.into_iter().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone())).collect()
    }

    /// Whether a container can have a pid namespace of its own.
    pub fn has_pid_namespace(&self) -> bool {
        self.runtime.is_oci() && self.own_mode != "plain"
    }
}

/// Finds `runtime`: at `path` if one is given, otherwise in PATH or beside the harness. Blocks while the program prints
/// its version, for at most VERB_DEADLINE.
///
/// # Errors
/// There is no such program, or it is not a runtime.
pub fn find(
    runtime: &'static dyn Runtime,
    label: Option<&str>,
    path: Option<&Path>,
    programs: &Programs,
    family: &Family,
) -> Result<Found, Unusable> {
    let program = match (path, runtime.program()) {
        (Some(path), _) => path.to_owned(),
        (None, Some(name)) => in_path(name).ok_or_else(|| Unusable {
            reason: format!("{name} is not in PATH"),
            mend: runtime.install_command().unwrap_or_else(|| format!("install {name} and put it into PATH")),
        })?,
        (None, None) if runtime.is_oci() => programs.fake_crun.clone(),
        (None, None) => programs.emit.clone(),
    };
    let printed = if runtime.is_oci() { version(&program, family)? } else { Printed::default() };
    // A path says nothing about what is there. Its name may be anything, but the program says what it is.
    let own = super::ALL.iter().copied().find(|one| one.program() == Some(&*printed.name) && !one.detached());
    let runtime = own.filter(|_| path.is_some()).unwrap_or(runtime);
    let Printed { version, mode: own_mode, .. } = printed;
    let rootless = !machine::is_root();
    Ok(Found {
        runtime,
        label: label.unwrap_or(runtime.name()).to_owned(),
        program,
        version,
        own_mode,
        mode: Mode {
            rootless: rootless && runtime.is_oci(),
            user_namespace: rootless && runtime.is_real(),
            cgroup_view: runtime.needs_cgroup_view() && machine::cgroup_mode() == CgroupMode::Hybrid,
        },
        pids_parent: if rootless { None } else { super::pids_limit::parent(family.run()) },
        crun_capture: programs.crun_capture.clone(),
        emit: programs.emit.clone(),
    })
}

/// The executable file of this name in PATH.
fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| {
        candidate.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}

/// What a runtime prints about itself.
#[derive(Default)]
struct Printed {
    /// NAME of `NAME version X` in the first line.
    name: String,
    /// X of it.
    version: String,
    /// X of a line `mode: X`. Empty: there is none.
    mode: String,
}

fn version(program: &Path, family: &Family) -> Result<Printed, Unusable> {
    let not_one = |why: String| Unusable {
        reason: format!("{} is not an OCI runtime: {why}", program.display()),
        mend: "give the path of a program that takes crun's command line".to_owned(),
    };
    let output = family.output(Command::new(program).arg("--version"), VERB_DEADLINE);
    let output = output.map_err(|error| not_one(format!("it cannot be run: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // youki writes a colon after the word.
    let is_version = |word: &&str| word.trim_end_matches(':') == "version";
    let mut words = text.lines().next().unwrap_or_default().split_whitespace().skip_while(|word| !is_version(word));
    let version = words.nth(1).filter(|_| output.status.success());
    let version = version.ok_or_else(|| not_one("`--version` does not print `NAME version X`".to_owned()))?;
    let own_mode = text.lines().find_map(|line| line.strip_prefix("mode: ")).unwrap_or_default();
    let name = text.split_whitespace().next().unwrap_or_default();
    Ok(Printed { name: name.to_owned(), version: version.to_owned(), mode: own_mode.to_owned() })
}
