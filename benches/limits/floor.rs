//! The floors: the same job in plain system calls, with one stream and one thread; and the rivals: what others would
//! write.

use crate::work::{MemoryDirectory, Pinned, Placement, Work};
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Delivery, Ending, Origin, Sink};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::inotify;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice, tee};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The size of the pipes. It is that of the strategies, unless the name of the floor gives another.
static PIPE_BYTES: AtomicUsize = AtomicUsize::new(0);

fn pipe_bytes() -> usize {
    PIPE_BYTES.load(Ordering::Relaxed)
}

/// Runs the floor of this name, or `NAME@KIB` with pipes of that size. Returns how long it took.
pub(crate) fn run(
    name: &str,
    work: &Work,
    memory: &MemoryDirectory,
    placement: Option<Placement>,
    sink: &mut dyn Sink,
) -> Duration {
    let _pinned = Pinned::new(placement);
    let (name, kib) = name.split_once('@').unwrap_or((name, "1024"));
    PIPE_BYTES.store(kib.parse::<usize>().unwrap() << 10, Ordering::Relaxed);
    let floor = match name {
        "read" => read,
        "read-write" => read_write,
        "epoll-read" => epoll_read,
        "tee-read" => tee_read,
        "tee-splice" => tee_splice,
        "epoll-tee-splice" => epoll_tee_splice,
        "recvmmsg" => receive,
        "epoll-recvmmsg" => epoll_receive,
        "redirect" => redirect,
        "inotify-read" => inotify_read,
        "threads" => threads,
        "threads-file" => threads_file,
        "tokio-lines" => tokio_lines,
        "tokio-file" => tokio_file,
        _ => panic!("there is no floor {name}"),
    };
    let start = Instant::now();
    floor(work, memory, placement, sink);
    start.elapsed()
}

fn spawn(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, stdout: impl Into<Stdio>) -> Child {
    let command = work.command(memory, placement);
    std::process::Command::new(&command.program)
        .args(&command.arguments)
        .stdin(Stdio::null())
        .stdout(stdout)
        .spawn()
        .unwrap()
}

fn large_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    let _default_will_do = fcntl_setpipe_size(&writer, pipe_bytes());
    (reader, writer)
}

/// How much is read at a time: as much as stays in the cache, as in the strategies.
const READ_BYTES: usize = 256 << 10;

/// Cuts a stream that is read in pieces into lines. The part of a line that is left moves to the front of the buffer.
struct Cutter {
    buffer: Vec<u8>,
    kept: usize,
}

impl Cutter {
    fn new() -> Cutter {
        Cutter { buffer: vec![0; READ_BYTES + 4096], kept: 0 }
    }

    fn room(&mut self) -> &mut [u8] {
        let kept = self.kept;
        &mut self.buffer[kept..kept + READ_BYTES]
    }

    fn cut(&mut self, count: usize, sink: &mut dyn Sink) {
        let end = self.kept + count;
        let start = deliver_lines(&self.buffer[..end], now_ns(), sink);
        self.buffer.copy_within(start..end, 0);
        self.kept = end - start;
    }

    /// Cuts bytes that are not in the buffer. Only the parts of lines at their ends are copied.
    fn cut_there(&mut self, mut bytes: &[u8], sink: &mut dyn Sink) {
        let at_ns = now_ns();
        if self.kept > 0 {
            let head = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            let end = self.kept + head;
            self.buffer[self.kept..end].copy_from_slice(&bytes[..head]);
            self.kept = end - deliver_lines(&self.buffer[..end], at_ns, sink);
            bytes = &bytes[head..];
        }
        let tail = &bytes[deliver_lines(bytes, at_ns, sink)..];
        self.buffer[self.kept..self.kept + tail.len()].copy_from_slice(tail);
        self.kept += tail.len();
    }
}

/// Delivers the whole lines in `bytes`, and returns their length.
fn deliver_lines(bytes: &[u8], at_ns: u64, sink: &mut dyn Sink) -> usize {
    let mut start = 0;
    for at in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[start..at];
        let delivery = Delivery::new(Origin::Stdout, line, Ending::Lf, at_ns);
        sink.deliver(&delivery).unwrap();
        start = at + 1;
    }
    start
}

