//! Files that the harness writes, and files that somebody else wrote.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The largest file that is read. The harness writes no larger file. A larger one does not come from a sound capturer,
/// and would fill the memory.
const FILE_MAX_BYTES: u64 = 2 << 30;

/// Makes a directory of mode 0700.
///
/// # Errors
/// As for mkdir(2); with the path.
pub fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(path).map_err(|error| with_path(&error, path))
}

/// Makes a directory of mode 0700, and those above it that are missing.
///
/// # Errors
/// As for mkdir(2); with the path.
pub fn make_directories(path: &Path) -> io::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| with_path(&error, path))
}

/// Writes a new file of mode 0600.
///
/// # Errors
/// The file exists, or cannot be written; with the path.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|error| with_path(&error, path))
}

/// Writes a file of mode 0600 in place of what is there. A link is refused, because it would lead somewhere else.
///
/// # Errors
/// The file cannot be written; with the path.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|error| with_path(&error, path))
}

/// Replaces a file in one step, so that nobody ever sees a part of it: it is written beside the path and renamed.
///
/// # Errors
/// As for [`replace`].
pub fn replace_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    replace(Path::new(&partial), bytes)?;
    fs::rename(&partial, path).map_err(|error| with_path(&error, path))
}

/// Reads a file that somebody else wrote. It must be a regular file of at most 2 GiB, and not a link. None: there is no
/// such file. Never blocks.
///
/// # Errors
/// The file is something else, or cannot be read; with the path.
pub fn read_regular(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path);
    let mut file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| with_path(&error, path))?,
    };
    let metadata = file.metadata().map_err(|error| with_path(&error, path))?;
    if !metadata.is_file() || metadata.len() > FILE_MAX_BYTES {
        let message = format!("not a regular file of at most {FILE_MAX_BYTES} bytes");
        return Err(with_path(&io::Error::new(io::ErrorKind::InvalidData, message), path));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(|error| with_path(&error, path))?;
    Ok(Some(bytes))
}

/// Whether the path leads to a FIFO.
pub fn is_fifo(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

/// The same error, with the path in its message.
pub fn with_path(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
