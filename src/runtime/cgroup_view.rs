//! A private view of the cgroup hierarchy, for runtimes that refuse to start on a hybrid host.
//!
//! The view is a mount namespace with cgroup2 mounted on /sys/fs/cgroup. A process with one thread makes the view and
//! then becomes the runtime. So the view needs no shell and no further process, and it vanishes with the container. A
//! user without privileges also gets a user namespace (a single uid, mapped to root) and a cgroup namespace.

use crate::sys::{UnshareFlags, unshare};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use std::fs;
use std::io;

/// The mount point of the hierarchy.
const CGROUP: &str = "/sys/fs/cgroup";

/// Moves the calling process, which must have one thread, into a new mount namespace. `user_namespace` adds a user and
/// a cgroup namespace. `cgroup_view` mounts cgroup2 on /sys/fs/cgroup.
///
/// # Errors
/// The first step that failed, and why.
pub fn enter(user_namespace: bool, cgroup_view: bool) -> io::Result<()> {
    let mut flags = UnshareFlags::NEWNS;
    if user_namespace {
        flags |= UnshareFlags::NEWUSER | UnshareFlags::NEWCGROUP;
    }
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    step("unshare", unshare(flags))?;
    if user_namespace {
        // user_namespaces(7): without this step an unprivileged process may not write gid_map.
        step("write /proc/self/setgroups", fs::write("/proc/self/setgroups", "deny"))?;
        step("write /proc/self/uid_map", fs::write("/proc/self/uid_map", format!("0 {uid} 1")))?;
        step("write /proc/self/gid_map", fs::write("/proc/self/gid_map", format!("0 {gid} 1")))?;
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    step("make / private", mount_change("/", private).map_err(io::Error::from))?;
    if cgroup_view {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let mounted = mount("cgroup2", CGROUP, "cgroup2", flags, None);
        step("mount cgroup2 on /sys/fs/cgroup", mounted.map_err(io::Error::from))?;
    }
    Ok(())
}

fn step(what: &str, result: io::Result<()>) -> io::Result<()> {
    result.map_err(|error| io::Error::new(error.kind(), format!("cannot {what}: {error}")))
}
