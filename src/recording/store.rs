//! The format of recordings on disk. Only this module knows it.
//!
//! The folder of a cell is `cells/RUNTIME/STRATEGY/EXPERIMENT/CASE/RUN`. It holds `facts.json`, `deliveries` (frames, with
//! the times of their arrival), `stamps` (the capturer's own times, 8 bytes each), `journal`, and, if the capturer wrote
//! files, `stdout` and `stderr`. `facts.json` is written last and renamed into place, so a folder that has it is whole.

use super::{CellId, Facts, Recording};
use crate::files::{make_directories, read_regular, replace, replace_whole, with_path};
use crate::script::journal::Journal;
use crate::sink::frame::{Decoder, Frame, encode};
use crun_capture_reactor::{Delivered, Stream};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The folder of the recording of `id`, below the run's directory.
pub fn folder(root: &Path, id: &CellId) -> PathBuf {
    let parts = [&id.runtime, &id.strategy, &id.experiment, &id.case];
    parts.iter().fold(root.join("cells"), |path, part| path.join(part)).join(id.run.to_string())
}

/// The file for what the capturer writes to its own stdout and stderr.
pub fn diagnostics(folder: &Path) -> PathBuf {
    folder.join("diagnostics")
}

/// The file into which a capturer writes `stream`.
pub fn file(folder: &Path, stream: Stream) -> PathBuf {
    folder.join(match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    })
}

/// What stands in the folder of a cell before its recording is written, and is neither a file of a stream, nor the
/// diagnostics, nor one of `known`.
///
/// # Errors
/// The folder cannot be read; with the path.
pub fn strangers(folder: &Path, known: &[PathBuf]) -> io::Result<Vec<String>> {
    let own = [file(folder, Stream::Stdout), file(folder, Stream::Stderr), diagnostics(folder)];
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|error| with_path(&error, folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| with_path(&error, folder))?;
        if !own.contains(&entry.path()) && !known.contains(&entry.path()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Makes the folder of `id`, and removes an earlier recording.
///
/// # Errors
/// The folder cannot be made; with the path.
pub fn prepare(root: &Path, id: &CellId) -> io::Result<PathBuf> {
    let folder = folder(root, id);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(with_path(&error, &folder)),
        _ => {}
    }
    make_directories(&folder)?;
    Ok(folder)
}

/// Writes a recording, but not the files of the streams: the capturer has written those.
///
/// # Errors
/// A part cannot be written; with its path.
pub fn write(folder: &Path, recording: &Recording) -> io::Result<()> {
    // The capturer knows this folder, and may have removed it.
    make_directories(folder)?;
    let mut frames = Vec::new();
    for delivered in &recording.deliveries {
        encode(delivered.origin, delivered.ending, Some(delivered.at_ns), &delivered.bytes, &mut frames);
    }
    replace(&folder.join("deliveries"), &frames)?;
    let stamps: Vec<u8> = recording.stamps.iter().flat_map(|stamp| stamp.unwrap_or(NO_STAMP).to_le_bytes()).collect();
    replace(&folder.join("stamps"), &stamps)?;
    for stream in Stream::BOTH.into_iter().filter(|stream| recording.file(*stream).is_none()) {
        // What could not be read as a file during the run could not be read for a report either. Usually nothing is
        // there.
        let path = file(folder, stream);
        let _mostly_absent = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
    }
    if let Some(journal) = &recording.journal {
        replace(&folder.join("journal"), &journal.to_bytes())?;
    }
    replace_whole(&folder.join("facts.json"), &serde_json::to_vec_pretty(&recording.facts)?)
}

/// Reads a stored recording.
///
/// # Errors
/// A part cannot be read, or is not what `write` writes; with its path.
pub fn read(folder: &Path) -> io::Result<Recording> {
    let path = folder.join("facts.json");
    let json = read_regular(&path)?.ok_or_else(|| with_path(&io::ErrorKind::NotFound.into(), &path))?;
    let facts: Facts = serde_json::from_slice(&json).map_err(|error| with_path(&error.into(), &path))?;
    Ok(Recording {
        facts,
        journal: Journal::read(&folder.join("journal"))?,
        deliveries: deliveries(&folder.join("deliveries"))?,
        stamps: stamps(&folder.join("stamps"))?,
        files: [read_file(folder, Stream::Stdout)?, read_file(folder, Stream::Stderr)?],
    })
}

/// The content of the file of a stream. None: the capturer wrote no such file.
///
/// # Errors
/// As for `read_regular`.
pub fn read_file(folder: &Path, stream: Stream) -> io::Result<Option<Vec<u8>>> {
    read_regular(&file(folder, stream))
}

/// The stamp of a delivery that has none.
const NO_STAMP: u64 = u64::MAX;

fn stamps(path: &Path) -> io::Result<Vec<Option<u64>>> {
    let bytes = read_regular(path)?.ok_or_else(|| with_path(&io::ErrorKind::NotFound.into(), path))?;
    let words = bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("a chunk has 8 bytes")));
    Ok(words.map(|word| (word != NO_STAMP).then_some(word)).collect())
}

fn deliveries(path: &Path) -> io::Result<Vec<Delivered>> {
    let bytes = read_regular(path)?.ok_or_else(|| with_path(&io::ErrorKind::NotFound.into(), path))?;
    let mut decoder = Decoder::default();
    decoder.push(&bytes);
    let mut deliveries = Vec::new();
    loop {
        match decoder.next(0).map_err(|error| with_path(&io::Error::other(error), path))? {
            Some(Frame::Delivered(delivered, _)) => deliveries.push(delivered),
            Some(Frame::Outcome(_)) => {}
            None if decoder.pending() == 0 => return Ok(deliveries),
            None => return Err(with_path(&io::ErrorKind::UnexpectedEof.into(), path)),
        }
    }
}

/// Whether the recording in this folder was written to its end.
pub fn is_whole(folder: &Path) -> bool {
    folder.join("facts.json").is_file()
}
