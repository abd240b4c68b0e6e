//! Stored runs: a run is read back, and held against what it says that it has.

use crate::analysis::{self, Findings};
use crate::recording::finished::{self, Finished};
use crate::recording::run::RunError;
use crate::recording::{CellId, Recording, Run, store};
use crate::script::journal::Journal;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Why a stored run cannot be believed.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The run itself cannot be read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The list of finished cells or a recording cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The run has ended, but does not say which cells it has finished, or not as many as it had finished.
    #[error("{} says that {said} cells were finished, and its list has {listed}: it is not as it was when the run ended", .directory.display())]
    Count {
        /// The run's directory.
        directory: PathBuf,
        /// How many cells the run says it has finished.
        said: usize,
        /// How many its list has.
        listed: usize,
    },
    /// A listed cell is no cell of the run, or is listed twice.
    #[error("{} lists {id} as finished, which the run has not planned, or lists it twice", .directory.display())]
    Listed {
        /// The run's directory.
        directory: PathBuf,
        /// The cell.
        id: String,
    },
    /// The recording of a finished cell is not there.
    #[error("{id} was finished, but its recording in {} is gone: run it again", .folder.display())]
    Gone {
        /// The cell.
        id: String,
        /// Where its recording was.
        folder: PathBuf,
    },
    /// The recording is not what was run.
    #[error(
        "{} is not what was run as {id}: its checksum is another. It was changed or exchanged later, \
         or another version of crun-capture made it; run it again",
        .folder.display()
    )]
    Changed {
        /// The cell.
        id: String,
        /// Where its recording is.
        folder: PathBuf,
    },
}

/// The checksum of a recording and its findings (CRC-32). It shows a change, not a forgery.
pub(super) fn checksum(recording: &Recording, findings: &Findings) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&serde_json::to_vec(&(&recording.facts, findings)).expect("facts and findings are JSON"));
    hash.update(&recording.journal.as_ref().map(Journal::to_bytes).unwrap_or_default());
    for (delivered, stamp) in recording.deliveries.iter().zip(&recording.stamps) {
        let head = [delivered.origin as u64, delivered.ending as u64, delivered.at_ns, stamp.unwrap_or(u64::MAX)];
        head.iter().for_each(|word| hash.update(&word.to_le_bytes()));
        hash.update(&delivered.bytes);
    }
    for file in recording.files.iter().flatten() {
        hash.update(&(file.len() as u64).to_le_bytes());
        hash.update(file);
    }
    hash.finalize()
}

/// Reads a stored run, and gives each recording that it has finished to `take`. Each is what was run.
///
/// # Errors
/// The run or a recording cannot be read, or is not what was run.
pub fn read(directory: &Path, mut take: impl FnMut(Recording, Findings)) -> Result<Run, StoredError> {
    let run = Run::load(directory)?;
    let listed = finished::read(directory)?;
    let count = listed.as_ref().map_or(0, Vec::len);
    if let Some(said) = run.finished.filter(|&said| said != count) {
        return Err(StoredError::Count { directory: directory.to_owned(), said, listed: count });
    }
    let mut planned: HashMap<&CellId, bool> =
        run.plan.iter().filter(|planned| planned.expected.is_ok()).map(|planned| (&planned.id, false)).collect();
    for Finished { id, checksum: wanted } in listed.unwrap_or_default() {
        match planned.get_mut(&id) {
            Some(seen) if !*seen => *seen = true,
            _ => return Err(StoredError::Listed { directory: directory.to_owned(), id: id.to_string() }),
        }
        let folder = store::folder(directory, &id);
        if !store::is_whole(&folder) {
            return Err(StoredError::Gone { id: id.to_string(), folder });
        }
        let recording = store::read(&folder)?;
        let findings = analysis::findings(&recording);
        if recording.facts.id != id || checksum(&recording, &findings) != wanted {
            return Err(StoredError::Changed { id: id.to_string(), folder });
        }
        take(recording, findings);
    }
    Ok(run)
}

/// Reads a stored run with its findings.
///
/// # Errors
/// As for [`read`].
pub fn findings(directory: &Path) -> Result<(Run, HashMap<CellId, Findings>), StoredError> {
    let mut all = HashMap::new();
    let run = read(directory, |recording, findings| {
        all.insert(recording.facts.id, findings);
    })?;
    Ok((run, all))
}
