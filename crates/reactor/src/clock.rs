//! CLOCK_MONOTONIC in ns: the clock of every time in this crate.
//!
//! Containers see the host's clock, unless they have a time namespace of their own.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The time now, in ns since an arbitrary point of this boot.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// A duration or time of `ns`, in the form that the kernel takes.
pub(crate) fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}

/// Blocks until the clock reads `at_ns`. Returns at once if it already does. Signals do not cut it short.
pub fn sleep_until(at_ns: u64) {
    let at = timespec(at_ns);
    while clock_nanosleep_absolute(ClockId::Monotonic, &at).is_err() {}
}
