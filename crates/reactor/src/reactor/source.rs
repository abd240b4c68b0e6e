//! Where the bytes of a capture come from, and where they go: what a strategy puts into the reactor.

use super::DRAIN;
use super::framer::Framer;
use crate::clock::now_ns;
use crate::sink::Sink;
use crate::stream::{CaptureId, Stream};
use crate::sys::{self, Messages};
use rustix::event::epoll::EventFlags;
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size};
use std::io;

/// How much a large pipe holds, in bytes. It is the most that an unprivileged user may ask for (pipe-max-size), and the
/// fastest for tee(2) and splice(2) of the sizes that were tried (benches/limits, "pipe size").
pub(crate) const PIPE_BYTES: usize = 1 << 20;

/// How much is read at a time, in bytes: what stays in the cache until it is delivered.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// How often a stream is read before the others have their turn.
const READS_MAX: usize = 16;

/// How often a stream that does not end is read at its drain deadline.
pub(crate) const LAST_TAKES_MAX: usize = 64;

/// What [`Source::take`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Something, or nothing. The kernel will tell again of what is still there.
    Some,
    /// So much that the others have their turn first. Nobody will tell again that there is more, so the source has
    /// another turn after them.
    More,
    /// Nobody may tell of what comes next, so the reactor looks again after a moment.
    Later,
    /// Nothing is there.
    Nothing,
    /// Nothing more can come.
    End,
}

/// The port for a watched file that somebody has closed who could write it.
pub(crate) const CLOSED_PORT: u8 = 0x0e;

/// One thing to wait for. Its place in the list of a source is its port.
pub(crate) type Port<'a> = (BorrowedFd<'a>, EventFlags);

/// Where bytes come from. No method blocks, unless it says so.
pub(crate) trait Source: Send {
    /// What to wait for. The list stays the same for as long as the source lives.
    fn ports(&self) -> Vec<Port<'_>>;

