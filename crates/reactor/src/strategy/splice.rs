//! tee(2) and splice(2): the file is written without the bytes entering user space, the live consumer reads a copy.
//!
//! What lies in the pipe is copied by reference into a second one (tee), then moved on to the file (splice), exactly as much;
//! then the copy is read. File first: what was delivered is in the file, whenever the capturer dies.
//!
//! Neither sink takes the other down. A file that fails is given up, and said so; a consumer that fails is passed by. A FIFO in the
//! place of the file that is full is waited for, and no other capture is held up by that: what it has no room for stays in the
//! pipe, and is moved on when it has. Where splice(2) does not work (EINVAL: a file opened with O_APPEND, some file systems and
//! devices) it reads and writes instead, and the outcome notes it. As `lines` it stands in the data path, so it declares neither
//! `free-flow` nor `survives-death`.

use super::lines::start_with_pipes;
use super::{Capabilities, Capability, Strategy};
use crate::clock::{now_ns, timespec};
use crate::command::{CaptureError, Command};
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

/// How long a FIFO in the place of the file may take nothing before it counts as failed. A regular file never makes anybody wait so.
const FULL_MAX_NS: u64 = 5_000_000_000;

/// Two pipes, two files, and a copy.
pub struct Splice;

impl Strategy for Splice {
    fn name(&self) -> &'static str {
        "splice"
    }

    fn summary(&self) -> &'static str {
        "as lines, and the bytes go from the pipe to a file within the kernel (tee and splice)"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{
            AnyLine, AnyProgram, AnyWrite, Apart, BoundedMemory, ExactBytes, IndependentSinks, Live,
            PromptDespiteGrandchild, Reopen,
        };
        Capabilities::of(&[
            Live,
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
    Splice,
    /// read(2) and write(2).
    Write,
    /// Not any more: it has failed.
    Failed,
}

struct Spliced {
    pipe: OwnedFd,
    file: File,
    at: usize,
    way: Way,
    /// Whether it is a file with an end to go to; a FIFO has none.
    seeks: bool,
    /// So many bytes in the pipe were delivered, and the file has had no room for them.
    owed: usize,
    /// Since when it takes nothing, where something is owed.
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
            // Who delivers nothing needs no copy.
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
            // The copy holds exactly what was teed, so this neither blocks nor ends before.
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
            // The pipe has them, so it is a FIFO in the place of the file that has no room.
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

    /// Moves what is owed to the file, as far as that has room.
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

    /// Moves exactly `wanted` bytes to the file, or fewer and why.
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

    /// Bytes that were delivered are still in the pipe, since the file did not take them: they come off it, and go to the file the
    /// other way where that may help.
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

    /// write(2) of all of it, unless the file has failed.
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

    /// As O_APPEND would, which splice(2) refuses: somebody may have emptied the file. Nobody else writes it.
    fn go_to_the_end(&self) {
        if self.seeks {
            let _is_a_file = rustix::fs::seek(&self.file, SeekFrom::End(0));
        }
    }

    /// Blocks. Only what neither is a file nor takes splice(2) comes to this: a terminal, or a socket.
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
