//! The surroundings of the workload: the descriptors, the environment and the identity that the runtime gave it.

use crun_capture::script::Surroundings;
use rustix::fs::{FileType, OFlags};
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// The text that a `Describe` step writes.
pub(crate) fn describe(what: Surroundings) -> Vec<u8> {
    match what {
        Surroundings::Descriptors => descriptors().into_bytes(),
        Surroundings::Environment => environment(),
        Surroundings::Identity => identity().into_bytes(),
    }
}

/// The descriptors that came through the exec. The workload's own descriptors are all close-on-exec.
fn descriptors() -> String {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut numbers: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.into_iter().filter_map(descriptor).collect()
}

fn descriptor(number: i32) -> Option<String> {
    let path = format!("/proc/self/fd/{number}");
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).ok()?;
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"))?.trim();
    let flags = u32::from_str_radix(flags, 8).ok()?;
    if flags & OFlags::CLOEXEC.bits() != 0 {
        return None;
    }
    let kind = match FileType::from_raw_mode(rustix::fs::stat(path.as_str()).ok()?.st_mode) {
        FileType::RegularFile => "regular",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::CharacterDevice if is_terminal(&path) => "terminal",
        FileType::CharacterDevice => "device",
        FileType::Directory => "directory",
        _ => "other",
    };
    let nonblock = if flags & OFlags::NONBLOCK.bits() == 0 { "" } else { " nonblock" };
    Some(format!("{number} {kind}{nonblock}\n"))
}

/// Whether this is a terminal. A container's terminal is in its devpts.
fn is_terminal(path: &str) -> bool {
    fs::read_link(path).is_ok_and(|target| target.starts_with("/dev/pts") || target.starts_with("/dev/console"))
}

fn environment() -> Vec<u8> {
    let mut entries: Vec<_> =
        std::env::vars_os().map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes(), b"\n"].concat()).collect();
    entries.sort_unstable();
    entries.concat()
}

fn identity() -> String {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let directory = std::env::current_dir().map_or("?".to_owned(), |path| path.display().to_string());
    let umask = rustix::process::umask(rustix::fs::Mode::empty());
    format!("uid {uid} gid {gid} cwd {directory} umask {:03o}\n", umask.as_raw_mode())
}