fn read(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    let (reader, writer) = large_pipe();
    let mut child = spawn(work, memory, placement, writer);
    let mut cutter = Cutter::new();
    while let count @ 1.. = rustix::io::read(&reader, cutter.room()).unwrap() {
        cutter.cut(count, sink);
    }
    child.wait().unwrap();
}

fn read_write(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    let (reader, writer) = large_pipe();
    let file = File::create(memory.path("stdout")).unwrap();
    let mut child = spawn(work, memory, placement, writer);
    let mut cutter = Cutter::new();
    while let count @ 1.. = rustix::io::read(&reader, cutter.room()).unwrap() {
        let mut left = &cutter.room()[..count];
        while !left.is_empty() {
            left = &left[rustix::io::write(&file, left).unwrap()..];
        }
        cutter.cut(count, sink);
    }
    child.wait().unwrap();
}

fn wait(epoll: &OwnedFd) {
    let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 4];
    epoll::wait(epoll, &mut events[..], None).unwrap();
}

fn epoll_of(descriptor: impl AsFd) -> OwnedFd {
    let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
    epoll::add(&epoll, descriptor, EventData::new_u64(0), EventFlags::IN).unwrap();
    epoll
}

fn epoll_read(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    let (reader, writer) = large_pipe();
    let mut child = spawn(work, memory, placement, writer);
    let epoll = epoll_of(&reader);
    let mut cutter = Cutter::new();
    loop {
        wait(&epoll);
        match rustix::io::read(&reader, cutter.room()).unwrap() {
            0 => break,
            count => cutter.cut(count, sink),
        }
    }
    child.wait().unwrap();
}

fn copied(
    work: &Work,
    memory: &MemoryDirectory,
    placement: Option<Placement>,
    sink: &mut dyn Sink,
    file: Option<&File>,
    polls: bool,
) {
    let (reader, writer) = large_pipe();
    let epoll = polls.then(|| epoll_of(&reader));
    let (copy, copy_writer) = large_pipe();
    let mut child = spawn(work, memory, placement, writer);
    let (null, mut cutter) = (File::options().write(true).open("/dev/null").unwrap(), Cutter::new());
    loop {
        epoll.as_ref().map(wait);
        let teed = tee(&reader, &copy_writer, pipe_bytes(), SpliceFlags::empty()).unwrap();
        if teed == 0 {
            break;
        }
        let mut left = teed;
        while left > 0 {
            left -= splice(&reader, None, file.unwrap_or(&null), None, left, SpliceFlags::empty()).unwrap();
        }
        let mut left = teed;
        while left > 0 {
            let most = left.min(READ_BYTES);
            let count = rustix::io::read(&copy, &mut cutter.room()[..most]).unwrap();
            left -= count;
            cutter.cut(count, sink);
        }
    }
    child.wait().unwrap();
}

/// Reads a copy made by tee(2). The original is discarded.
fn tee_read(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    copied(work, memory, placement, sink, None, false);
}

fn tee_splice(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    copied(work, memory, placement, sink, Some(&File::create(memory.path("stdout")).unwrap()), false);
}

fn epoll_tee_splice(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    copied(work, memory, placement, sink, Some(&File::create(memory.path("stdout")).unwrap()), true);
}

fn receive(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    received(work, memory, placement, sink, false);
}

fn epoll_receive(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    received(work, memory, placement, sink, true);
}

