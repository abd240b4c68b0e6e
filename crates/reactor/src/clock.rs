//! CLOCK_MONOTONIC in ns: the one clock that the workload and the consumer share.
//!
//! Containers see the host's clock as long as no time namespace is made, and the bundles make none.

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now, in ns since an arbitrary point of this boot.
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// The same number of ns as the kernel wants it.
pub(crate) fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}

/// Blocks until the clock reads `at_ns`; at once if it already does. Signals do not cut it short.
pub fn sleep_until(at_ns: u64) {
    let at = timespec(at_ns);
    while clock_nanosleep_absolute(ClockId::Monotonic, &at).is_err() {}
}
