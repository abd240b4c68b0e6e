//! The ways of capturing, one file each.
//!
//! A strategy decides which descriptors it hands to the command as fd 1 and 2, and how it reads them. It gives what it
//! reads to a [`Sink`] and returns an [`Outcome`].

mod capability;
mod follow;
mod lines;
mod passthrough;
mod pty;
mod sequenced;
mod splice;

pub use capability::{Capabilities, Capability};
pub use follow::Follow;
pub use lines::Lines;
pub use passthrough::Passthrough;
pub use pty::Pty;
pub use sequenced::Sequenced;
pub use splice::Splice;

pub use crate::command::{CaptureError, Command};
use crate::outcome::Outcome;
use crate::reactor::{self, Reactive};
use crate::sink::Sink;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// One way of capturing.
pub trait Strategy: Sync {
    /// Its name: the file's, in kebab case.
    fn name(&self) -> &'static str;

    /// What it does, in one line.
    fn summary(&self) -> &'static str;

    /// What the spike's table says of it; None where the table has no row.
    fn spike_row(&self) -> Option<SpikeRow> {
        None
    }

    /// What it can do by its author's word. What it declares and does not keep is a failure.
    fn declares(&self) -> Capabilities;

    /// Whether it syncs a file with every line, so that experiments give it fewer lines.
    fn syncs_each_line(&self) -> bool {
        false
    }

    /// Whether what it captures is what the command itself wrote into a file, so that others are held against it where
    /// nobody knows what was written.
    fn is_reference(&self) -> bool {
        false
    }

    /// Whether a bundle has to ask for a terminal, for it to give one.
    fn wants_terminal(&self) -> bool {
        false
    }

    /// Whether it delivers nothing, and somebody else reads the FIFOs that it is given as paths.
    fn needs_reader(&self) -> bool {
        false
    }

    /// The strategy as a state machine of a [`Reactor`](crate::reactor::Reactor); None where it needs threads of its own.
    fn reactive(&self) -> Option<&dyn Reactive> {
        None
    }

    /// Goes on with a capture whose capturer has died: delivers what stands in the files from `offsets` on (stdout, stderr), and
    /// follows them until nobody writes them any more. An offset is the place after the last delivery that the consumer has: nothing is
    /// lost then, and nothing doubled; a smaller one gives lines again. The exit is unknown here: whoever is the parent of the
    /// orphan by now has it (prctl(2), PR_SET_CHILD_SUBREAPER). None: the strategy leaves nothing to go on with.
    ///
    /// Blocks for as long as the program runs.
    ///
    /// # Errors
    /// A file cannot be opened, is shorter than its offset, or its file system cannot tell when nobody writes it any more.
    fn resume(
        &self,
        _files: [&Path; 2],
        _offsets: [u64; 2],
        _sink: &dyn Sink,
    ) -> Option<Result<Outcome, CaptureError>> {
        None
    }

    /// Runs the command and captures it; one that is reactive in a reactor of its own. Blocks until the capture has ended, which is not bounded: a strategy that
    /// waits for the end of the streams waits for every process that holds them, and one that stopped reading waits for ever.
    ///
    /// # Errors
    /// The command could not be started, or the descriptors not be made. Whatever happens later is in the outcome.
    fn capture(&self, command: &Command, sink: &dyn Sink) -> Result<Outcome, CaptureError> {
        let reactive = self.reactive().expect("a strategy is reactive, or captures by itself");
        reactor::capture(reactive, command, sink)
    }
}

/// A row of the spike's table.
#[derive(Clone, Copy, Debug)]
pub struct SpikeRow {
    /// The name it has there.
    pub method: &'static str,
    /// Its column "Real-time".
    pub real_time: bool,
    /// Its column "Stream Separation".
    pub separation: bool,
    /// Its column "File Output".
    pub file: bool,
    /// Whether the spike recommends it.
    pub recommended: bool,
}

/// For sockets: nobody else may come to them, whatever the umask is. Its name is short, since an address has room for 108 bytes.
fn private_directory(parent: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("cc-").permissions(Permissions::from_mode(0o700)).tempdir_in(parent)
}
