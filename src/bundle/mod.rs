//! OCI bundles: a rootfs that contains only the workload, and a config.json for each container.

mod change;
mod config;
mod own;

pub use change::{ask_for_terminal, give_exchange, run_as, run_program};
pub use own::{OwnBundle, Snapshot};

use crate::files::{make_directory, with_path, write_private};
use crate::script::{Script, events, journal};
use rustix::fs::{CWD, Mode};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The path in the container on which the workload's directory is mounted.
pub const EXCHANGE_MOUNT: &str = "/exchange";

/// The maximum number of processes and threads in a container.
pub const PIDS_MAX: u32 = 128;

/// The path of the workload in the rootfs.
pub const EMIT: &str = "/crun-capture-emit";

/// A root file system: one static program and empty mount points. Any number of containers share it read-only.
#[derive(Debug)]
pub struct Rootfs {
    path: PathBuf,
}

impl Rootfs {
    /// Makes a root file system at `path`, which must not exist. It contains a hard link to the program at `emit`, or
    /// else a copy.
    ///
    /// # Errors
    /// The directory cannot be made, or the program can be neither linked nor copied.
    pub fn create(path: PathBuf, emit: &Path) -> io::Result<Rootfs> {
        make_directory(&path)?;
        // All mount points are made beforehand. Otherwise a runtime would have to make them in a read-only rootfs.
        for mount_point in ["proc", "dev", &EXCHANGE_MOUNT[1..]] {
            make_directory(&path.join(mount_point))?;
        }
        change::make_mount_points(&path)?;
        // Users other than root must get in too. Only this run reaches the directory.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(|error| with_path(&error, &path))?;
        let target = path.join(&EMIT[1..]);
        if fs::hard_link(emit, &target).is_err() {
            let copied = fs::copy(emit, &target);
            let copied = copied.and_then(|_| fs::set_permissions(&target, fs::Permissions::from_mode(0o755)));
            copied.map_err(|error| with_path(&error, &target))?;
        }
        Ok(Rootfs { path })
    }

    /// The path of the root file system.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the root file system. Otherwise it stays until the directory above it is removed.
    ///
    /// # Errors
    /// It cannot be removed. The error names its path.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(&self.path).map_err(|error| with_path(&error, &self.path))
    }
}

/// A deliberate flaw of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    /// There is no flaw.
    #[default]
    None,
    /// There is no config.json.
    MissingConfig,
    /// config.json is not JSON.
    InvalidJson,
    /// `root.path` leads nowhere.
    MissingRootfs,
    /// The bundle is sound, but the runtime gets a path for its pid file that it cannot write.
    PidFile,
    /// `process.args` names a program that is not in the rootfs.
    ExecutableNotFound,
}

/// Whether a bundle with this flaw has a valid config.json.
pub fn has_config(flaw: Flaw) -> bool {
    !matches!(flaw, Flaw::MissingConfig | Flaw::InvalidJson)
}

/// The parts that a bundle is made from.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// The root file system.
    pub rootfs: &'a Rootfs,
    /// The directory of the host that is mounted on `/exchange`.
    pub exchange: &'a Path,
    /// Whether the container gets a pid namespace of its own.
    pub pid_namespace: bool,
    /// Whether the runtime runs in a user namespace that the harness makes.
    pub user_namespace: bool,
    /// The bundle's deliberate flaw.
    pub flaw: Flaw,
    /// Variables for the environment of the workload, as `NAME=VALUE`. The harness finds the workload's processes by
    /// them.
    pub environment: &'a [String],
}

/// Writes the bundle into `directory`, which must not exist.
///
/// # Errors
/// The directory or config.json cannot be written.
pub fn write(directory: &Path, contents: &Contents<'_>) -> io::Result<()> {
    make_directory(directory)?;
    let path = directory.join("config.json");
    match contents.flaw {
        Flaw::MissingConfig => Ok(()),
        Flaw::InvalidJson => write_private(&path, b"{ \"ociVersion\": \"1.0.2\", "),
        _ => write_private(&path, &config::json(contents)?),
    }
}

