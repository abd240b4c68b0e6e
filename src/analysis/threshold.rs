//! From where on a finding means something: the numbers that rules and claims share.

/// A live capturer delivers at least this fraction of a paced script before the exit. What is delivered mostly after it is
/// "at exit", and its time no number to compare.
pub const LIVE_FRACTION: f64 = 0.5;

/// A capturer drains for two seconds after the exit at most (so Nomad's processOutputCloseTolerance); the rest is for a machine
/// that is busy. What holds streams longer is held for 2.5 s.
pub const DRAIN_NS: u64 = 2_300_000_000;

/// A consumer that stops does so for a second at least; a workload that is blocked for this long was blocked by it.
pub const STALLED_NS: u64 = 500_000_000;

/// What a capturer of bounded memory may need; the experiments that try it write at least twice that.
pub const MEMORY_MAX_BYTES: u64 = 12 << 20;
