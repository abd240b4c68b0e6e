//! The capturer's own standard streams are closed, or are pipes without a reader.

use super::{Start, Stimulus};
use crate::sys;
use std::io;
use std::process::Stdio;

pub(crate) static STDIN_CLOSED: StreamsClosed = StreamsClosed {
    name: "stdin-closed",
    summary: "the capturer is started with its stdin closed",
    what: What::Closed(0),
};

pub(crate) static STDOUT_CLOSED: StreamsClosed = StreamsClosed {
    name: "stdout-closed",
    summary: "the capturer is started with its stdout closed",
    what: What::Closed(1),
};

pub(crate) static OWN_STDERR_DEAD: StreamsClosed = StreamsClosed {
    name: "own-stderr-dead",
    summary: "the capturer's stdout and stderr are pipes whose reader is gone",
    what: What::Dead,
};

#[derive(Clone, Copy)]
enum What {
    Closed(i32),
    Dead,
}

pub(crate) struct StreamsClosed {
    name: &'static str,
    summary: &'static str,
    what: What,
}

impl Stimulus for StreamsClosed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        match self.what {
            What::Closed(descriptor) => sys::close_in_child(start.command, descriptor),
            What::Dead => {
                // The read ends are closed at once.
                let (_, stdout) = io::pipe()?;
                let (_, stderr) = io::pipe()?;
                start.command.stdout(Stdio::from(stdout)).stderr(Stdio::from(stderr));
            }
        }
        Ok(())
    }
}
