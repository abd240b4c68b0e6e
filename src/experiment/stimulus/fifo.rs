//! FIFOs in place of the files, as in Nomad: with a reader, and without one.

use super::super::Conditions;
use super::{Start, Stimulus, writes_no_files};
use crate::finding::Finding;
use crate::strategy::Capabilities;
use rustix::fs::{CWD, Mode};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Nobody reads the FIFOs or ever opens them for reading.
pub(crate) static FIFO: Fifo =
    Fifo { name: "fifo", summary: "FIFOs that nobody reads take the place of the files", read: false };

/// The harness reads the FIFOs, as Nomad's logmon does.
pub(crate) static FIFO_READ: Fifo = Fifo {
    name: "fifo-read",
    summary: "FIFOs take the place of the files, and the harness reads them as Nomad's logmon does",
    read: true,
};

pub(crate) struct Fifo {
    name: &'static str,
    summary: &'static str,
    read: bool,
}

impl Stimulus for Fifo {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    /// A FIFO keeps nothing. If it has a reader, what comes out of it counts as delivered, and nothing else does.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        if self.read { &[Finding::FileLostBytes] } else { &[Finding::FileLostBytes, Finding::FileAlteredLines] }
    }

    fn unsupported(&self, _place: Conditions, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    /// A capturer that cannot use a FIFO may say so before it starts anything.
    fn may_be_refused(&self) -> bool {
        true
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        *start.files = make(start.scratch)?;
        if self.read {
            start.partner = Some(open_for_reading(start.files)?);
        }
        Ok(())
    }
}

/// Makes two FIFOs in this directory, for stdout and stderr.
pub(crate) fn make(directory: &Path) -> io::Result<[PathBuf; 2]> {
    let files = ["fifo-1", "fifo-2"].map(|name| directory.join(name));
    for file in &files {
        rustix::fs::mkfifoat(CWD, file, Mode::RUSR | Mode::WUSR)?;
    }
    Ok(files)
}

/// Opens their read ends, which do not block. An opener for writing then does not wait either.
pub(crate) fn open_for_reading(files: &[PathBuf; 2]) -> io::Result<[File; 2]> {
    let open = |file| File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file);
    let [stdout, stderr] = files.each_ref().map(open);
    Ok([stdout?, stderr?])
}
