//! The files cannot be made or written: directories take their place, or the file system is read-only.

use super::super::Conditions;
use super::{Start, Stimulus, writes_no_files};
use crate::files::{make_directory, with_path, write_private};
use crate::finding::Finding;
use crate::strategy::Capabilities;
use rustix::mount::{MountFlags, mount_bind, mount_remount};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) static FILE_DIRECTORY: FileRefused =
    FileRefused { name: "file-directory", summary: "directories take the place of the files", how: How::Directory };

pub(crate) static FILE_READ_ONLY: FileRefused = FileRefused {
    name: "file-read-only",
    summary: "the files' directory is on a read-only mount (for a user without privileges, it has no write permission)",
    how: How::ReadOnly,
};

pub(crate) static FILE_UNWRITABLE: FileRefused = FileRefused {
    name: "file-unwritable",
    summary: "the files exist but cannot be written (a read-only mount of each, or the mode for a user without privileges)",
    how: How::Unwritable,
};

#[derive(Clone, Copy)]
enum How {
    Directory,
    ReadOnly,
    Unwritable,
}

pub(crate) struct FileRefused {
    name: &'static str,
    summary: &'static str,
    how: How,
}

impl Stimulus for FileRefused {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[Finding::FileLostBytes, Finding::FileAlteredLines]
    }

    fn unsupported(&self, _place: Conditions, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    fn may_be_refused(&self) -> bool {
        true
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        let folder = start.scratch.join("files");
        make_directory(&folder)?;
        *start.files = ["stdout", "stderr"].map(|name| folder.join(name));
        match self.how {
            How::Directory => start.files.iter().try_for_each(|file| make_directory(file)),
            How::ReadOnly => forbid(&folder, start.root),
            How::Unwritable => start.files.iter().try_for_each(|file| {
                write_private(file, b"")?;
                forbid(file, start.root)
            }),
        }
    }
}

/// Makes the path unwritable. Only a mount keeps root out.
fn forbid(path: &Path, root: bool) -> io::Result<()> {
    let failed = |error: io::Error| with_path(&error, path);
    if root {
        mount_bind(path, path).map_err(|errno| failed(errno.into()))?;
        let flags = MountFlags::BIND | MountFlags::RDONLY;
        return mount_remount(path, flags, "").map_err(|errno| failed(errno.into()));
    }
    let mode = if path.is_dir() { 0o500 } else { 0o400 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)
}
