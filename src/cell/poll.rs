//! The sources that the watch waits for, and which of them are ready, by name.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use std::io;
use std::time::Duration;

/// One entry for each source. Before a wait it is the descriptor, or None for a source that is not waited for. After
/// the wait it says whether the source is ready.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sources<T> {
    /// The user interrupts.
    pub(super) interrupt: T,
    /// The capturer has ended.
    pub(super) capturer: T,
    /// The last process of the workload has ended.
    pub(super) alive: T,
    /// Frames have come.
    pub(super) frames: T,
    /// The workload reports an event.
    pub(super) events: T,
    /// The FIFOs that replace the capturer's files have data, or have lost their writers.
    pub(super) partner: [T; 2],
}

impl<T: Copy> Sources<T> {
    fn array(&self) -> [T; 7] {
        let [first, second] = self.partner;
        [self.interrupt, self.capturer, self.alive, self.frames, self.events, first, second]
    }

    fn from_array([interrupt, capturer, alive, frames, events, first, second]: [T; 7]) -> Sources<T> {
        Sources { interrupt, capturer, alive, frames, events, partner: [first, second] }
    }
}

impl Sources<Option<BorrowedFd<'_>>> {
    /// Blocks until a source is readable or hung up, for at most `timeout`. Returns which sources are ready.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<Sources<bool>> {
        let descriptors = self.array();
        let present = descriptors.iter().flatten();
        let mut polled: Vec<PollFd<'_>> =
            present.map(|descriptor| PollFd::from_borrowed_fd(*descriptor, PollFlags::IN)).collect();
        let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut polled = polled.iter();
        let is_ready = |descriptor: Option<BorrowedFd<'_>>| {
            descriptor.and_then(|_| polled.next()).is_some_and(|polled| !polled.revents().is_empty())
        };
        Ok(Sources::from_array(descriptors.map(is_ready)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fd::AsFd;

    #[test]
    fn each_source_is_told_by_its_own_name() {
        let pipes: Vec<_> = (0..7).map(|_| std::io::pipe().unwrap()).collect();
        let fd = |at: usize| Some(pipes[at].0.as_fd());
        for (ready, (reader, writer)) in pipes.iter().enumerate() {
            rustix::io::write(writer, b"x").unwrap();
            let all = Sources::from_array([0, 1, 2, 3, 4, 5, 6].map(fd));
            let found = all.wait(Duration::ZERO).unwrap().array();
            assert_eq!(found, [0, 1, 2, 3, 4, 5, 6].map(|at| at == ready));
            // One that is not waited for is not ready, and the others keep their places.
            let without = Sources { interrupt: None, ..all };
            let found = without.wait(Duration::ZERO).unwrap().array();
            assert_eq!(found, [0, 1, 2, 3, 4, 5, 6].map(|at| at == ready && at != 0));
            rustix::io::read(reader, &mut [0][..]).unwrap();
        }
    }
}
