//! The strategy `follow`: the program writes two files itself, and the reactor reads along (inotify).

use super::{Capabilities, Capability, Strategy};
use crate::clock::now_ns;
use crate::command::{CaptureError, Command, check_apart};
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

/// How many of the bytes that were read last are read again, to check that they are still in the file.
const KNOWN_BYTES: usize = 64;

/// How often, after a close, the reactor asks whether anybody else holds the file.
const ASKS: u32 = 5;

/// How often a file is read before the other captures have their turn.
const READS_MAX: usize = 16;

/// Captures through two files: the program writes them itself, and each line is delivered as soon as it is there.
///
/// # What the command gets
///
/// Its fd 1 and 2 are two regular files, opened with O_APPEND: those that [`stdout_path`](Command::stdout_path) and
/// [`stderr_path`](Command::stderr_path) name. They are created or emptied, with mode 0600. Any other kind of file is
/// refused. Without a path the file is a temporary one without a name, which cannot be resumed. inotify(7) tells the
/// reactor of each write.
///
/// # What it can do
///
/// It delivers while the command runs, a prompt too, and tells stdout from stderr. It keeps every byte. A line may have
/// any length, and memory stays bounded.
///
/// - It declares `free-flow`, because nobody is in the data path. A consumer that stops stalls nothing.
/// - It declares `survives-death`. A capturer that dies loses nothing: every delivery carries its place in the file
///   ([`offset`](crate::Delivery::offset)), and [`Strategy::resume`] or [`Follow::resume_in`] goes on from there.
/// - It declares `file`: the bytes are on disk, whatever becomes of the deliveries.
///
/// # What it cannot do, and why
///
/// - It does not declare `order`, because two files keep no order between them.
/// - It does not declare `independent-sinks`, because there is only one way, through the file. When the disk is full,
///   the kernel refuses the program's own write.
/// - It does not declare `reopen` and `any-program`. A program that opens /dev/stdout as a shell's `>` does empties the
///   file, and with it whatever was not read yet.
///
/// When anybody empties a file, it is read on from its new beginning, and the outcome says `truncated`, because what
/// was not read yet is lost.
///
/// # How it ends
///
/// A file has no end that could be waited for. After the exit the reactor asks for a read lease on each file (fcntl(2),
/// F_SETLEASE). The kernel refuses the lease as long as anybody holds the file open for writing; then the next close of
/// the file (IN_CLOSE_WRITE) or the drain deadline decides. The drain deadline alone decides where the file system has
/// no leases, or where the runtime has given the file to another user and this process lacks CAP_LEASE. The outcome
/// notes that, and the capture ends 2 s after the command.
///
/// # What it costs
///
/// Each capture takes three descriptors, two files and a pidfd, and two inotify watches. All captures of a reactor
/// share one inotify instance, and a user has 128 of those (inotify(7), max_user_instances). The output takes disk
/// space for as long as the files exist: this crate does not remove or rotate them.
pub struct Follow;

impl Strategy for Follow {
    fn name(&self) -> &'static str {
        "follow"
    }

    fn summary(&self) -> &'static str {
        "the command writes files, delivered as they grow (inotify), each line with its offset; can be resumed"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyWrite, Apart, BoundedMemory, ExactBytes, FreeFlow, Live, PromptDespiteGrandchild, Prompts,
            SurvivesDeath,
        };
        Capabilities::of(&[
            Live,
            Prompts,
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
        check_apart(command, [&stdout_reader, &stderr_reader])?;
        let child = command.start(stdout, stderr)?;
        let sources = [stdout_reader, stderr_reader].into_iter().enumerate();
        let sources = sources.map(|(at, file)| {
            Box::new(Followed { file, told: false, asks: ASKS, at, offset: 0, known: Vec::new() }) as Box<dyn Source>
        });
        Ok(Begun::new(Pid::from_child(&child), sources.collect()))
    }
}

/// Opens the file of a stream twice: for the program to write, and for the reactor to read. Only the program's
/// descriptor is open for writing.
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
    /// Continues a capture whose capturer has died, as [`Strategy::resume`] does, but in `reactor`: [`Reactor::next`]
    /// drives it and tells of its end. Does not block.
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

/// Opens a file that a capture was following, and of which `offset` bytes were delivered.
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
    /// Whether the outcome already notes that nobody can tell when the writers of the file are gone.
    told: bool,
    at: usize,
    /// How often the reactor still asks whether somebody holds the file, without being told that somebody has closed
    /// it.
    asks: u32,
    /// Where the next byte to be read stands in the file.
    offset: u64,
    /// The bytes before `offset`, as they were read: at most [`KNOWN_BYTES`].
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
        // Nobody takes deliveries, and the file has all of it without us.
        if output.consumer_is_gone() {
            return Taken::Nothing;
        }
        let buffer = shared.buffer();
        let mut taken = Taken::Nothing;
        for _ in 0..READS_MAX {
            let known = self.known.len();
            match sys::read_at(&self.file, buffer, self.offset - known as u64) {
                // Somebody may have emptied the file, and it may have grown again since. Then it has other bytes there.
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
                        // There was no more. Whatever came since has an event of its own.
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
            // The kernel tells of a close before it counts it (__fput), so it must be asked again a few times.
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
        // A file does not end, but what is in it does, unless somebody writes faster than this reads.
        let is_all = (0..LAST_TAKES_MAX).any(|_| !matches!(self.take(None, shared, output), Taken::Some | Taken::More));
        if !is_all || sys::is_held_for_writing(&self.file).unwrap_or(false) {
            output.still_held(at);
        }
    }
}

/// A file of a resumed capture. Nobody here waits for its program, so it has ended when nobody has it open for writing.
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
    /// Reports that the file no longer holds what was read, and reads it again from its beginning.
    fn was_cut(&mut self, output: &mut Output<'_>) -> Taken {
        let what = "somebody cut the file before that; read again from its beginning";
        output.lost(self.at, format_args!("byte {}: {what}", self.offset));
        output.restart(self.at, now_ns());
        self.offset = 0;
        self.known.clear();
        Taken::More
    }

    /// Reads to the end of a file that nobody writes any more.
    fn take_all(&mut self, shared: &mut Shared, output: &mut Output<'_>) {
        while matches!(self.take(None, shared, output), Taken::Some | Taken::More) {}
    }
}
