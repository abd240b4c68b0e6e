//! The program writes the files itself, and each line is delivered as soon as it is there: nobody is in the data path.
//!
//! The descriptors that the program gets are the files, opened with O_APPEND; inotify tells of each write. So a consumer that
//! stops stalls nothing, and a capturer that dies loses nothing: every delivery carries its place in the file, and
//! [`Strategy::resume`] goes on from there.
//!
//! The end: after the exit a read lease is asked for, which the kernel refuses as long as anybody holds the file open for
//! writing; then the next IN_CLOSE_WRITE or the drain deadline decides. Where the file system has no leases, or the runtime has
//! given the file to another user, the drain deadline does, and the outcome notes it.
//!
//! `order` two files do not have. `independent-sinks` it does not declare: there is one way, through the file, and a disk that is
//! full refuses the program's own write. `reopen` and `any-program` it does not declare: a program that opens /dev/stdout as a
//! shell's `>` does empties the file, with whatever was not read yet. A file that is emptied by somebody is read on from its new
//! beginning, and the outcome says truncated.

use super::{Capabilities, Capability, Strategy};
use crate::clock::now_ns;
use crate::command::{CaptureError, Command};
use crate::outcome::Outcome;
use crate::reactor::{
    self, Begun, CLOSED_PORT, Framer, LAST_TAKES_MAX, Output, Port, Reactive, Reactor, Shared, Source, Taken,
};
use crate::sink::Sink;
use crate::stream::{CaptureId, Stream};
use crate::sys;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::process::Pid;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// So much of what was read is read again, to see that it still stands there.
const KNOWN_BYTES: usize = 64;

/// How often, after a close, it is asked whether anybody else holds the file.
const ASKS: u32 = 5;

/// So much of a file is read before the other captures have their turn.
const READS_MAX: usize = 16;

/// Two files, watched.
pub struct Follow;

impl Strategy for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }

    fn summary(&self) -> &'static str {
        "the streams are files, delivered as they grow (inotify), each line with its offset; may die and go on"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyWrite, Apart, BoundedMemory, ExactBytes, FreeFlow, Live, PromptDespiteGrandchild, SurvivesDeath,
        };
        Capabilities::of(&[
            Live,
            Apart,
            Capability::File,
            ExactBytes,
            AnyLine,
            BoundedMemory,
            PromptDespiteGrandchild,
            FreeFlow,
            SurvivesDeath,
            AnyWrite,
        ])
    }

    fn reactive(&self) -> Option<&dyn Reactive> {
        Some(self)
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        reactor::capture(self, command, sink)
    }

    fn resume(
        &self,
        files: [&Path; 2],
        offsets: [u64; 2],
        sink: &mut dyn Sink,
    ) -> Option<Result<Outcome, CaptureError>> {
        let resume = || {
            let mut reactor = Reactor::new().map_err(CaptureError::Descriptors)?;
            self.resume_in(&mut reactor, files, offsets, sink)?;
            reactor.finish()
        };
        Some(resume())
    }
}

impl Reactive for Follow {
    fn begin(&self, command: &Command, _large: bool) -> Result<Begun, CaptureError> {
        let [stdout, stderr] = Stream::BOTH.map(|stream| open(command, stream));
        let ((stdout, stdout_reader), (stderr, stderr_reader)) = (stdout?, stderr?);
        let child = command.start(stdout, stderr)?;
        let sources = [stdout_reader, stderr_reader].into_iter().enumerate();
        let sources = sources.map(|(at, file)| {
            Box::new(Followed { file, told: false, asks: ASKS, at, offset: 0, known: Vec::new() }) as Box<dyn Source>
        });
        Ok(Begun::new(Pid::from_child(&child), sources.collect()))
    }
}

/// The file of a stream: for the program to write, and for us to read. Only the program's is open for writing.
fn open(command: &Command, stream: Stream) -> Result<(OwnedFd, File), CaptureError> {
    let file = command.create_file(stream)?;
    let again = || -> io::Result<(OwnedFd, File)> {
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "only a regular file can be followed"));
        }
        let own = format!("/proc/self/fd/{}", file.as_raw_fd());
        let writer = File::options().append(true).open(&own)?;
        Ok((writer.into(), File::open(&own)?))
    };
    let path = || command.path(stream).map_or_else(std::env::temp_dir, Path::to_owned);
    again().map_err(|source| CaptureError::File { path: path(), source })
}

impl Follow {
    /// Goes on in `reactor` with a capture whose capturer has died, as [`Strategy::resume`] does. Does not block.
    ///
    /// # Errors
    /// As for [`Strategy::resume`].
    pub fn resume_in<'s>(
        &self,
        reactor: &mut Reactor<'s>,
        files: [&Path; 2],
        offsets: [u64; 2],
        sink: impl Sink + 's,
    ) -> Result<CaptureId, CaptureError> {
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        let mut framers = Vec::new();
        for (at, stream) in Stream::BOTH.into_iter().enumerate() {
            let (path, offset) = (files[at], offsets[at]);
            let file =
                open_again(path, offset).map_err(|source| CaptureError::File { path: path.to_owned(), source })?;
            sources.push(Box::new(Resumed(Followed { file, told: false, asks: ASKS, at, offset, known: Vec::new() })));
            framers.push(Framer::new(stream.into(), offset));
        }
        let begun = Begun { process: None, sources, framers, at_end: None };
        reactor.add(begun, Box::new(sink)).map_err(CaptureError::Descriptors)
    }
}

