//! FIFOs in the conditions of the files, as Nomad has them: with somebody who reads them, and without.

use super::super::Conditions;
use super::{Start, Stimulus, writes_no_files};
use crate::finding::Finding;
use crate::strategy::Capabilities;
use rustix::fs::{CWD, Mode};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Nobody reads them, nor ever opens them for it.
pub(crate) static FIFO: Fifo =
    Fifo { name: "fifo", summary: "FIFOs that nobody reads stand where the files are to be", read: false };

/// The harness reads them, as Nomad's logmon does.
pub(crate) static FIFO_READ: Fifo = Fifo {
    name: "fifo-read",
    summary: "FIFOs stand where the files are to be, and the harness reads them as Nomad's logmon does",
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

    /// A FIFO keeps nothing. What comes out of one that is read is what counts as delivered, and nothing else does.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        if self.read { &[Finding::FileLostBytes] } else { &[Finding::FileLostBytes, Finding::FileAlteredLines] }
    }

    fn unsupported(&self, _place: Conditions, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    /// Whoever cannot do with a FIFO may say so before it starts anything.
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

/// Two FIFOs in this directory, for stdout and stderr.
pub(crate) fn make(directory: &Path) -> io::Result<[PathBuf; 2]> {
    let files = ["fifo-1", "fifo-2"].map(|name| directory.join(name));
    for file in &files {
        rustix::fs::mkfifoat(CWD, file, Mode::RUSR | Mode::WUSR)?;
    }
    Ok(files)
}

/// Their read ends, which do not block; so whoever opens them for writing does not wait either.
pub(crate) fn open_for_reading(files: &[PathBuf; 2]) -> io::Result<[File; 2]> {
    let open = |file| File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file);
    let [stdout, stderr] = files.each_ref().map(open);
    Ok([stdout?, stderr?])
}
