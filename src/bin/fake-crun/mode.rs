//! Whether containers can have namespaces here, found out by making some.

use std::fs;
use std::io;

use crun_capture::sys::{self, UnshareFlags};
use serde::{Deserialize, Serialize};

/// How a container is kept apart from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// Namespaces, mounts and a changed root, as with crun.
    Namespaces,
    /// A process like any other, with the paths of the container rewritten to those of the host.
    Plain,
}

impl Mode {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Plain => "plain",
        }
    }
}

/// Moves this process (which has one thread) into the namespaces that only a parent can make for its child: the
/// user namespace when it is not privileged, and the one whose first process the next child will be.
pub(crate) fn enter(pid: bool) -> Mode {
    if std::env::var_os("FAKE_CRUN_MODE").is_some_and(|mode| mode == "plain") {
        return Mode::Plain;
    }
    // The name space of host names is made first: it costs nothing and shows whether more is allowed.
    let mut flags = UnshareFlags::NEWUTS;
    flags.set(UnshareFlags::NEWPID, pid);
    let entered = sys::unshare(flags).or_else(|_| enter_user().and_then(|()| sys::unshare(flags)));
    if entered.is_ok() { Mode::Namespaces } else { Mode::Plain }
}

/// Becomes root of a user namespace in which that is the only user.
fn enter_user() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    sys::unshare(UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))
}

/// Who called, by name; to be asked before `enter`, which changes who this process is.
pub(crate) fn caller() -> String {
    crate::state::owner(rustix::process::geteuid().as_raw())
}
