//! The files hold the log of an earlier run already, and it is longer than the new one.

use super::super::Conditions;
use super::{Start, Stimulus, writes_no_files};
use crate::files::write_private;
use crate::strategy::Capabilities;
use std::fs::{Permissions, set_permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};

/// A capturer may empty the file or continue it. One that overwrites its beginning mixes the two.
const EARLIER: &str = concat!(
    "the first line of an earlier run\n",
    "a second one, which is a little longer than the first line of that run\n",
    "the last line of an earlier run, after which the task was started again\n",
);

/// The log's readers belong to its group. A capturer that puts a new file in its place shuts them out.
const MODE: u32 = 0o640;

/// The group of the log's readers.
const GROUP: u32 = 65_534;

pub(crate) static FILE_CONTINUED: FileContinued = FileContinued;

pub(crate) struct FileContinued;

impl Stimulus for FileContinued {
    fn name(&self) -> &'static str {
        "file-continued"
    }

    fn summary(&self) -> &'static str {
        "the files hold the log of an earlier run, to be emptied or continued"
    }

    fn file_has(&self) -> &'static str {
        EARLIER
    }

    fn unsupported(&self, _place: Conditions, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        start.files.iter().try_for_each(|file| {
            write_private(file, EARLIER.as_bytes())?;
            set_permissions(file, Permissions::from_mode(MODE))?;
            // Only root can give it to any group. A runtime may give the file itself to the container's user.
            if start.root { chown(file, None, Some(GROUP)) } else { Ok(()) }
        })
    }
}
