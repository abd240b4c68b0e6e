//! The strategy `splice`: as `lines`, and the kernel also moves the bytes to files (tee(2), splice(2)).

use super::lines::start_with_pipes;
use super::{Capabilities, Capability, Strategy};
use crate::clock::{now_ns, timespec};
use crate::command::{CaptureError, Command, check_apart};
use crate::outcome::Outcome;
use crate::reactor::{self, Begun, Output, PIPE_BYTES, Port, Reactive, Shared, Source, Taken};
use crate::sink::Sink;
use crate::stream::Stream;
use crate::sys;
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::SeekFrom;
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Pid;
use std::fs::File;
use std::io;

/// How long a FIFO in the place of the file may take nothing before it counts as failed. A regular file never makes
/// anybody wait like this.
const FULL_MAX_NS: u64 = 5_000_000_000;

/// Captures through two pipes, and also puts the bytes into two files without reading them into user space.
///
/// # What the command gets
///
/// Its fd 1 and 2 are the write ends of two pipes, as under [`Lines`](super::Lines). The files are those that
/// [`stdout_path`](Command::stdout_path) and [`stderr_path`](Command::stderr_path) name. They are created or emptied,
/// with mode 0600. A path may also name a FIFO; `start` fails unless it has a reader by then. Without a path the file
/// is a temporary one without a name.
///
/// # What it can do
///
/// It can do what `lines` can, and leaves the bytes in the files (`file`). What lies in the pipe is copied by reference
/// into a second one (tee(2)); then exactly as much is moved on to the file (splice(2)); then the copy is read and
/// delivered. The file comes first, so what was delivered is in the file, whenever the capturer dies. Only a FIFO in
/// the place of the file may lag behind the deliveries.
///
/// - It declares `independent-sinks`, because neither the file nor the consumer takes the other down. A file that fails
///   is given up: the outcome says so, and the live stream goes on. A consumer that fails is passed by: the file gets
///   everything.
/// - A FIFO in the place of the file may be full. Then the reactor waits for room in it, and no other capture is held
///   up by that. What the FIFO has no room for stays in the pipe, and is moved on when it has. Meanwhile the command
///   waits once its pipe is full. A FIFO that takes nothing for 5 s counts as failed.
/// - Where splice(2) does not work, the strategy uses read(2) and write(2) instead, and the outcome notes it. This is
///   so (EINVAL) for a file opened with O_APPEND, and for some file systems and devices.
/// - Somebody may empty the file while the capture runs. Whatever comes then goes to the file's new end.
///
/// # What it cannot do, and why
///
/// - It does not declare `free-flow` and `survives-death`, because it stands in the data path as `lines` does.
/// - It does not declare `order`, because two pipes keep no order between them.
///
/// # What it costs
///
/// Each capture takes five descriptors: two pipes, two files and a pidfd. The pipes hold as much as those of `lines`.
/// All captures of a reactor share the second pipe, which takes two more descriptors. This process writes the files, so
/// RLIMIT_FSIZE and SIGPIPE concern it: see "Descriptors and signals" on the [front page](crate).
pub struct Splice;

impl Strategy for Splice {
    fn name(&self) -> &'static str {
        "splice"
    }

    fn summary(&self) -> &'static str {
        "as lines, and the kernel also moves the bytes from each pipe to a file (tee and splice)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, Apart, BoundedMemory, ExactBytes, IndependentSinks, Live,
            PromptDespiteGrandchild, Prompts, Reopen,
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
            IndependentSinks,
            Reopen,
            AnyWrite,
            AnyProgram,
        ])
    }

    fn reactive(&self) -> Option<&dyn Reactive> {
        Some(self)
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        reactor::capture(self, command, sink)
    }
}

