//! The process of the fault `keep-open`: it keeps the caller's streams open for a while after the runtime has exited.

use std::io::{self, Read, Write};
use std::process::Command;
use std::time::Duration;

/// The command with which this program starts itself as a keeper.
pub(crate) const VERB: &str = "--keep-streams-open";

/// Starts the keeper, and returns the pipe whose end tells it that the runtime has exited. The keeper must not be a
/// child of the front process, which waits for all its children. So a child starts it, and then ends.
pub(crate) fn start(after: Duration) -> io::Result<io::PipeWriter> {
    let (theirs, ours) = io::pipe()?;
    let mut helper = Command::new("/proc/self/exe");
    helper.args([VERB, "start", &after.as_millis().to_string()]).stdin(theirs).status()?;
    Ok(ours)
}

/// The entry point of the child that starts the keeper, and of the keeper itself.
pub(crate) fn main(words: &[String]) -> u8 {
    let ended = match words {
        [step, after] if step == "start" => {
            Command::new("/proc/self/exe").args([VERB, "keep", after]).spawn().map(drop)
        }
        [_, after] => keep(after.parse().unwrap_or(0)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    if let Err(error) = &ended {
        // Nobody else would report this.
        let _ = writeln!(io::stderr(), "keep the streams open: {error}");
    }
    u8::from(ended.is_err())
}

/// Waits for the end of standard input, which is the end of the runtime. The sleep is the fault itself.
fn keep(after_ms: u64) -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new())?;
    std::thread::sleep(Duration::from_millis(after_ms));
    Ok(())
}