/// A file that a capture was following, of which so many bytes were delivered.
fn open_again(path: &Path, offset: u64) -> io::Result<File> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    if length < offset {
        let what = format!("it has {length} bytes, and the offset to go on from is {offset}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    sys::is_held_for_writing(&file)?;
    Ok(file)
}

struct Followed {
    file: File,
    /// Whether it was said that nobody can tell when its writers are gone.
    told: bool,
    at: usize,
    /// How often it is still asked whether somebody holds it, without being told that somebody has closed it.
    asks: u32,
    /// Of the next byte to be read.
    offset: u64,
    /// What stands before it, as it was read: at most [`KNOWN_BYTES`].
    known: Vec<u8>,
}

impl Source for Followed {
    fn ports(&self) -> Vec<Port<'_>> {
        Vec::new()
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    fn take(&mut self, port: Option<usize>, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        if port == Some(usize::from(CLOSED_PORT)) {
            self.asks = ASKS;
        }
        // It is all in the file.
        if output.consumer_is_gone() {
            return Taken::Nothing;
        }
        let buffer = shared.buffer();
        let mut taken = Taken::Nothing;
        for _ in 0..READS_MAX {
            let known = self.known.len();
            match sys::read_at(&self.file, buffer, self.offset - known as u64) {
                // Somebody may have emptied the file, and it may have grown again since: then other bytes stand there.
                Ok(count) if buffer[..count.min(known)] != self.known[..count.min(known)] => {
                    return self.was_cut(output);
                }
                Ok(count) if count <= known => match self.file.metadata().map_or(self.offset, |found| found.len()) {
                    length if length < self.offset => return self.was_cut(output),
                    length if length == self.offset => return taken,
                    _ => self.known.clear(),
                },
                Ok(count) => {
                    output.push(self.at, &buffer[known..count], now_ns());
                    self.offset += (count - known) as u64;
                    self.known.clear();
                    self.known.extend_from_slice(&buffer[count.saturating_sub(KNOWN_BYTES)..count]);
                    if count < buffer.len() {
                        // No more was there; whatever came since has an event of its own.
                        return Taken::Some;
                    }
                    taken = Taken::Some;
                }
                Err(Errno::INTR) => {}
                Err(errno) => {
                    output.lost(self.at, format_args!("read: {errno}"));
                    return Taken::End;
                }
            }
        }
        Taken::More
    }

    fn exited(&mut self, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        match sys::is_held_for_writing(&self.file) {
            // The kernel tells of a close before it counts it (__fput), so it is asked again a few times.
            Ok(true) => match self.asks.checked_sub(1) {
                Some(left) => {
                    self.asks = left;
                    Taken::Later
                }
                None => Taken::Some,
            },
            Ok(false) => {
                self.take_all(shared, output);
                Taken::End
            }
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    let what = "nobody can tell when its writers are gone";
                    let until = "read until the drain deadline, and what is written later is not seen";
                    output.note(self.at, format_args!("{what} ({error}): {until}"));
                }
                Taken::Some
            }
        }
    }

    fn cut(&mut self, at: usize, shared: &mut Shared, output: &mut Output<'_>) {
        // A file does not end, but what is in it does: unless somebody writes faster than we read.
        let is_all = (0..LAST_TAKES_MAX).any(|_| !matches!(self.take(None, shared, output), Taken::Some | Taken::More));
        if !is_all || sys::is_held_for_writing(&self.file).unwrap_or(false) {
            output.still_held(at);
        }
    }
}

/// A file whose program nobody waits for: it has ended when nobody writes it.
struct Resumed(Followed);

impl Source for Resumed {
    fn ports(&self) -> Vec<Port<'_>> {
        Vec::new()
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.0.watched()
    }

    fn take(&mut self, port: Option<usize>, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        match self.0.take(port, shared, output) {
            taken @ (Taken::End | Taken::More) => taken,
            _ => self.0.exited(shared, output),
        }
    }
}

impl Followed {
    /// The file is not what was read: it is read again from its beginning.
    fn was_cut(&mut self, output: &mut Output<'_>) -> Taken {
        let what = "somebody cut the file before that; read again from its beginning";
        output.lost(self.at, format_args!("byte {}: {what}", self.offset));
        output.restart(self.at, now_ns());
        self.offset = 0;
        self.known.clear();
        Taken::More
    }

    /// To the end of a file that nobody writes any more.
    fn take_all(&mut self, shared: &mut Shared, output: &mut Output<'_>) {
        while matches!(self.take(None, shared, output), Taken::Some | Taken::More) {}
    }
}
