//! The stimulus places the capturer's files on a disk or in memory.

use super::super::Conditions;
use super::{Start, Stimulus, writes_no_files};
use crate::files::make_directory;
use crate::scratch::{is_in_memory, memory_directory};
use crate::strategy::Capabilities;
use std::io;

pub(crate) static FILES_ON_DISK: FilesPlaced = FilesPlaced {
    name: "files-on-disk",
    summary: "the files are on a disk: in the directory for temporary files",
    in_memory: false,
};

pub(crate) static FILES_IN_MEMORY: FilesPlaced =
    FilesPlaced { name: "files-in-memory", summary: "the files are in memory: in /dev/shm", in_memory: true };

pub(crate) struct FilesPlaced {
    name: &'static str,
    summary: &'static str,
    in_memory: bool,
}

impl Stimulus for FilesPlaced {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn unsupported(&self, _place: Conditions, declares: Capabilities) -> Option<String> {
        let conditions = if self.in_memory { memory_directory().unwrap_or_default() } else { std::env::temp_dir() };
        let misplaced = is_in_memory(&conditions) != self.in_memory;
        let kind = if self.in_memory { "memory" } else { "a disk" };
        misplaced
            .then(|| format!("{} is not {kind} (set TMPDIR to another directory)", conditions.display()))
            .or_else(|| writes_no_files(declares))
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        let folder = if self.in_memory { start.memory.join("files") } else { start.scratch.join("files") };
        make_directory(&folder)?;
        *start.files = ["stdout", "stderr"].map(|name| folder.join(name));
        Ok(())
    }
}