    /// What to wait for in place of the ports while [`is_full`](Source::is_full): where the bytes go to.
    fn outlet(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Whether nothing can be taken before the outlet has room.
    fn is_full(&self) -> bool {
        false
    }

    /// The file to watch in place of a descriptor.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Takes what is there, once. `port` is the port that is ready. None: any of them may be.
    fn take(&mut self, port: Option<usize>, shared: &mut Shared, output: &mut Output<'_>) -> Taken;

    /// Is called when the command has exited and all that it wrote is there, and again after every later `take`.
    fn exited(&mut self, _shared: &mut Shared, _output: &mut Output<'_>) -> Taken {
        Taken::Some
    }

    /// Takes what is there at the drain deadline. The source is closed after that. `at` is its place among the sources.
    fn cut(&mut self, at: usize, shared: &mut Shared, output: &mut Output<'_>) {
        if !self.take_last(shared, output) {
            output.still_held(at);
        }
    }

    /// Takes what is there at the drain deadline. Returns whether that was the end of the source.
    fn take_last(&mut self, shared: &mut Shared, output: &mut Output<'_>) -> bool {
        for _ in 0..LAST_TAKES_MAX {
            match self.take(None, shared, output) {
                Taken::End => return true,
                Taken::Nothing | Taken::Later => break,
                Taken::Some | Taken::More => {}
            }
        }
        false
    }
}

/// What all captures of a reactor share, so that their number costs no memory. Each uses it up within one call.
#[derive(Default)]
pub(crate) struct Shared {
    buffer: Vec<u8>,
    copy: Option<[OwnedFd; 2]>,
    messages: Option<Messages>,
}

impl Shared {
    /// Room for one read.
    pub(crate) fn buffer(&mut self) -> &mut [u8] {
        if self.buffer.is_empty() {
            self.buffer = vec![0; READ_BYTES];
        }
        &mut self.buffer
    }

    /// A pipe for tee(2) that is empty between two calls, and the buffer to read it into. Returns the read end, the
    /// write end and the buffer.
    pub(crate) fn copy(&mut self) -> io::Result<(&OwnedFd, &OwnedFd, &mut [u8])> {
        if self.copy.is_none() {
            let (reader, writer) = sys::pipe(PipeFlags::NONBLOCK)?;
            let _default_will_do = fcntl_setpipe_size(&writer, PIPE_BYTES);
            self.copy = Some([reader, writer]);
        }
        self.buffer();
        let [reader, writer] = self.copy.as_ref().expect("made above");
        Ok((reader, writer, &mut self.buffer))
    }

    /// Room for datagrams of at most `bytes` each.
    pub(crate) fn messages(&mut self, bytes: usize) -> &mut Messages {
        if self.messages.as_ref().is_none_or(|messages| messages.bytes_each() < bytes) {
            self.messages = Some(Messages::new(bytes));
        }
        self.messages.as_mut().expect("made above")
    }
}

/// What a capture tells: its sink gets the deliveries, and its outcome gets the errors and notes.
pub(crate) struct Output<'a> {
    sink: Box<dyn Sink + 'a>,
    framers: Vec<Framer>,
    /// The first error of the sink. Nothing is delivered after it, but the streams are read on.
    consumer_error: Option<io::Error>,
    pub(crate) truncated: bool,
    pub(crate) errors: Vec<String>,
    pub(crate) notes: Vec<String>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(capture: CaptureId, sink: Box<dyn Sink + 'a>, framers: Vec<Framer>) -> Output<'a> {
        let framers = framers.into_iter().map(|framer| framer.of(capture)).collect();
        Output { sink, framers, consumer_error: None, truncated: false, errors: Vec::new(), notes: Vec::new() }
    }

    /// Whether the sink has failed, and takes no more deliveries.
    pub(crate) fn consumer_is_gone(&self) -> bool {
        self.consumer_error.is_some()
    }

    /// Delivers bytes of stream number `at`, which were read at `at_ns`.
    pub(crate) fn push(&mut self, at: usize, bytes: &[u8], at_ns: u64) {
        self.deliver(|framers, sink| framers[at].push(bytes, at_ns, sink));
    }

    /// Does the same where the order across streams is known. What another stream has begun is delivered first.
    pub(crate) fn push_in_order(&mut self, at: usize, bytes: &[u8], at_ns: u64) {
        self.deliver(|framers, sink| {
            let mut others = framers.iter_mut().enumerate().filter(|(other, _)| *other != at);
            others.try_for_each(|(_, framer)| framer.release(at_ns, &mut *sink))?;
            framers[at].push(bytes, at_ns, sink)
        });
    }

    /// Begins a stream anew. What is open is delivered as it is, and the next byte is the first.
    pub(crate) fn restart(&mut self, at: usize, at_ns: u64) {
        self.deliver(|framers, sink| framers[at].restart(at_ns, sink));
    }

    /// Delivers each unterminated line that has been quiet for long enough.
    pub(crate) fn release_quiet(&mut self, now_ns: u64) {
        self.deliver(|framers, sink| {
            let quiet = |framer: &&mut Framer| framer.quiet_at_ns().is_some_and(|at_ns| at_ns <= now_ns);
            framers.iter_mut().filter(quiet).try_for_each(|framer| framer.release(now_ns, sink))
        });
    }

    /// When `release_quiet` is due next.
    pub(crate) fn quiet_at_ns(&self) -> Option<u64> {
        if self.consumer_is_gone() {
            return None;
        }
        self.framers.iter().filter_map(Framer::quiet_at_ns).min()
    }

    /// Ends all streams: nothing more comes.
    pub(crate) fn end(&mut self) {
        let at_ns = now_ns();
        self.deliver(|framers, sink| framers.iter_mut().try_for_each(|framer| framer.end(at_ns, sink)));
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        self.deliver(|_, sink| sink.flush());
    }

    fn deliver(&mut self, act: impl FnOnce(&mut [Framer], &mut dyn Sink) -> io::Result<()>) {
        if self.consumer_error.is_none() {
            self.consumer_error = act(&mut self.framers, &mut *self.sink).err();
        }
    }

    /// Reports an error of a stream, and with it the loss of what was not read.
    pub(crate) fn lost(&mut self, stream: usize, what: impl std::fmt::Display) {
        self.truncated = true;
        self.errors.push(format!("{}: {what}", self.name(stream)));
    }

    /// Reports that at the drain deadline somebody else still holds the stream. What is written to it from now on is
    /// not captured.
    pub(crate) fn still_held(&mut self, stream: usize) {
        self.lost(stream, format_args!("something holds it {} s after the exit; not read any longer", DRAIN.as_secs()));
    }

    /// Reports what went differently and lost nothing.
    pub(crate) fn note(&mut self, stream: usize, what: impl std::fmt::Display) {
        self.notes.push(format!("{}: {what}", self.name(stream)));
    }

    fn name(&self, stream: usize) -> &'static str {
        if self.framers.len() == 1 { "terminal" } else { ["stdout", "stderr"][stream] }
    }

    /// Takes out the error of the sink.
    pub(crate) fn take_consumer_error(&mut self) -> Option<io::Error> {
        self.consumer_error.take()
    }
}

/// The read end of a pipe, or the master of a terminal.
pub(crate) struct Readable {
    descriptor: OwnedFd,
    at: usize,
}

impl Readable {
    /// A source for stream number `at`. It makes the open file description of `descriptor` non-blocking. The other end
    /// has an open file description of its own, so the command does not notice.
    pub(crate) fn new(descriptor: OwnedFd, at: usize) -> io::Result<Readable> {
        rustix::io::ioctl_fionbio(&descriptor, true)?;
        Ok(Readable { descriptor, at })
    }
}

impl Source for Readable {
    fn ports(&self) -> Vec<Port<'_>> {
        vec![(rustix::fd::AsFd::as_fd(&self.descriptor), EventFlags::IN)]
    }

    fn take(&mut self, _port: Option<usize>, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        let buffer = shared.buffer();
        let mut taken = Taken::Nothing;
        // A program that writes line by line has written the next line by now. To ask for it is cheaper than to be
        // woken.
        for _ in 0..READS_MAX {
            match sys::read(&self.descriptor, buffer) {
                Ok(0) => return Taken::End,
                Ok(count) => {
                    output.push(self.at, &buffer[..count], now_ns());
                    taken = Taken::Some;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return taken,
                // The last holder of the other side of a terminal has closed it.
                Err(Errno::IO) => return Taken::End,
                Err(errno) => {
                    output.lost(self.at, format_args!("read: {errno}"));
                    return Taken::End;
                }
            }
        }
        taken
    }
}

/// Makes a pipe for a stream. Returns the read end, for the capture, and the write end, for the command. A large one
/// holds [`PIPE_BYTES`] if the user may have that (pipe(7), pipe-user-pages-soft), and otherwise what the kernel gives.
pub(crate) fn pipe(large: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = sys::pipe(PipeFlags::empty())?;
    if large {
        let _default_will_do = fcntl_setpipe_size(&writer, PIPE_BYTES);
    }
    Ok((reader, writer))
}

/// The framers of both streams, by their numbers.
pub(crate) fn framers() -> Vec<Framer> {
    Stream::BOTH.iter().map(|&stream| Framer::new(stream.into(), 0)).collect()
}
