//! Changes that only some bundles need: another user, another program, a terminal.

use super::config;
use crate::files::with_path;
use rustix::fs::{Gid, Uid};
use serde_json::{Value, json};
use std::fs;
use std::io;
use std::path::Path;

/// The directories that a program of the host needs. If one of them is a link (a merged /usr), the rootfs has the same
/// link.
pub(super) const HOST: [&str; 5] = ["usr", "bin", "lib", "lib64", "sbin"];

/// Makes the process of a bundle run as this user and group.
///
/// # Errors
/// The bundle's config.json cannot be read or written. The error names its path.
pub fn run_as(bundle: &Path, user: u32) -> io::Result<()> {
    change(bundle, |config| config["process"]["user"] = json!({"uid": user, "gid": user}))
}

/// Makes a bundle run a program of the host. The host's directories of programs and libraries are bound in read-only.
///
/// # Errors
/// As for `run_as`.
pub fn run_program(bundle: &Path, words: &[String]) -> io::Result<()> {
    change(bundle, |config| {
        config["process"]["args"] = json!(words);
        if let Some(environment) = config["process"]["env"].as_array_mut() {
            environment.retain(|variable| variable.as_str().is_none_or(|text| !text.starts_with("PATH=")));
            environment.push(json!("PATH=/usr/bin:/bin"));
        }
        let is_directory = |name: &&&str| fs::symlink_metadata(format!("/{name}")).is_ok_and(|found| found.is_dir());
        let bind = |name: &str| {
            let path = format!("/{name}");
            json!({"destination": path, "type": "bind", "source": path, "options": config::HOST_OPTIONS})
        };
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.extend(HOST.iter().filter(is_directory).map(|name| bind(name)));
        }
    })
}

/// Makes a bundle ask for a terminal, with a devpts of the container's own. The mount has no `gid=5`, because rootless
/// containers are refused that.
///
/// # Errors
/// As for `run_as`.
pub fn ask_for_terminal(bundle: &Path) -> io::Result<()> {
    change(bundle, |config| {
        config["process"]["terminal"] = json!(true);
        if let Some(mounts) = config["mounts"].as_array_mut() {
            let options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"];
            mounts.push(json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": options}));
        }
    })
}

/// Gives the directory that is mounted on `/exchange`, with everything in it, to another user.
///
/// # Errors
/// As for chown(2). The error names the path.
pub fn give_exchange(directory: &Path, user: u32) -> io::Result<()> {
    let entries = fs::read_dir(directory)?.flatten().map(|entry| entry.path());
    for path in entries.chain([directory.to_owned()]) {
        let given = rustix::fs::chown(&path, Some(Uid::from_raw(user)), Some(Gid::from_raw(user)));
        given.map_err(|errno| with_path(&errno.into(), &path))?;
    }
    Ok(())
}

/// Makes what the rootfs has in place of the host's directories: a mount point, or a copy of the host's link.
pub(super) fn make_mount_points(rootfs: &Path) -> io::Result<()> {
    for name in HOST {
        let (host, own) = (Path::new("/").join(name), rootfs.join(name));
        match fs::read_link(&host) {
            Ok(target) => std::os::unix::fs::symlink(target, &own).map_err(|error| with_path(&error, &own))?,
            Err(_) if host.is_dir() => crate::files::make_directory(&own)?,
            Err(_) => {}
        }
    }
    Ok(())
}

fn change(bundle: &Path, change: impl FnOnce(&mut Value)) -> io::Result<()> {
    let path = bundle.join("config.json");
    let failed = |error: io::Error| with_path(&error, &path);
    let mut config: Value = serde_json::from_slice(&fs::read(&path).map_err(failed)?)?;
    change(&mut config);
    fs::write(&path, serde_json::to_vec_pretty(&config)?).map_err(failed)
}
