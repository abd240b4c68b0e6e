//! The ways of capturing, one file each.
//!
//! A strategy decides which descriptors the command gets as its fd 1 and 2, and how this process reads what the command
//! writes. Each strategy declares what it can do ([`Capability`]) and what it needs of its surroundings ([`Needs`]).
//! The page of each says what the command gets, what the strategy can do, what it cannot do and why, and what it costs:
//! [`Lines`], [`Splice`], [`Follow`], [`Passthrough`], [`Sequenced`], [`Pty`].
//!
//! These pages use a few words in one meaning each. Words such as `free-flow` are the names of capabilities
//! ([`Capability::name`]). The capturer is the process that captures: yours. The consumer is whatever takes the
//! deliveries: your [`Sink`]. The program is what the command runs, possibly inside a container. A strategy stands in
//! the data path when the program can write on only as long as this process reads. The drain deadline is 2 s after the
//! exit of the command ([`DRAIN`](crate::DRAIN)).
//!
//! | capability | [`Lines`] | [`Splice`] | [`Follow`] | [`Passthrough`] | [`Sequenced`] | [`Pty`] |
//! |---|---|---|---|---|---|---|
//! | live | yes | yes | yes | yes | yes | yes |
//! | prompts | yes | yes | yes | yes | yes | yes |
//! | apart | yes | yes | yes | yes | yes |  |
//! | file |  | yes | yes |  |  |  |
//! | order |  |  |  |  | yes | yes |
//! | exact-bytes | yes | yes | yes | yes | yes | yes |
//! | any-line | yes | yes | yes | yes | yes | yes |
//! | bounded-memory | yes | yes | yes | yes | yes | yes |
//! | prompt-despite-grandchild | yes | yes | yes | yes | yes | yes |
//! | free-flow |  |  | yes |  |  |  |
//! | survives-death |  |  | yes | yes |  |  |
//! | independent-sinks |  | yes |  |  |  |  |
//! | reopen | yes | yes |  | yes |  | yes |
//! | any-write | yes | yes | yes | yes |  | yes |
//! | any-program | yes | yes |  | yes |  | yes |

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
///
/// A driver passes a strategy to [`Reactor::start`](crate::Reactor::start), and uses this trait to ask what the
/// strategy declares. [`capture`](Strategy::capture) captures a single command without a reactor of the caller's.
pub trait Strategy: Sync {
    /// The name of the strategy, in kebab case. Its file has the same name.
    fn name(&self) -> &'static str;

    /// What the strategy does, in one line.
    fn summary(&self) -> &'static str;

    /// What the strategy can do, as its author declares it.
    fn declares(&self) -> Capabilities;

    /// What the strategy needs of its surroundings.
    fn needs(&self) -> Needs {
        Needs::NONE
    }

    /// The strategy in the form that a [`Reactor`](crate::Reactor) takes. None: the strategy needs threads of its own.
    /// All strategies of this crate are reactive. Pass them to [`Reactor::start`](crate::Reactor::start) as they are.
    fn reactive(&self) -> Option<&dyn Reactive> {
        None
    }

    /// Runs the command and captures it on the caller's thread. Blocks until the capture has ended. A strategy that
    /// waits for the end of the streams waits for every process that holds them, so that may be never. The strategies
    /// of this crate end at most 2 s after the command does; after a container with a terminal, `pty` also waits for
    /// the runtime's `delete`.
    ///
    /// # Errors
    /// The command cannot be started, or a descriptor or a file for it cannot be made. Somebody else has waited for the
    /// command ([`CaptureError::Wait`]). What else goes wrong after the start is in the outcome.
    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError>;

    /// Continues a capture whose capturer has died. It delivers what is in the files (stdout, stderr) from `offsets`
    /// on, and follows them until nobody has them open for writing any more. Blocks for as long as anybody has.
    ///
    /// An offset is the number of bytes of that stream that the consumer has received: the
    /// [`offset`](crate::Delivery::offset) of the last delivery, plus the lengths of its bytes and of its
    /// [`terminator`](crate::Ending::terminator). With it nothing is lost and nothing comes twice.
    ///
    /// Returns None when the strategy leaves nothing behind from which a capture could continue. In this crate only
    /// [`Follow`] can resume.
    ///
    /// The exit is [`Unknown`](crate::Exit::Unknown) here: the new parent of the orphaned command learns of it
    /// (prctl(2), PR_SET_CHILD_SUBREAPER).
    ///
    /// # Errors
    /// A file cannot be opened, is shorter than its offset, or is on a file system that cannot tell when nobody writes
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

/// A directory for sockets. Nobody else may enter it, whatever the umask is. Its name is short, because the address of
/// a socket has room for 108 bytes.
fn private_directory(parent: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("cc-").permissions(Permissions::from_mode(0o700)).tempdir_in(parent)
}
