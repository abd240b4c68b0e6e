//! The control: the least that a live capturer can do. It waits for both pipes, reads, cuts into lines, and delivers them.
//!
//! The harness runs it beside the strategies, in the same rounds. What it takes is the price of the pipes, of the frames
//! and of the harness that reads them, which nobody can go below in this way of measuring. It is no strategy to take: it
//! waits for every process that holds the streams, however long that is.

use super::{Capabilities, Capability, Strategy, go};
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{CaptureError, Command, Exit, Framer, Origin, Outcome, Sink, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use std::io;

/// How much one read(2) takes.
const READ_BYTES: usize = 64 << 10;

/// The control.
pub(super) struct Control;

impl Strategy for Control {
    fn name(&self) -> &'static str {
        "control"
    }

    fn summary(&self) -> &'static str {
        "a pipe for each stream, and as little as possible beside it: what the measurement itself costs"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyProgram, AnyWrite, Apart, BoundedMemory, Live, Reopen};
        Capabilities::of(&[Live, Apart, BoundedMemory, Reopen, AnyWrite, AnyProgram])
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        let mut child = go::start_with_pipes(command)?;
        let stdout = child.stdout.take().map(OwnedFd::from);
        let stderr = child.stderr.take().map(OwnedFd::from);
        let read = stdout.zip(stderr).map_or(Ok(()), |(stdout, stderr)| forward([stdout, stderr], sink));
        let mut outcome = Outcome::now(Exit::from(child.wait().map_err(CaptureError::Wait)?));
        if let Err(error) = read {
            outcome.truncated = true;
            outcome.errors.push(error.to_string());
        }
        Ok(outcome)
    }
}

/// Delivers what comes through both pipes, until both are at their end. Blocks until then.
fn forward(pipes: [OwnedFd; 2], sink: &mut dyn Sink) -> io::Result<()> {
    let mut framers = Stream::BOTH.map(|stream| Framer::new(Origin::from(stream), 0));
    let mut open = pipes.map(Some);
    let mut buffer = vec![0; READ_BYTES];
    while open.iter().any(Option::is_some) {
        for at in ready(&open)? {
            let Some(pipe) = &open[at] else { continue };
            match rustix::io::read(pipe, &mut buffer[..]) {
                Ok(0) => {
                    open[at] = None;
                    framers[at].end(now_ns(), sink)?;
                }
                Ok(count) => framers[at].push(&buffer[..count], now_ns(), sink)?,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        sink.flush()?;
    }
    Ok(())
}

/// Waits until at least one of the pipes that are open can be read, and says which.
fn ready(open: &[Option<OwnedFd>; 2]) -> io::Result<Vec<usize>> {
    let (places, mut polled): (Vec<usize>, Vec<PollFd<'_>>) = (open.iter().enumerate())
        .filter_map(|(at, pipe)| Some((at, PollFd::from_borrowed_fd(pipe.as_ref()?.as_fd(), PollFlags::IN))))
        .unzip();
    match poll(&mut polled, None) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let found = places.into_iter().zip(polled).filter(|(_, polled)| !polled.revents().is_empty());
    Ok(found.map(|(at, _)| at).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crun_capture_reactor::Memory;

    #[test]
    fn the_control_delivers_both_streams_and_the_status() {
        let command = Command::new("sh").args(["-c", "echo a; printf b >&2; exit 7"]);
        let mut sink = Memory::default();
        let outcome = Control.capture(&command, &mut sink).unwrap();
        assert_eq!((outcome.exit, outcome.truncated), (Exit::Code(7), false));
        let mut lines: Vec<_> = sink.take().into_iter().map(|one| (one.origin, one.bytes)).collect();
        lines.sort_by_key(|(_, bytes)| bytes.clone());
        assert_eq!(lines, [(Origin::Stdout, b"a".to_vec()), (Origin::Stderr, b"b".to_vec())]);
    }
}
