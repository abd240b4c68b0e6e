//! The process of the fault `keep-open`: it holds the caller's streams for a while after the runtime.

use std::io::{self, Read, Write};
use std::process::Command;
use std::time::Duration;

/// The command by which this program calls itself for it.
pub(crate) const VERB: &str = "--keep-streams-open";

/// Starts it and returns the pipe whose end tells it that the runtime has exited. It must not be a child of the front
/// process, which waits for all of its children: so it is started by a child, which then ends.
pub(crate) fn start(after: Duration) -> io::Result<io::PipeWriter> {
    let (theirs, ours) = io::pipe()?;
    let mut helper = Command::new("/proc/self/exe");
    helper.args([VERB, "start", &after.as_millis().to_string()]).stdin(theirs).status()?;
    Ok(ours)
}

/// The helper, and the keeper itself.
pub(crate) fn main(words: &[String]) -> u8 {
    let ended = match words {
        [step, after] if step == "start" => {
            Command::new("/proc/self/exe").args([VERB, "keep", after]).spawn().map(drop)
        }
        [_, after] => keep(after.parse().unwrap_or(0)),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    };
    if let Err(error) = &ended {
        // Nobody else would hear of it.
        let _ = writeln!(io::stderr(), "keep the streams open: {error}");
    }
    u8::from(ended.is_err())
}

/// The end of standard input is the end of the runtime. The sleep is the fault itself.
fn keep(after_ms: u64) -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new())?;
    std::thread::sleep(Duration::from_millis(after_ms));
    Ok(())
}
