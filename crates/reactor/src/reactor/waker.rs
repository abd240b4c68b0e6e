//! Wakes a reactor from another thread.

use crate::sys;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
struct Alarm {
    eventfd: OwnedFd,
    /// How many wakers there are.
    wakers: AtomicUsize,
}

impl Alarm {
    fn ring(&self) {
        // EAGAIN: the count is at its maximum, 2^64 - 2, so it rings already.
        let _rings_already = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
    }
}

/// The reactor's side of its wakers.
pub(super) struct Bell(Arc<Alarm>);

impl Bell {
    pub(super) fn new() -> io::Result<Bell> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell(Arc::new(Alarm { eventfd, wakers: AtomicUsize::new(0) })))
    }

    pub(super) fn waker(&self) -> Waker {
        self.0.wakers.fetch_add(1, Ordering::Relaxed);
        Waker(self.0.clone())
    }

    /// Whether anybody could ring.
    pub(super) fn has_wakers(&self) -> bool {
        self.0.wakers.load(Ordering::Acquire) > 0
    }

    /// Stops the ringing.
    pub(super) fn silence(&self) {
        let mut count = [0; 8];
        while sys::read(&self.0.eventfd, &mut count) == Err(Errno::INTR) {}
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.eventfd.as_fd()
    }
}

/// Makes [`Reactor::next`](super::Reactor::next) return, from any thread.
///
/// A waker carries no message. Put the message into a channel first, then wake. A wake is never lost: one that comes
/// while the reactor does something else makes the next call of `next` return at once. Dropping the last waker wakes
/// the reactor, too.
#[derive(Debug)]
pub struct Waker(Arc<Alarm>);

impl Waker {
    /// Wakes the reactor. Does nothing when the reactor is gone.
    pub fn wake(&self) {
        self.0.ring();
    }
}

impl Clone for Waker {
    fn clone(&self) -> Waker {
        self.0.wakers.fetch_add(1, Ordering::Relaxed);
        Waker(self.0.clone())
    }
}

impl Drop for Waker {
    fn drop(&mut self) {
        // The count goes down first, so that the reactor finds the new one when it wakes.
        if self.0.wakers.fetch_sub(1, Ordering::Release) == 1 {
            self.0.ring();
        }
    }
}