/// Makes the directory that is mounted on `/exchange`. It contains the script, room for the journal, and FIFOs: one
/// that shows whether the workload is alive, one for its events, and one for each gate.
///
/// # Errors
/// The directory or a file in it cannot be made.
pub fn make_exchange(directory: &Path, script: &Script) -> io::Result<()> {
    make_directory(directory)?;
    write_private(&directory.join("script.json"), &serde_json::to_vec(script)?)?;
    let journal = directory.join("journal");
    journal::allocate(&journal, script).map_err(|error| with_path(&error, &journal))?;
    let gates = script.gates().into_iter().map(|gate| format!("gate-{gate}"));
    for name in ["alive", events::FIFO].map(str::to_owned).into_iter().chain(gates) {
        rustix::fs::mkfifoat(CWD, directory.join(name), Mode::RUSR | Mode::WUSR)?;
    }
    Ok(())
}

/// Whether the file at `path` is a static ELF program, that is, one without an interpreter.
///
/// # Errors
/// The file cannot be read.
pub fn is_static(path: &Path) -> io::Result<bool> {
    use std::io::Read;
    let mut head = Vec::new();
    fs::File::open(path).map_err(|error| with_path(&error, path))?.take(4096).read_to_end(&mut head)?;
    // Elf64_Ehdr: e_phoff is at 32, e_phentsize at 54, e_phnum at 56. A program header of type PT_INTERP (3) names a
    // loader.
    let half = |at: usize| head.get(at..at + 2).map(|two| usize::from(u16::from_le_bytes([two[0], two[1]])));
    let (Some(offset), Some(size), Some(count)) = (head.get(32..40), half(54), half(56)) else { return Ok(false) };
    let offset = u64::from_le_bytes(offset.try_into().expect("8 bytes")) as usize;
    let kinds = (0..count).map(|at| head.get(offset + at * size..offset + at * size + 4));
    Ok(head.starts_with(b"\x7fELF") && kinds.into_iter().all(|kind| kind.is_some_and(|kind| kind != [3, 0, 0, 0])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::End;

    #[test]
    fn a_bundle_holds_a_config_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let emit = directory.path().join("emit");
        fs::write(&emit, "program").unwrap();
        let rootfs = Rootfs::create(directory.path().join("rootfs"), &emit).unwrap();
        let exchange = directory.path().join("exchange");
        make_exchange(&exchange, &Script::new(1, End::Exit(0))).unwrap();
        let contents = Contents {
            rootfs: &rootfs,
            exchange: &exchange,
            pid_namespace: true,
            user_namespace: false,
            flaw: Flaw::None,
            environment: &["CELL=1".to_owned()],
        };
        let bundle = directory.path().join("bundle");
        write(&bundle, &contents).unwrap();
        let spec = oci_spec::runtime::Spec::load(bundle.join("config.json")).unwrap();
        assert_eq!(spec.root().as_ref().unwrap().path(), rootfs.path());
        assert_eq!(spec.root().as_ref().unwrap().readonly(), Some(true));
        let process = spec.process().as_ref().unwrap();
        assert_eq!(process.no_new_privileges(), Some(true));
        assert_eq!(process.env().as_ref().unwrap(), &["PATH=/", "CELL=1"]);
        let capabilities = process.capabilities().as_ref().unwrap();
        assert!(capabilities.bounding().as_ref().is_none_or(|set| set.is_empty()));
        let types = |spec: &oci_spec::runtime::Spec| -> Vec<String> {
            let namespaces = spec.linux().as_ref().unwrap().namespaces().as_ref().unwrap();
            namespaces.iter().map(|namespace| namespace.typ().to_string()).collect()
        };
        assert!(types(&spec).contains(&"pid".into()) && types(&spec).contains(&"net".into()));
        let without = directory.path().join("without");
        write(&without, &Contents { pid_namespace: false, ..contents }).unwrap();
        let spec = oci_spec::runtime::Spec::load(without.join("config.json")).unwrap();
        assert!(!types(&spec).contains(&"pid".into()));
    }

    #[test]
    fn static_and_dynamic_programs_are_told_apart() {
        assert!(!is_static(Path::new("/bin/sh")).unwrap() || cfg!(target_env = "musl"));
        assert!(!is_static(Path::new("/etc/passwd")).unwrap());
        assert!(is_static(Path::new("/no/such/file")).unwrap_err().to_string().contains("/no/such/file"));
        if cfg!(target_feature = "crt-static") {
            assert!(is_static(&std::env::current_exe().unwrap()).unwrap());
        }
    }
}
