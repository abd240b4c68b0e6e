//! The files cannot be made: a directory stands in their place, or the file system is read-only.

use super::super::Place;
use super::{Start, Stimulus, writes_no_files};
use crate::bundle::{make_directory, with_path};
use crate::strategy::Capabilities;
use rustix::mount::{MountFlags, mount_bind, mount_remount};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

pub(crate) static FILE_DIRECTORY: FileRefused =
    FileRefused { name: "file-directory", summary: "directories stand where the files are to be", read_only: false };

pub(crate) static FILE_READ_ONLY: FileRefused = FileRefused {
    name: "file-read-only",
    summary: "the files' directory is on a read-only mount (for a user without privileges: has no write permission)",
    read_only: true,
};

pub(crate) struct FileRefused {
    name: &'static str,
    summary: &'static str,
    read_only: bool,
}

impl Stimulus for FileRefused {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn excuses(&self, _declares: Capabilities) -> &'static [&'static str] {
        &["file_lost_bytes", "file_altered_lines"]
    }

    fn unsupported(&self, _place: Place, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    fn may_be_refused(&self) -> bool {
        true
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        let folder = start.scratch.join("files");
        make_directory(&folder)?;
        *start.files = ["stdout", "stderr"].map(|name| folder.join(name));
        if !self.read_only {
            return start.files.iter().try_for_each(|file| make_directory(file));
        }
        let failed = |error: io::Error| with_path(&error, &folder);
        if start.root {
            // Root may write wherever a mode forbids it.
            mount_bind(&folder, &folder).map_err(|errno| failed(errno.into()))?;
            let flags = MountFlags::BIND | MountFlags::RDONLY;
            return mount_remount(&folder, flags, "").map_err(|errno| failed(errno.into()));
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).map_err(failed)
    }
}