fn received(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink, polls: bool) {
    const BATCH: usize = 11;
    const LARGEST: usize = 212_992;
    let (receiver, sender) = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).unwrap();
    let mut child = spawn(work, memory, placement, sender);
    let mut bytes = vec![0_u8; BATCH * LARGEST];
    let mut vectors: Vec<libc::iovec> = bytes
        .chunks_exact_mut(LARGEST)
        .map(|chunk| libc::iovec { iov_base: chunk.as_mut_ptr().cast(), iov_len: LARGEST })
        .collect();
    #[expect(unsafe_code, reason = "rustix has no recvmmsg")]
    let mut headers: Vec<libc::mmsghdr> = vectors
        .iter_mut()
        .map(|vector| {
            // SAFETY: an all-zero mmsghdr is valid.
            let mut header = unsafe { std::mem::zeroed::<libc::mmsghdr>() };
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header
        })
        .collect();
    let epoll = polls.then(|| epoll_of(&receiver));
    let (mut cutter, mut left) = (Cutter::new(), work.bytes());
    while left > 0 {
        epoll.as_ref().map(wait);
        #[expect(unsafe_code, reason = "rustix has no recvmmsg")]
        // SAFETY: each header points to a vector of its own, and that to its bytes.
        let count = unsafe {
            let flags = libc::MSG_WAITFORONE;
            libc::recvmmsg(receiver.as_raw_fd(), headers.as_mut_ptr(), BATCH as u32, flags, std::ptr::null_mut())
        };
        for at in 0..usize::try_from(count).unwrap() {
            let length = headers[at].msg_len as usize;
            cutter.cut_there(&bytes[at * LARGEST..at * LARGEST + length], sink);
            left -= length as u64;
        }
    }
    child.wait().unwrap();
}

fn redirect(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, _sink: &mut dyn Sink) {
    spawn(work, memory, placement, File::create(memory.path("stdout")).unwrap()).wait().unwrap();
}

fn inotify_read(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    let path = memory.path("stdout");
    let writer = File::create(&path).unwrap();
    let reader = File::open(&path).unwrap();
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, &path, inotify::WatchFlags::MODIFY).unwrap();
    let mut child = spawn(work, memory, placement, writer);
    let (mut cutter, mut left, mut events) = (Cutter::new(), work.bytes(), [0_u8; 4096]);
    while left > 0 {
        rustix::io::read(&watch, &mut events[..]).unwrap();
        while let count @ 1.. = rustix::io::read(&reader, cutter.room()).unwrap() {
            cutter.cut(count, sink);
            left -= count as u64;
        }
    }
    child.wait().unwrap();
}

fn deliver(line: &[u8], sink: &mut dyn Sink) {
    let bytes = line.strip_suffix(b"\n").unwrap_or(line);
    let delivery = Delivery::new(Origin::Stdout, bytes, Ending::Lf, now_ns());
    sink.deliver(&delivery).unwrap();
}

/// Writes the line to the file before it is delivered, as the spike does: with a buffer the file would lag behind the
/// stream.
fn keep(line: &str, whole: &mut Vec<u8>, mut file: Option<&File>) {
    if let Some(file) = &mut file {
        whole.clear();
        whole.extend_from_slice(line.as_bytes());
        whole.push(b'\n');
        file.write_all(whole).unwrap();
    }
}

/// A driver as it is usually written in Rust: a thread, a BufReader, and one String per line.
fn with_threads(
    work: &Work,
    memory: &MemoryDirectory,
    placement: Option<Placement>,
    sink: &mut dyn Sink,
    file: Option<File>,
) {
    let mut child = spawn(work, memory, placement, Stdio::piped());
    let stdout = child.stdout.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut whole = Vec::new();
            for line in BufReader::new(stdout).lines() {
                let line = line.unwrap();
                keep(&line, &mut whole, file.as_ref());
                deliver(line.as_bytes(), sink);
            }
        });
    });
    child.wait().unwrap();
}

fn threads(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    with_threads(work, memory, placement, sink, None);
}

fn threads_file(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    with_threads(work, memory, placement, sink, Some(File::create(memory.path("stdout")).unwrap()));
}

fn with_tokio(
    work: &Work,
    memory: &MemoryDirectory,
    placement: Option<Placement>,
    sink: &mut dyn Sink,
    file: Option<&File>,
) {
    use tokio::io::AsyncBufReadExt;
    let command = work.command(memory, placement);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let mut prepared = tokio::process::Command::new(&command.program);
        prepared.args(&command.arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = prepared.spawn().unwrap();
        let mut lines = tokio::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let mut whole = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            keep(&line, &mut whole, file);
            deliver(line.as_bytes(), sink);
        }
        child.wait().await.unwrap();
    });
}

fn tokio_lines(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    with_tokio(work, memory, placement, sink, None);
}

fn tokio_file(work: &Work, memory: &MemoryDirectory, placement: Option<Placement>, sink: &mut dyn Sink) {
    with_tokio(work, memory, placement, sink, Some(&File::create(memory.path("stdout")).unwrap()));
}
