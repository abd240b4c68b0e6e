//! A capturer's own account of a capture: the last frame of the protocol, and `capture --summary`.

use crate::sink::count::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the JSON formats. It changes when a field changes its meaning or is removed.
pub const SCHEMA_VERSION: u32 = 1;

/// What a capturer says of a capture. A capturer of another make may leave out what it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Summary {
    /// The version of this format.
    pub schema_version: u32,
    /// The capturer's name.
    pub strategy: String,
    /// What the command exited with; 128 + n where a signal n killed it.
    pub exit_code: Option<i32>,
    /// The signal that killed the command; null where there was none or the runtime hides it.
    pub signal: Option<i32>,
    /// What the runtime's own log says went wrong; null where that is not known.
    pub runtime_error: Option<String>,
    /// What came from stdout.
    pub stdout: Tally,
    /// What came from stderr.
    pub stderr: Tally,
    /// What came from either, where the strategy cannot tell.
    pub merged: Tally,
    /// From the start to the first delivery.
    pub first_delivery_ns: Option<u64>,
    /// From the start to the end of the capture.
    pub wall_ns: u64,
    /// From the end of the container's init to the report of it; null where the init is not watched.
    pub exit_latency_ns: Option<u64>,
    /// From the exit of the command to the last delivery; 0 where that came before.
    pub drain_latency_ns: Option<u64>,
    /// Whether the capturer knows that it did not deliver everything.
    pub truncated: bool,
    /// CPU time of the capturer in user mode, its children not counted.
    pub cpu_user_ns: Option<u64>,
    /// CPU time of the capturer in the kernel.
    pub cpu_system_ns: Option<u64>,
    /// Peak resident set of the capturer.
    pub max_rss_bytes: Option<u64>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// What went otherwise than it might and lost nothing.
    pub notes: Vec<String>,
    /// When the capturer learned of the exit, CLOCK_MONOTONIC ns.
    pub exit_at_ns: Option<u64>,
}
