//! The workload's journal: what the kernel accepted of every write, and when.
//!
//! The journal is a file of little-endian 64-bit words. The workload maps it shared, so its content survives the death
//! of the workload by SIGKILL. The header has six words: magic, pid (as the workload sees it), start, end, entries,
//! overflow. Each entry has six words: stream, before, after, bytes offered, bytes accepted, errno. `after` is 0 while
//! the write has not returned.

use crate::script::{Buffering, Content, Script};
use crate::sys::SharedWords;
use crun_capture_reactor::Stream;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const MAGIC: u64 = u64::from_le_bytes(*b"ccjrnl01");
const HEADER: usize = 6;
const ENTRY: usize = 6;

/// One write(2). Times are CLOCK_MONOTONIC ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The stream it was made on.
    pub stream: Stream,
    /// The time just before the call. For a single stamped line that is written at once it is the line's own stamp.
    pub before_ns: u64,
    /// The time just after the call. 0: it had not returned.
    pub after_ns: u64,
    /// Bytes offered to the kernel.
    pub offered: u64,
    /// Bytes that the kernel accepted.
    pub accepted: u64,
    /// The errno of a failed write, otherwise 0.
    pub errno: i32,
}

/// A journal that was read back. Times are CLOCK_MONOTONIC ns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The workload's own pid, in its pid namespace.
    pub pid: u64,
    /// When the workload started to play.
    pub started_ns: u64,
    /// When the workload had played its last step. 0: it did not get that far.
    pub ended_ns: u64,
    /// Whether there were more writes than the file had room for.
    pub overflow: bool,
    /// The writes, in the order in which they were made.
    pub writes: Vec<Write>,
}

impl Journal {
    /// Reads a journal. None: the workload never started (there is no file, or an empty one). Never blocks and follows
    /// no links, because a container may put anything in the journal's place.
    ///
    /// # Errors
    /// The path is not a regular file, or cannot be read.
    pub fn read(path: &Path) -> io::Result<Option<Journal>> {
        let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
        let mut file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the journal is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(Journal::parse(&bytes))
    }

    /// Parses the bytes of a journal. None: they have no complete header.
    pub fn parse(bytes: &[u8]) -> Option<Journal> {
        let words: Vec<u64> =
            bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes"))).collect();
        if words.len() < HEADER || words[0] != MAGIC {
            return None;
        }
        let count = usize::try_from(words[4]).ok()?;
        let writes = words[HEADER..].chunks_exact(ENTRY).take(count).map(|entry| Write {
            stream: if entry[0] == 0 { Stream::Stdout } else { Stream::Stderr },
            before_ns: entry[1],
            after_ns: entry[2],
            offered: entry[3],
            accepted: entry[4],
            errno: entry[5] as i32,
        });
        Some(Journal {
            pid: words[1],
            started_ns: words[2],
            ended_ns: words[3],
            overflow: words[5] != 0,
            writes: writes.collect(),
        })
    }

    /// The journal that a program would have kept if it wrote everything the script says. Its times are placeholders.
    pub fn supposed(script: &Script) -> Journal {
        let writes = script.contents().into_iter().map(|(stream, content)| {
            let length = match content {
                Content::Raw(bytes) => bytes.len() as u64,
                Content::Lines { count, length, .. } => count * (length as u64 + 1),
            };
            Write { stream, before_ns: 1, after_ns: 1, offered: length, accepted: length, errno: 0 }
        });
        Journal { ended_ns: 1, writes: writes.collect(), ..Journal::default() }
    }

    /// The bytes that `parse` reads, without room for more entries.
    pub fn to_bytes(&self) -> Vec<u8> {
        let header =
            [MAGIC, self.pid, self.started_ns, self.ended_ns, self.writes.len() as u64, u64::from(self.overflow)];
        let entries = self.writes.iter().flat_map(|write| {
            let stream = write.stream.index() as u64;
            [stream, write.before_ns, write.after_ns, write.offered, write.accepted, write.errno as u64]
        });
        header.into_iter().chain(entries).flat_map(u64::to_le_bytes).collect()
    }
}

