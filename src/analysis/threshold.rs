//! The thresholds that rules and claims share: from which value on a finding means something.

/// If less than this fraction of a paced script is delivered before the exit, it is delivered "at exit", and its latency
/// is not compared.
pub const LIVE_FRACTION: f64 = 0.5;

/// A line that arrives so soon after its write was delivered live, even if the program ended meanwhile.
pub const SOON_NS: u64 = 20_000_000;

/// A live capturer delivers at least this fraction of a paced script before the exit, or soon after the write.
pub const LIVE_MIN: f64 = 0.8;

/// A capturer drains for at most 2 s after the exit, like Nomad's processOutputCloseTolerance. The rest is for a busy
/// machine. Cases that hold the streams longer hold them for up to 2.5 s.
pub const DRAIN_NS: u64 = 2_300_000_000;

/// Where nothing holds the streams, a capturer has little left to read when the program ends, and nothing to wait for. On a
/// calm machine crun and the slowest take 350 ms; the rest is for a busy one.
pub const END_NS: u64 = 1_500_000_000;

/// A consumer that stops, stops for at least 1 s. A workload that is blocked for this long was blocked by the consumer.
pub const STALLED_NS: u64 = 500_000_000;

/// How much the memory of a capturer with bounded memory may grow, while the program writes at least twice as much. What a
/// capturer needs from the start (a runtime of its language, a large buffer) is not held against it.
pub const MEMORY_GROWTH_MAX_BYTES: u64 = 8 << 20;
