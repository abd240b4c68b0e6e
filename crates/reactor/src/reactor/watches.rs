//! Files that are watched while they grow.

use super::source::CLOSED_PORT;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::{AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify;
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;

/// One inotify instance for all captures, because a user has only 128 of them (inotify(7), max_user_instances).
pub(super) struct Watches {
    inotify: OwnedFd,
    tokens: HashMap<i32, u64>,
}

impl Watches {
    /// An instance that watches nothing yet. Its events have `token` in the epoll set.
    pub(super) fn new(epoll: &OwnedFd, token: u64) -> io::Result<Watches> {
        let inotify = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        epoll::add(epoll, &inotify, EventData::new_u64(token), EventFlags::IN)?;
        Ok(Watches { inotify, tokens: HashMap::new() })
    }

    /// Watches a file, whatever its name is by now. Returns the watch descriptor.
    pub(super) fn add(&mut self, file: BorrowedFd<'_>, token: u64) -> io::Result<i32> {
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let flags = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CLOSE_WRITE;
        let watch = inotify::add_watch(&self.inotify, path, flags)?;
        self.tokens.insert(watch, token);
        Ok(watch)
    }

    pub(super) fn remove(&mut self, watch: i32) {
        self.tokens.remove(&watch);
        let _already_gone = inotify::remove_watch(&self.inotify, watch);
    }

    /// Adds the tokens of the files that have changed. The token of a file that somebody has closed has the port
    /// [`CLOSED_PORT`].
    pub(super) fn read(&self, tokens: &mut Vec<u64>) {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(&self.inotify, &mut buffer);
        loop {
            match reader.next() {
                Ok(event) if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) => {
                    tokens.extend(self.tokens.values().copied());
                }
                Ok(event) => {
                    let closed = event.events().contains(inotify::ReadFlags::CLOSE_WRITE);
                    let told = |token: &u64| if closed { token & !0x0f | u64::from(CLOSED_PORT) } else { *token };
                    tokens.extend(self.tokens.get(&event.wd()).map(told));
                }
                Err(Errno::INTR) => continue,
                Err(_) => break,
            }
            if reader.is_buffer_empty() {
                break;
            }
        }
        tokens.dedup();
    }
}
