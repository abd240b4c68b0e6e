//! The file systems of a container: its root, the mounts on it, and the devices.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode as Bits, StatVfsMountFlags};
use rustix::mount::{MountFlags, MountPropagationFlags};

use crate::bundle::{Bundle, Mount};
use crate::failure::{Failure, reason};

const DEVICES: &[(&str, u32, u32)] =
    &[("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

const LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// Makes everything below the root directory. Does nothing if the container has no mount namespace of its own.
pub(crate) fn make_all(bundle: &Bundle) -> Result<(), Failure> {
    if !bundle.has("mount") {
        return Ok(());
    }
    let root = Path::new(&bundle.root);
    make_root(root).map_err(|error| Failure::new(format!("make `{}` private: {}", bundle.root, reason(&error))))?;
    // As in crun, a missing working directory is made, even if the root will be read-only.
    let _ = fs::create_dir_all(below(root, &bundle.cwd));
    for mount in &bundle.mounts {
        make(root, mount)?;
    }
    if bundle.readonly {
        read_only(root).map_err(|error| Failure::io(&format!("remount `{}` read-only", bundle.root), &error))?;
    }
    Ok(())
}

/// Turns the root directory into a mount point that no other namespace sees.
fn make_root(root: &Path) -> io::Result<()> {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    rustix::mount::mount_bind_recursive(root, root)?;
    Ok(())
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn make(root: &Path, mount: &Mount) -> Result<(), Failure> {
    let target = below(root, &mount.destination);
    let failed = |error: io::Error| {
        Failure::new(format!("mount `{}` to `{}`: {}", mount.source, mount.destination, reason(&error)))
    };
    if mount.is_bind() {
        return bind(mount, &target);
    }
    match mount.kind.as_str() {
        "proc" => {
            fs::create_dir_all(&target).map_err(failed)?;
            process_list(&target).map_err(failed)
        }
        "tmpfs" => {
            fs::create_dir_all(&target).map_err(failed)?;
            special(mount, &target).map_err(failed)?;
            if mount.destination == "/dev" { devices(&target).map_err(failed) } else { Ok(()) }
        }
        "devpts" => {
            fs::create_dir_all(&target).map_err(failed)?;
            special(mount, &target).map_err(failed)
        }
        // No program needs the other kinds in order to write to stdout.
        _ => Ok(()),
    }
}

/// Binds a directory or a file of the host.
fn bind(mount: &Mount, target: &Path) -> Result<(), Failure> {
    let (source, place) = (&mount.source, &mount.destination);
    let unseen = |error: io::Error| Failure::new(format!("error stat'ing file `{source}`: {}", reason(&error)));
    let kind = fs::metadata(source).map_err(unseen)?;
    let failed = |error: io::Error| Failure::new(format!("mount `{source}` to `{place}`: {}", reason(&error)));
    if !target.exists() {
        let made = if kind.is_dir() { fs::create_dir_all(target) } else { File::create(target).map(drop) };
        made.map_err(failed)?;
    }
    rustix::mount::mount_bind_recursive(source.as_str(), target).map_err(|error| failed(error.into()))?;
    if mount.options.iter().any(|option| option == "ro") {
        read_only(target).map_err(failed)?;
    }
    Ok(())
}

/// Mounts a new proc, or binds the host's if the kernel does not allow a new one.
fn process_list(target: &Path) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    rustix::mount::mount("proc", target, "proc", flags, None)
        .or_else(|_| rustix::mount::mount_bind_recursive("/proc", target))?;
    Ok(())
}

/// Mounts a file system of the kernel. Some options are passed as flags, others as text.
fn special(mount: &Mount, target: &Path) -> io::Result<()> {
    let mut flags = MountFlags::empty();
    let mut texts = Vec::new();
    for option in &mount.options {
        match option.as_str() {
            "nosuid" => flags |= MountFlags::NOSUID,
            "noexec" => flags |= MountFlags::NOEXEC,
            "nodev" => flags |= MountFlags::NODEV,
            "strictatime" => flags |= MountFlags::STRICTATIME,
            other if other.contains('=') || other == "newinstance" => texts.push(other),
            _ => {}
        }
    }
    let data = std::ffi::CString::new(texts.join(","))?;
    rustix::mount::mount(mount.source.as_str(), target, mount.kind.as_str(), flags, Some(data.as_c_str()))?;
    Ok(())
}

/// Makes the devices that every program expects: nodes of their own, or the host's if no nodes may be made.
fn devices(directory: &Path) -> io::Result<()> {
    rustix::process::umask(Bits::empty());
    for (name, major, minor) in DEVICES {
        let (path, number) = (directory.join(name), rustix::fs::makedev(*major, *minor));
        if rustix::fs::mknodat(CWD, &path, FileType::CharacterDevice, Bits::from_raw_mode(0o666), number).is_err() {
            File::create(&path)?;
            rustix::mount::mount_bind(Path::new("/dev").join(name), &path)?;
        }
    }
    for (name, target) in LINKS {
        symlink(target, directory.join(name))?;
    }
    Ok(())
}

/// Remounts a bind mount read-only. Keeps the flags that a user namespace may not remove.
fn read_only(target: &Path) -> io::Result<()> {
    let has = rustix::fs::statvfs(target)?.f_flag;
    let mut flags = MountFlags::BIND | MountFlags::RDONLY;
    flags.set(MountFlags::NOSUID, has.contains(StatVfsMountFlags::NOSUID));
    flags.set(MountFlags::NODEV, has.contains(StatVfsMountFlags::NODEV));
    flags.set(MountFlags::NOEXEC, has.contains(StatVfsMountFlags::NOEXEC));
    flags.set(MountFlags::NOATIME, has.contains(StatVfsMountFlags::NOATIME));
    flags.set(MountFlags::RELATIME, has.contains(StatVfsMountFlags::RELATIME));
    rustix::mount::mount_remount(target, flags, "")?;
    Ok(())
}
