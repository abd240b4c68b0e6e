//! The host: what everything that starts a container needs from this process and this machine.

use super::Observer;
use crate::limit::{self, LowLimit};
use crate::process::{Family, Interrupt};
use crate::runtime::{Programs, Sought, Wanted};
use crate::scratch::{self, Scratch, Swept};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What everything that starts a container needs from this process and this machine.
pub struct Host {
    /// Ends a run early. While this exists, the user's signals do not end this process.
    pub interrupt: Interrupt,
    /// The directories for temporary files.
    pub scratch: Scratch,
    /// The children of this process.
    pub family: Family,
    /// The programs beside this one.
    pub programs: Programs,
    /// What killed runs had left. It is removed now.
    pub swept: Vec<Swept>,
}

/// Why nothing can be run here.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// This process cannot adopt orphans (prctl(2), PR_SET_CHILD_SUBREAPER).
    #[error("cannot become a subreaper: {0}")]
    Subreaper(#[source] io::Error),
    /// A handler of a signal cannot be installed.
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    /// A directory for temporary files cannot be made.
    #[error("cannot make a directory for temporary files: {0}; set TMPDIR to another one")]
    Scratch(#[source] io::Error),
    /// A program is missing beside this one.
    #[error("the installation is incomplete; install it again with `make build` or `cargo install`: {0}")]
    Programs(#[source] io::Error),
    /// The directory for temporary files cannot be removed.
    #[error("cannot remove the temporary files of this run: {0}")]
    Close(#[source] io::Error),
}

impl Host {
    /// Removes what killed runs have left, and makes what a new run needs. `own_program`: the path of crun-capture.
    ///
    /// # Errors
    /// Something that every run needs is missing or cannot be made.
    pub fn open(own_program: &Path) -> Result<Host, HostError> {
        crate::sys::keep_little_memory();
        // A write beyond RLIMIT_FSIZE must fail, not end this process. A handler, unlike SIG_IGN, is not inherited.
        signal_hook::flag::register(libc::SIGXFSZ, Arc::new(AtomicBool::new(false))).map_err(HostError::Signals)?;
        Family::adopt_orphans().map_err(HostError::Subreaper)?;
        let swept = scratch::sweep();
        let interrupt = Interrupt::by_signals().map_err(HostError::Signals)?;
        let scratch = Scratch::create().map_err(HostError::Scratch)?;
        let programs = Programs::beside(own_program, scratch.disk()).map_err(HostError::Programs)?;
        Ok(Host { interrupt, family: scratch.family(), scratch, programs, swept })
    }

    /// The limits of this machine that are too low for a run.
    /// `output`: where the recordings go.
    pub fn low_limits(&self, output: &Path) -> Vec<LowLimit> {
        limit::low(&[self.scratch.disk(), self.scratch.memory(), output])
    }

    /// Looks for a runtime, and tests it with one container. Blocks for as long as that takes.
    pub fn seek(&self, wanted: Wanted) -> Sought {
        wanted.seek(&self.programs, self.scratch.parents(), &self.family)
    }

    /// The first of these runtimes that works here, or else the last of them. None: the list is empty. Blocks as
    /// [`Host::seek`] does.
    pub fn seek_first(&self, wanted: &[Wanted], observer: &dyn Observer) -> Option<Sought> {
        let mut last = None;
        for one in wanted {
            let sought = self.seek(one.clone());
            let works = sought.found.is_ok();
            if !works {
                observer.passed_over(&sought);
            }
            last = Some(sought);
            if works {
                break;
            }
        }
        last
    }

    /// Removes the temporary files.
    ///
    /// # Errors
    /// They cannot be removed; with the path.
    pub fn close(self) -> Result<(), HostError> {
        self.scratch.close().map_err(HostError::Close)
    }
}