impl Reactive for Splice {
    fn begin(&self, command: &Command, large: bool) -> Result<Begun, CaptureError> {
        let files = [command.open_output(Stream::Stdout)?, command.open_output(Stream::Stderr)?];
        check_apart(command, [&files[0], &files[1]])?;
        let (child, readers) = start_with_pipes(command, large)?;
        let sources = readers.into_iter().zip(files).enumerate().map(|(at, (pipe, file))| {
            rustix::io::ioctl_fionbio(&pipe, true)?;
            let seeks = rustix::fs::tell(&file).is_ok();
            Ok(Box::new(Spliced { pipe, file, at, way: Way::Splice, seeks, owed: 0, full_since_ns: 0 })
                as Box<dyn Source>)
        });
        Ok(Begun::new(Pid::from_child(&child), sources.collect::<io::Result<_>>().map_err(CaptureError::Descriptors)?))
    }
}

/// How the file gets its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// splice(2).
    Splice,
    /// read(2) and write(2).
    Write,
    /// Not at all: the file has failed.
    Failed,
}

struct Spliced {
    pipe: OwnedFd,
    file: File,
    at: usize,
    way: Way,
    /// Whether the file has an end to seek to. A FIFO has none.
    seeks: bool,
    /// How many bytes in the pipe were delivered, but are not in the file, because it had no room for them.
    owed: usize,
    /// Since when the file takes nothing, in ns of CLOCK_MONOTONIC. It counts only while something is owed.
    full_since_ns: u64,
}

impl Source for Spliced {
    fn ports(&self) -> Vec<Port<'_>> {
        vec![(self.pipe.as_fd(), EventFlags::IN)]
    }

    fn outlet(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd()).filter(|_| !self.seeks)
    }

    fn is_full(&self) -> bool {
        self.owed > 0
    }

    fn take(&mut self, _port: Option<usize>, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        if self.way == Way::Splice && self.owed == 0 && output.consumer_is_gone() {
            // A capture that delivers nothing needs no copy.
            self.owed = rustix::io::ioctl_fionread(&self.pipe).unwrap_or(0) as usize;
            self.full_since_ns = now_ns();
        }
        if self.owed > 0 {
            return self.pay(shared, output);
        }
        if self.way == Way::Splice && !output.consumer_is_gone() {
            return self.take_spliced(shared, output);
        }
        let buffer = shared.buffer();
        match retry_on_intr(|| sys::read(&self.pipe, buffer)) {
            Ok(0) => Taken::End,
            Ok(count) => {
                let at_ns = now_ns();
                self.write(&buffer[..count], output);
                output.push(self.at, &buffer[..count], at_ns);
                Taken::Some
            }
            Err(errno) => self.failed_read(errno, output),
        }
    }

    fn cut(&mut self, at: usize, shared: &mut Shared, output: &mut Output<'_>) {
        if self.owed > 0 {
            self.keep_in_step(Errno::TIMEDOUT, shared.buffer(), output);
        }
        if !self.take_last(shared, output) {
            output.still_held(at);
        }
    }
}

impl Spliced {
    fn take_spliced(&mut self, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        let (copy, copy_writer, buffer) = match shared.copy() {
            Ok(copy) => copy,
            Err(error) => {
                output.note(self.at, format_args!("no pipe for the copy ({error}): read and write in place of splice"));
                self.way = Way::Write;
                return Taken::More;
            }
        };
        let wanted = match retry_on_intr(|| sys::tee(&self.pipe, copy_writer, PIPE_BYTES)) {
            Ok(0) => return Taken::End,
            Ok(wanted) => wanted,
            Err(errno) => return self.failed_read(errno, output),
        };
        let (moved, stopped) = self.splice(wanted);
        let mut left = wanted;
        while left > 0 {
            // The copy holds exactly what was teed, so this read neither blocks nor meets the end too early.
            let most = left.min(buffer.len());
            match retry_on_intr(|| sys::read(copy, &mut buffer[..most])) {
                Ok(count @ 1..) => {
                    output.push(self.at, &buffer[..count], now_ns());
                    left -= count;
                }
                other => {
                    output.lost(self.at, format_args!("the copy ends {left} bytes before its end: {other:?}"));
                    break;
                }
            }
        }
        self.owed = wanted - moved;
        match stopped {
            None => Taken::Some,
            // The pipe has the bytes, so what has no room is a FIFO in the place of the file.
            Some(Errno::AGAIN) => {
                self.full_since_ns = now_ns();
                Taken::Later
            }
            Some(errno) => {
                self.keep_in_step(errno, buffer, output);
                Taken::Some
            }
        }
    }

