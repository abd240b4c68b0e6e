//! The list of the cells that a run has finished, each with a checksum of its recording and of what was
//! found in it. It is kept as
//! `finished.jsonl` in the run's directory, one line for each cell, and grows while the run goes on. So a run that was
//! cut short says what it has, and a recording that was changed or exchanged later is noticed.

use super::CellId;
use crate::files::{read_regular, with_path};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The name of the file.
const FILE: &str = "finished.jsonl";

/// One cell that a run has finished.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// The cell.
    #[serde(flatten)]
    pub id: CellId,
    /// The checksum of its recording and its findings.
    pub checksum: u32,
}

/// The list, while the run goes on.
#[derive(Debug)]
pub struct FinishedList {
    file: File,
    path: PathBuf,
}

impl FinishedList {
    /// Makes an empty list in the run's directory.
    ///
    /// # Errors
    /// The file cannot be made; with its path.
    pub fn create(directory: &Path) -> io::Result<FinishedList> {
        let path = directory.join(FILE);
        let mut options = File::options();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&path);
        Ok(FinishedList { file: file.map_err(|error| with_path(&error, &path))?, path })
    }

    /// Adds a cell, in one write(2).
    ///
    /// # Errors
    /// The disk is full, or the file cannot be written; with its path.
    pub fn add(&mut self, finished: &Finished) -> io::Result<()> {
        let line = serde_json::to_string(finished)? + "\n";
        self.file.write_all(line.as_bytes()).map_err(|error| with_path(&error, &self.path))
    }
}

/// Reads the list in a run's directory. None: there is none. A last line that is not whole is that of a cell that was
/// not finished.
///
/// # Errors
/// The file cannot be read, or another line is not one of a list; with its path.
pub fn read(directory: &Path) -> io::Result<Option<Vec<Finished>>> {
    let path = directory.join(FILE);
    let Some(bytes) = read_regular(&path)? else { return Ok(None) };
    let whole = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
    let lines = bytes[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let parsed: Result<Vec<Finished>, _> = lines.map(serde_json::from_slice).collect();
    Ok(Some(parsed.map_err(|error| with_path(&error.into(), &path))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_was_cut_has_the_cells_before_the_cut() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read(directory.path()).unwrap(), None);
        let [runtime, strategy, experiment, case] = ["r", "s", "e", "c"].map(str::to_owned);
        let of = |run| Finished {
            id: CellId {
                runtime: runtime.clone(),
                strategy: strategy.clone(),
                experiment: experiment.clone(),
                case: case.clone(),
                run,
            },
            checksum: run,
        };
        let mut list = FinishedList::create(directory.path()).unwrap();
        (0..3).for_each(|run| list.add(&of(run)).unwrap());
        let path = directory.path().join(FILE);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        assert_eq!(read(directory.path()).unwrap(), Some(vec![of(0), of(1)]));
        std::fs::write(&path, b"no list\n").unwrap();
        assert!(read(directory.path()).unwrap_err().to_string().contains(FILE));
    }
}
