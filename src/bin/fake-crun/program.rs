//! The workload's program: found as crun finds it, and put in the place of the init.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::Access;
use rustix::thread::CapabilitySet;

use crate::bundle::Bundle;
use crate::failure::Failure;
use crate::mode::Mode;

/// Finds the program below `root`, in the container's PATH if its name has no slash.
pub(crate) fn find(bundle: &Bundle, root: &Path) -> Result<PathBuf, Failure> {
    let Some(name) = bundle.args.first() else {
        return Err(Failure::new("open executable: Invalid argument"));
    };
    let below = |path: &str| {
        if path.starts_with('/') { root.join(path.trim_start_matches('/')) } else { path.into() }
    };
    let path = bundle.env.iter().find_map(|entry| entry.strip_prefix("PATH=")).unwrap_or("/bin:/usr/bin");
    let found = if name.contains('/') {
        Some(below(name)).filter(|path| path.exists())
    } else {
        let mut candidates = path.split(':').map(|directory| below(directory).join(name));
        candidates.find(|path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok())
    };
    let Some(found) = found else {
        return Err(Failure::new(format!("executable file `{name}` not found in $PATH: No such file or directory")));
    };
    if found.is_dir() {
        return Err(Failure::new("open executable: Operation not permitted"));
    }
    let allowed = rustix::fs::access(&found, Access::EXEC_OK);
    allowed.map_err(|error| Failure::io("open executable", &error.into()))?;
    Ok(found)
}

/// Replaces this process by the program; returns only the reason why it could not.
pub(crate) fn exec(bundle: &Bundle, program: &Path, mode: Mode) -> Failure {
    let mut command = Command::new(program);
    command.arg0(&bundle.args[0]).args(&bundle.args[1..]).env_clear();
    // Like crun, with a home; an entry of the configuration overrides it.
    command.env("HOME", "/").envs(bundle.env.iter().filter_map(|entry| entry.split_once('=')));
    if mode == Mode::Namespaces
        && let Err(failure) = drop_privileges(bundle, &mut command)
    {
        return failure;
    }
    if bundle.no_new_privileges
        && let Err(error) = rustix::thread::set_no_new_privs(true)
    {
        return Failure::io("set no new privs", &error.into());
    }
    let error = if is_program(program) { command.exec() } else { io::Error::from_raw_os_error(libc::ENOEXEC) };
    let hint = if error.kind() == io::ErrorKind::NotFound { " (missing dynamic library?)" } else { "" };
    Failure::io(&format!("exec container process{hint} `{}`", program.display()), &error)
}

/// Whether the kernel knows how to run this file; one that cannot be read gets the benefit of the doubt. The standard
/// library would hand anything else to a shell.
fn is_program(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_err_and(|error| error.kind() != io::ErrorKind::UnexpectedEof)
        || head.starts_with(b"#!")
        || head == *b"\x7fELF"
}

/// Leaves no capability within reach (a configuration that grants some keeps all) and changes the user.
fn drop_privileges(bundle: &Bundle, command: &mut Command) -> Result<(), Failure> {
    if !bundle.keeps_capabilities {
        // The kernel knows fewer than there are bits, and refuses the others.
        for capability in CapabilitySet::all().iter() {
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    if bundle.gid != 0 {
        command.gid(bundle.gid);
    }
    if bundle.uid != 0 {
        command.uid(bundle.uid);
    }
    Ok(())
}
