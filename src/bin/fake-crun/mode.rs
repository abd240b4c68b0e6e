//! Whether containers can have namespaces here. To find out, this program makes some.

use std::fs;
use std::io;

use crun_capture::sys::{self, UnshareFlags};
use serde::{Deserialize, Serialize};

/// The way in which a container is isolated from the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// By namespaces, mounts and a changed root, as in crun.
    Namespaces,
    /// Not at all: it is an ordinary process, and the container's paths are rewritten to those of the host.
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

/// Moves this process (which has one thread) into the namespaces that only a parent can make for its child: the user
/// namespace if the process is not privileged, and the pid namespace whose first process will be the next child.
pub(crate) fn enter(pid: bool) -> Mode {
    if std::env::var_os("FAKE_CRUN_MODE").is_some_and(|mode| mode == "plain") {
        return Mode::Plain;
    }
    // The UTS namespace is made first: it costs nothing, and shows whether more is allowed.
    let mut flags = UnshareFlags::NEWUTS;
    flags.set(UnshareFlags::NEWPID, pid);
    let entered = sys::unshare(flags).or_else(|_| enter_user().and_then(|()| sys::unshare(flags)));
    if entered.is_ok() { Mode::Namespaces } else { Mode::Plain }
}

/// Becomes root of a new user namespace, which has no other user.
fn enter_user() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
    sys::unshare(UnshareFlags::NEWUSER)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", gid.as_raw()))?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", uid.as_raw()))
}

/// The name of the caller. It must be asked for before `enter`, which changes the identity of this process.
pub(crate) fn caller() -> String {
    crate::state::owner(rustix::process::geteuid().as_raw())
}
