//! The work: what is written and by whom, and the sinks for what is read.

use crun_capture::strategy;
use crun_capture_reactor::clock::{now_ns, sleep_until};
use crun_capture_reactor::{Command, Delivery, Ending, Sink};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The length of a line with its line feed.
const LINE_BYTES: usize = 100;

/// The interval between two lines whose latency is measured.
const INTERVAL_NS: u64 = 200_000;

const WRITER: &str = "--as-writer";

/// The work of the writer.
#[derive(Clone, Copy)]
pub(crate) struct Work {
    bytes: u64,
    /// The size of one write(2). 0: one stamped line per [`INTERVAL_NS`].
    write_bytes: usize,
}

/// The CPUs of the writer and the capturer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    Apart,
    Same,
}

impl Work {
    pub(crate) fn fast(bytes: u64, write_bytes: usize) -> Work {
        Work { bytes: bytes.next_multiple_of(write_bytes as u64), write_bytes }
    }

    pub(crate) fn paced(lines: u64) -> Work {
        Work { bytes: lines * LINE_BYTES as u64, write_bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The command line of the writer.
    pub(crate) fn command(&self, memory: &MemoryDirectory, placement: Option<Placement>) -> Command {
        let cpu = placement.map_or("-".to_owned(), |placement| u8::from(placement == Placement::Apart).to_string());
        let words = [WRITER.to_owned(), self.bytes.to_string(), self.write_bytes.to_string(), cpu];
        let command = Command::new(std::env::current_exe().unwrap()).args(words);
        command.stdout_path(memory.path("stdout")).stderr_path(memory.path("stderr"))
    }
}

/// A directory in memory, if the machine has a file system there.
pub(crate) struct MemoryDirectory(TempDir);

impl MemoryDirectory {
    pub(crate) fn new() -> MemoryDirectory {
        let shm = Path::new("/dev/shm");
        let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
        MemoryDirectory(tempfile::tempdir_in(parent).unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Moves this thread to the CPU that the placement wants for the capturer, and back when it is dropped.
pub(crate) struct Pinned(Option<CpuSet>);

impl Pinned {
    pub(crate) fn new(placement: Option<Placement>) -> Pinned {
        Pinned(placement.map(|_| {
            let before = rustix::thread::sched_getaffinity(None).unwrap();
            pin(0);
            before
        }))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            sched_setaffinity(None, before).unwrap();
        }
    }
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    // This fails on a machine with only one CPU.
    let _only_one = sched_setaffinity(None, &set);
}

/// Captures once with a strategy. Returns how long it took.
pub(crate) fn capture(
    name: &str,
    work: &Work,
    memory: &MemoryDirectory,
    placement: Option<Placement>,
    sink: &mut dyn Sink,
) -> Duration {
    let strategy = strategy::find(name).unwrap();
    let command = work.command(memory, placement);
    let _pinned = Pinned::new(placement);
    let start = Instant::now();
    let outcome = strategy.capture(&command, sink).unwrap();
    let took = start.elapsed();
    assert!(outcome.errors.is_empty() && outcome.notes.is_empty(), "{:?} {:?}", outcome.errors, outcome.notes);
    took
}

pub(crate) fn is_writer() -> bool {
    std::env::args().nth(1).is_some_and(|word| word == WRITER)
}

/// The writer itself.
pub(crate) fn write() {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let (bytes, write_bytes): (u64, usize) = (words[0].parse().unwrap(), words[1].parse().unwrap());
    if let Ok(cpu) = words[2].parse() {
        pin(cpu);
    }
    let stdout = io::stdout();
    let mut out = std::fs::File::from(std::os::fd::AsFd::as_fd(&stdout).try_clone_to_owned().unwrap());
    if write_bytes == 0 {
        let mut line = [b'.'; LINE_BYTES];
        line[LINE_BYTES - 1] = b'\n';
        let mut due_ns = now_ns();
        for _ in 0..bytes / LINE_BYTES as u64 {
            due_ns += INTERVAL_NS;
            sleep_until(due_ns);
            line[..20].copy_from_slice(format!("{:020}", now_ns()).as_bytes());
            out.write_all(&line).unwrap();
        }
        return;
    }
    // There is one buffer, which stays in the cache. It may end within a line, which the next write continues.
    let mut line = [b'x'; LINE_BYTES];
    line[LINE_BYTES - 1] = b'\n';
    let mut buffer = line.repeat(write_bytes.div_ceil(LINE_BYTES));
    buffer.truncate(write_bytes);
    for _ in 0..bytes / write_bytes as u64 {
        out.write_all(&buffer).unwrap();
    }
}

/// Counts the lines, and adds up their bytes.
#[derive(Default)]
pub(crate) struct Tally {
    lines: u64,
    bytes: u64,
    sum: u64,
}

impl Tally {
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// A sum over all bytes, eight at a time.
fn sum(bytes: &[u8]) -> u64 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let whole = eights.iter().fold(0_u64, |sum, eight| sum.wrapping_add(u64::from_le_bytes(*eight)));
    rest.iter().fold(whole, |sum, byte| sum.rotate_left(8) ^ u64::from(*byte))
}

impl Sink for Tally {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        self.lines += u64::from(delivery.ending != Ending::Partial);
        self.bytes += (delivery.bytes.len() + delivery.ending.terminator().len()) as u64;
        self.sum = std::hint::black_box(self.sum.wrapping_add(sum(delivery.bytes)));
        Ok(())
    }
}

/// The latency of each line: its receipt minus its stamp.
pub(crate) struct Latencies {
    lines: usize,
    ns: Vec<u64>,
}

impl Latencies {
    pub(crate) fn new(work: &Work) -> Latencies {
        let lines = (work.bytes / LINE_BYTES as u64) as usize;
        Latencies { lines, ns: Vec::with_capacity(lines) }
    }

    pub(crate) fn p50_p99(mut self) -> (f64, f64) {
        let count = self.ns.len();
        assert_eq!(count, self.lines, "every line was delivered");
        self.ns.sort_unstable();
        (self.ns[count / 2] as f64, self.ns[(count * 99 / 100).min(count - 1)] as f64)
    }
}

impl Sink for Latencies {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        let digits = delivery.bytes.first_chunk::<20>().expect("a stamped line");
        let stamp = digits.iter().fold(0, |stamp: u64, digit| stamp * 10 + u64::from(digit - b'0'));
        self.ns.push(delivery.at_ns.saturating_sub(stamp));
        Ok(())
    }
}
