//! The part of a running cell that a stimulus acts on, and the record of what it has done.

use crate::experiment::Stimulus;
use crate::script::journal::Journal;
use std::any::Any;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The owner, the group and the permissions of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
}

impl Owner {
    /// Those of the file at this path. None: there is none.
    pub(super) fn of(path: &Path) -> Option<Owner> {
        let found = std::fs::symlink_metadata(path).ok()?;
        Some(Owner { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 })
    }
}

/// The things that a stimulus acts on, and the record of what it has done.
#[derive(Default)]
pub(super) struct Grip {
    pub(super) stimulus: Option<&'static dyn Stimulus>,
    /// The container's id.
    pub(super) id: String,
    /// The directory that is mounted on `/exchange`.
    pub(super) exchange: PathBuf,
    pub(super) pid_file: PathBuf,
    pub(super) is_oci: bool,
    /// The files that the capturer was given.
    pub(super) files: [PathBuf; 2],
    /// Who owned those of them that were there before the capturer was started.
    pub(super) owned: [Option<Owner>; 2],
    /// The gates that were opened.
    pub(super) gates: Vec<(String, File)>,
    /// Whether the consumer has stopped reading.
    pub(super) held: bool,
    /// How many bytes a slow consumer reads per ms. None: as many as there are.
    pub(super) bytes_per_ms: Option<usize>,
    pub(super) wake_at_ns: Option<u64>,
    /// The runtime's process in front of the container.
    pub(super) front: Option<u32>,
    /// The files that a stimulus has kept. They replace those at the paths in `files`.
    pub(super) kept: [Option<File>; 2],
    /// The files that a stimulus has made.
    pub(super) made: Vec<PathBuf>,
    pub(super) notes: Vec<(u64, String)>,
    pub(super) error: Option<String>,
    /// The things that are dropped when the capturer has ended.
    pub(super) company: Vec<Box<dyn Any + Send>>,
}

impl Grip {
    pub(super) fn lasts(&self) -> Duration {
        self.stimulus.map_or(Duration::ZERO, Stimulus::lasts)
    }

    pub(super) fn journal(&self) -> Option<Journal> {
        Journal::read(&self.exchange.join("journal")).ok().flatten()
    }
}
