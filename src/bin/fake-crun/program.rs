//! The workload's program: it is found as crun finds it, and replaces the init.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crun_capture::sys;
use rustix::fs::{Access, Gid, Mode as Bits, Uid};
use rustix::process::{Resource, Rlimit};
use rustix::thread::CapabilitySet;

use crate::bundle::Bundle;
use crate::failure::Failure;
use crate::mode::Mode;

/// Finds the program below `root`, or in the container's PATH if its name has no slash. None: the configuration names
/// no program, which crun notices last of all.
pub(crate) fn find(bundle: &Bundle, root: &Path) -> Result<Option<PathBuf>, Failure> {
    let Some(args) = &bundle.args else {
        return Ok(None);
    };
    let Some(name) = args.first() else {
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
    Ok(Some(found))
}

/// Replaces this process by the program. Returns only if that fails, with the reason.
pub(crate) fn exec(bundle: &Bundle, program: Option<&Path>, environment: &[String], mode: Mode) -> Failure {
    let (Some(program), Some(args)) = (program, &bundle.args) else {
        return Failure::new("executable path not specified");
    };
    if mode == Mode::Namespaces
        && let Err(error) = drop_privileges(bundle)
    {
        return Failure::io("set the user", &error);
    }
    for (name, soft, hard) in &bundle.rlimits {
        let Some(resource) = resource(name) else {
            return Failure::new(format!("invalid rlimit `{name}`"));
        };
        let limit = Rlimit { current: Some(*soft), maximum: Some(*hard) };
        if let Err(error) = rustix::process::setrlimit(resource, limit) {
            return Failure::io(&format!("setrlimit `{name}`"), &error.into());
        }
    }
    if bundle.no_new_privileges
        && let Err(error) = rustix::thread::set_no_new_privs(true)
    {
        return Failure::io("set no new privs", &error.into());
    }
    rustix::process::umask(Bits::from_raw_mode(bundle.umask));
    // A JSON text contains a zero byte only on purpose. What follows it is lost, as in crun.
    let text =
        |bytes: &[u8]| CString::new(bytes.split(|&byte| byte == 0).next().unwrap_or_default()).unwrap_or_default();
    let texts = |texts: &[String]| -> Vec<CString> { texts.iter().map(|one| text(one.as_bytes())).collect() };
    let error = sys::execute(&text(program.as_os_str().as_bytes()), &texts(args), &texts(environment));
    let hint = if error.kind() == io::ErrorKind::NotFound { " (missing dynamic library?)" } else { "" };
    Failure::io(&format!("exec container process{hint} `{}`", program.display()), &error)
}

/// Drops all capabilities, unless the configuration grants some: then it keeps all. Changes the user.
fn drop_privileges(bundle: &Bundle) -> io::Result<()> {
    if !bundle.keeps_capabilities {
        // The kernel knows fewer capabilities than there are bits, and refuses the others.
        for capability in CapabilitySet::all().iter() {
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    if bundle.gid != 0 {
        let group = Gid::from_raw(bundle.gid);
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(group, group, group)?;
    }
    if bundle.uid != 0 {
        let user = Uid::from_raw(bundle.uid);
        rustix::thread::set_thread_res_uid(user, user, user)?;
    }
    Ok(())
}

/// The resource that a name of getrlimit(2) stands for.
fn resource(name: &str) -> Option<Resource> {
    let known = [
        ("RLIMIT_AS", Resource::As),
        ("RLIMIT_CORE", Resource::Core),
        ("RLIMIT_CPU", Resource::Cpu),
        ("RLIMIT_DATA", Resource::Data),
        ("RLIMIT_FSIZE", Resource::Fsize),
        ("RLIMIT_LOCKS", Resource::Locks),
        ("RLIMIT_MEMLOCK", Resource::Memlock),
        ("RLIMIT_MSGQUEUE", Resource::Msgqueue),
        ("RLIMIT_NICE", Resource::Nice),
        ("RLIMIT_NOFILE", Resource::Nofile),
        ("RLIMIT_NPROC", Resource::Nproc),
        ("RLIMIT_RSS", Resource::Rss),
        ("RLIMIT_RTPRIO", Resource::Rtprio),
        ("RLIMIT_RTTIME", Resource::Rttime),
        ("RLIMIT_SIGPENDING", Resource::Sigpending),
        ("RLIMIT_STACK", Resource::Stack),
    ];
    known.into_iter().find(|(known, _)| *known == name).map(|(_, resource)| resource)
}