/// The number of entries that a journal of this script has room for. It leaves a margin, because the kernel may cut
/// writes short.
pub fn entries_of(script: &Script) -> usize {
    // A program that buffers writes its blocks, and then the rest of each.
    let factor = if script.buffering == Buffering::None { 1 } else { 2 };
    script.writes_max() * factor + 64
}

/// Makes a journal file with all the room that this script needs. A full disk then shows before the workload runs;
/// otherwise a store into a mapped page without room would kill the workload (SIGBUS).
///
/// # Errors
/// There is already a file, it cannot be made, or there is no room.
pub fn allocate(path: &Path, script: &Script) -> io::Result<()> {
    let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let length = (HEADER + entries_of(script) * ENTRY) * size_of::<u64>();
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length as u64) {
        // Not every file system supports this. The journal then grows while it is used.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// A journal that is being written.
pub struct Keeper {
    words: SharedWords,
    entries: usize,
}

impl Keeper {
    /// Starts a journal in the file at `path`, with room for `entries` writes. The file must not hold an older journal.
    ///
    /// # Errors
    /// The file cannot be opened or mapped.
    pub fn create(path: &Path, entries: usize, pid: u32, started_ns: u64) -> io::Result<Keeper> {
        // Not truncated, because that would give back the room that `allocate` has made.
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let words = SharedWords::map(&file, HEADER + entries * ENTRY)?;
        words.store(1, u64::from(pid));
        words.store(2, started_ns);
        words.store(0, MAGIC);
        Ok(Keeper { words, entries: 0 })
    }

    /// Records that a write begins, so that a write that never returns shows too.
    pub fn begin(&mut self, stream: Stream, before_ns: u64, offered: usize) {
        let at = HEADER + self.entries * ENTRY;
        if at + ENTRY > self.words.count() {
            self.words.store(5, 1);
            return;
        }
        self.words.store(at, stream.index() as u64);
        self.words.store(at + 1, before_ns);
        self.words.store(at + 3, offered as u64);
        self.words.store(4, self.entries as u64 + 1);
    }

    /// Records how the write that `begin` announced has ended.
    pub fn end(&mut self, after_ns: u64, accepted: usize, errno: i32) {
        let at = HEADER + self.entries * ENTRY;
        if at + ENTRY > self.words.count() {
            return;
        }
        self.words.store(at + 4, accepted as u64);
        self.words.store(at + 5, errno as u64);
        self.words.store(at + 2, after_ns);
        self.entries += 1;
    }

    /// Records that the last step was played.
    pub fn finish(&self, ended_ns: u64) {
        self.words.store(3, ended_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        assert_eq!(Journal::read(&path).unwrap(), None);
        let mut keeper = Keeper::create(&path, 2, 41, 1).unwrap();
        keeper.begin(Stream::Stderr, 10, 5);
        keeper.end(11, 5, 0);
        keeper.begin(Stream::Stdout, 12, 7);
        let blocked = Journal::read(&path).unwrap().unwrap();
        assert_eq!(blocked.writes[1].after_ns, 0, "a write that has not returned is in the journal");
        keeper.end(13, 0, 32);
        keeper.begin(Stream::Stdout, 14, 1);
        keeper.finish(15);
        let journal = Journal::read(&path).unwrap().unwrap();
        assert_eq!((journal.pid, journal.started_ns, journal.ended_ns, journal.overflow), (41, 1, 15, true));
        let second = Write { stream: Stream::Stdout, before_ns: 12, after_ns: 13, offered: 7, accepted: 0, errno: 32 };
        assert_eq!(journal.writes[1], second);
        assert_eq!(Journal::parse(&journal.to_bytes()), Some(journal));
    }
}
