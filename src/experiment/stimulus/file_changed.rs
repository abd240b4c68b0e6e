//! Somebody removes, renames or empties the files in mid-stream, as a log rotation does.

use super::super::Conditions;
use super::{Cue, GATE, Hands, Stimulus, writes_no_files};
use crate::finding::Finding;
use crate::strategy::{Capabilities, Capability};
use crun_capture_reactor::Stream;
use std::fs::{self, File};
use std::io;
use std::time::Duration;

/// The time between two checks that the files hold what was written so far, and the largest number of checks.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS_MAX: u32 = 250;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Removed,
    Renamed,
    Truncated,
}

pub(crate) static FILE_REMOVED: FileChanged = FileChanged {
    name: "file-removed",
    summary: "the files are removed in mid-stream, and their contents are still checked",
    change: Change::Removed,
};

pub(crate) static FILE_RENAMED: FileChanged = FileChanged {
    name: "file-renamed",
    summary: "the files are renamed in mid-stream, as log rotation does",
    change: Change::Renamed,
};

pub(crate) static FILE_TRUNCATED: FileChanged = FileChanged {
    name: "file-truncated",
    summary: "the files are emptied in mid-stream, as log rotation by copytruncate does",
    change: Change::Truncated,
};

pub(crate) struct FileChanged {
    name: &'static str,
    summary: &'static str,
    change: Change,
}

impl Stimulus for FileChanged {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    /// No capturer can keep what a file held when somebody emptied it. What comes later and what was delivered are not
    /// excused.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        if self.change == Change::Truncated { &[Finding::FileLostBytes] } else { &[] }
    }

    /// Where the program writes the file itself, what was not read yet is lost, too.
    fn forces_loss(&self, declares: Capabilities) -> bool {
        self.change == Change::Truncated && declares.has(Capability::SurvivesDeath)
    }

    fn unsupported(&self, _place: Conditions, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    fn lasts(&self) -> Duration {
        LOOK * LOOKS_MAX
    }

    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        if event != Cue::AtGate {
            return Ok(());
        }
        // The files must hold what was written before, so that the change meets the same bytes each time.
        for _ in 0..LOOKS_MAX {
            let holds = |stream| fs::metadata(run.file(stream)).is_ok_and(|found| found.len() >= run.accepted(stream));
            if Stream::BOTH.into_iter().all(holds) {
                break;
            }
            std::thread::sleep(LOOK);
        }
        for stream in Stream::BOTH {
            let path = run.file(stream).to_owned();
            let kept = File::open(&path)?;
            match self.change {
                Change::Removed => fs::remove_file(&path)?,
                Change::Renamed => {
                    let rotated = path.with_extension("1");
                    fs::rename(&path, &rotated)?;
                    run.made(rotated);
                }
                Change::Truncated => File::options().write(true).open(&path)?.set_len(0)?,
            }
            run.keep_file(stream, kept);
        }
        run.note(self.name);
        run.open_gate(GATE)
    }
}
