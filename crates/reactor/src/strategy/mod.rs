//! The ways of capturing, one file each.
//!
//! A strategy decides which descriptors it hands to the command as fd 1 and 2, and how it reads them. Each declares what
//! it can do ([`Capability`]) and what it needs of its surroundings ([`Needs`]).

mod capability;
mod follow;
mod lines;
mod passthrough;
mod pty;
mod sequenced;
mod splice;

pub use crate::reactor::Reactive;
pub use capability::{Capabilities, Capability, Needs};
pub use follow::Follow;
pub use lines::Lines;
pub use passthrough::Passthrough;
pub use pty::Pty;
pub use sequenced::Sequenced;
pub use splice::Splice;

use crate::command::{CaptureError, Command};
use crate::outcome::Outcome;
use crate::sink::Sink;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// One way of capturing.
pub trait Strategy: Sync {
    /// Its name, in kebab case. Its file has the same name.
    fn name(&self) -> &'static str;

    /// What it does, in one line.
    fn summary(&self) -> &'static str;

    /// What it can do, by its author's word.
    fn declares(&self) -> Capabilities;

    /// What it needs of its surroundings.
    fn needs(&self) -> Needs {
        Needs::NONE
    }

    /// The strategy for a [`Reactor`](crate::Reactor); None where it needs threads of its own. Those of this crate are
    /// all reactive: pass them to [`Reactor::start`](crate::Reactor::start) as they are.
    fn reactive(&self) -> Option<&dyn Reactive> {
        None
    }

    /// Runs the command and captures it, on the caller's thread. Blocks until the capture has ended. That may be never:
    /// a strategy that waits for the end of the streams waits for every process that holds them. The strategies of this
    /// crate end at the latest 2 s after the command does.
    ///
    /// # Errors
    /// The command could not be started, or the descriptors not be made. What goes wrong later stands in the outcome.
    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError>;

    /// Goes on with a capture whose capturer has died. It delivers what stands in the files (stdout, stderr) from
    /// `offsets` on, and follows them until nobody has them open for writing any more. An offset is the number of bytes of
    /// that stream which the consumer has received: with it nothing is lost and nothing comes twice.
    ///
    /// The exit is unknown here: the new parent of the orphaned command learns of it (prctl(2), PR_SET_CHILD_SUBREAPER).
    /// None: the strategy leaves nothing behind from which a capture could go on. Blocks for as long as the command runs.
    ///
    /// # Errors
    /// A file cannot be opened, is shorter than its offset, or lies on a file system that cannot tell when nobody writes
    /// it any more.
    fn resume(
        &self,
        _files: [&Path; 2],
        _offsets: [u64; 2],
        _sink: &mut dyn Sink,
    ) -> Option<Result<Outcome, CaptureError>> {
        None
    }
}

/// A directory for sockets, which nobody else may enter whatever the umask is. The name is short, since the address of a
/// socket has room for 108 bytes.
fn private_directory(parent: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("cc-").permissions(Permissions::from_mode(0o700)).tempdir_in(parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Exit;
    use crate::sink::Memory;

    const ALL: [&dyn Strategy; 6] = [&Follow, &Lines, &Passthrough, &Pty, &Sequenced, &Splice];

    #[test]
    fn every_strategy_tells_a_signal_from_a_code() {
        for strategy in ALL {
            let command = Command::new("sh").args(["-c", "kill -TERM $$"]);
            let outcome = strategy.capture(&command, &mut Memory::default()).unwrap();
            assert_eq!(outcome.exit, Exit::Signal(15), "{}", strategy.name());
        }
    }
}