    /// Moves what is owed to the file, as far as the file has room.
    fn pay(&mut self, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        let (moved, stopped) = self.splice(self.owed);
        self.owed -= moved;
        match stopped {
            None => {}
            Some(Errno::AGAIN) => {
                let now_ns = now_ns();
                if moved > 0 {
                    self.full_since_ns = now_ns;
                }
                if now_ns - self.full_since_ns < FULL_MAX_NS {
                    return Taken::Later;
                }
                self.keep_in_step(Errno::TIMEDOUT, shared.buffer(), output);
            }
            Some(errno) => self.keep_in_step(errno, shared.buffer(), output),
        }
        Taken::Some
    }

    /// Moves exactly `wanted` bytes to the file; or fewer, and says why.
    fn splice(&mut self, wanted: usize) -> (usize, Option<Errno>) {
        let mut moved = 0;
        while moved < wanted {
            self.go_to_the_end();
            match sys::splice(&self.pipe, &self.file, wanted - moved) {
                Ok(0) => return (moved, Some(Errno::IO)),
                Ok(count) => moved += count,
                Err(Errno::INTR) => {}
                Err(errno) => return (moved, Some(errno)),
            }
        }
        (moved, None)
    }

    /// Takes bytes off the pipe that were delivered, but that the file did not take. They go to the file with write(2)
    /// where that may help (EINVAL). Otherwise the file is given up.
    fn keep_in_step(&mut self, errno: Errno, buffer: &mut [u8], output: &mut Output<'_>) {
        let mut left = std::mem::take(&mut self.owed);
        if errno == Errno::INVAL {
            output.note(self.at, "the file does not take splice(2) (EINVAL): read and write in place of it");
            self.way = Way::Write;
        } else {
            self.give_up(errno, output);
        }
        while left > 0 {
            let most = left.min(buffer.len());
            match retry_on_intr(|| sys::read(&self.pipe, &mut buffer[..most])) {
                Ok(count @ 1..) => {
                    self.write(&buffer[..count], output);
                    left -= count;
                }
                other => {
                    output.lost(self.at, format_args!("the pipe ends {left} bytes before its end: {other:?}"));
                    return;
                }
            }
        }
    }

    /// Writes all of `bytes` with write(2), unless the file has failed.
    fn write(&mut self, mut bytes: &[u8], output: &mut Output<'_>) {
        while self.way != Way::Failed && !bytes.is_empty() {
            self.go_to_the_end();
            match sys::write(&self.file, bytes) {
                Ok(0) => self.give_up(Errno::IO, output),
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if let Err(errno) = self.wait_for_room() {
                        self.give_up(errno, output);
                    }
                }
                Err(errno) => self.give_up(errno, output),
            }
        }
    }

    /// Goes to the end of the file, as O_APPEND would, which splice(2) refuses: somebody may have emptied the file.
    /// Nobody else writes it.
    fn go_to_the_end(&self) {
        if self.seeks {
            let _is_a_file = rustix::fs::seek(&self.file, SeekFrom::End(0));
        }
    }

    /// Waits for room in the file. Blocks for 5 s at most. This is only for what is not a regular file and does not
    /// take splice(2): a terminal, or a socket.
    fn wait_for_room(&self) -> Result<(), Errno> {
        match poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&timespec(FULL_MAX_NS))) {
            Ok(0) => Err(Errno::TIMEDOUT),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn give_up(&mut self, errno: Errno, output: &mut Output<'_>) {
        self.way = Way::Failed;
        output.lost(self.at, format_args!("the file is given up: {errno}; the live stream goes on"));
    }

    fn failed_read(&self, errno: Errno, output: &mut Output<'_>) -> Taken {
        if errno == Errno::AGAIN {
            return Taken::Nothing;
        }
        output.lost(self.at, format_args!("read: {errno}"));
        Taken::End
    }
}
