//! FIFOs in the place of the files, as Nomad has them: with somebody who reads them, and without.

use super::super::Place;
use super::{Start, Stimulus, writes_no_files};
use crate::strategy::Capabilities;
use rustix::fs::{CWD, Mode};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

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
    fn excuses(&self, _declares: Capabilities) -> &'static [&'static str] {
        if self.read { &["file_lost_bytes"] } else { &["file_lost_bytes", "file_altered_lines"] }
    }

    fn unsupported(&self, _place: Place, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    fn may_be_refused(&self) -> bool {
        !self.read
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        *start.files = ["fifo-1", "fifo-2"].map(|name| start.scratch.join(name));
        for file in start.files.iter() {
            rustix::fs::mkfifoat(CWD, file, Mode::RUSR | Mode::WUSR)?;
        }
        if self.read {
            let open = |file| File::options().read(true).custom_flags(libc::O_NONBLOCK).open(file);
            let [stdout, stderr] = start.files.each_ref().map(open);
            start.partner = Some([stdout?, stderr?]);
        }
        Ok(())
    }
}
