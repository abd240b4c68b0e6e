//! What a stimulus acts on, and what it has done.

use crate::experiment::Stimulus;
use crate::script::journal::Journal;
use std::any::Any;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// What a stimulus has done, and what it acts on.
#[derive(Default)]
pub(super) struct Grip {
    pub(super) stimulus: Option<&'static dyn Stimulus>,
    /// The container's id.
    pub(super) id: String,
    /// The directory that is mounted on `/exchange`.
    pub(super) exchange: PathBuf,
    pub(super) pid_file: PathBuf,
    pub(super) is_oci: bool,
    /// The files that the capturer was told of.
    pub(super) files: [PathBuf; 2],
    /// Gates that were opened.
    pub(super) gates: Vec<(String, File)>,
    /// Whether the consumer has stopped reading.
    pub(super) held: bool,
    /// How much a slow consumer reads. None: as much as there is.
    pub(super) bytes_per_ms: Option<usize>,
    pub(super) wake_at_ns: Option<u64>,
    /// The process that stands before the container.
    pub(super) front: Option<u32>,
    /// In place of what is at the files' paths.
    pub(super) kept: [Option<File>; 2],
    pub(super) notes: Vec<(u64, String)>,
    pub(super) error: Option<String>,
    /// What is dropped when the capturer has ended.
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
