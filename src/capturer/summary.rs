//! A capturer's own account of a capture: the last frame of the protocol, and `capture --summary`.

use crate::sink::count::Tally;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the JSON formats. It changes when a field changes its meaning or is removed.
pub const SCHEMA_VERSION: u32 = 2;

/// A capturer's account of a capture. A capturer of the user may leave out what it does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Summary {
    /// The version of this format.
    pub schema_version: u32,
    /// The capturer's name.
    pub strategy: String,
    /// The exit code of the command; 128 + n if signal n killed it.
    pub exit_code: Option<i32>,
    /// The signal that killed the command; null if there was none or the runtime hides it.
    pub signal: Option<i32>,
    /// The error in the runtime's own log; null if that is not known.
    pub runtime_error: Option<String>,
    /// What came from stdout.
    pub stdout: Tally,
    /// What came from stderr.
    pub stderr: Tally,
    /// What came from either stream, if the strategy cannot tell them apart.
    pub merged: Tally,
    /// The time from the start to the first delivery.
    pub first_delivery_ns: Option<u64>,
    /// The time from the start to the end of the capture.
    pub wall_ns: u64,
    /// The time from the end of the container's init to the report of it; null if the init is not watched.
    pub exit_latency_ns: Option<u64>,
    /// The time from the exit of the command to the last delivery; 0 if the delivery came first.
    pub drain_latency_ns: Option<u64>,
    /// Whether the capturer knows that it did not deliver everything.
    pub truncated: bool,
    /// CPU time of the capturer in user mode, without its children.
    pub cpu_user_ns: Option<u64>,
    /// CPU time of the capturer in the kernel.
    pub cpu_system_ns: Option<u64>,
    /// Peak resident set of the capturer.
    pub max_rss_bytes: Option<u64>,
    /// What went wrong.
    pub errors: Vec<String>,
    /// Deviations that lost nothing.
    pub notes: Vec<String>,
    /// When the capturer learned of the exit, in CLOCK_MONOTONIC ns.
    pub exit_at_ns: Option<u64>,
}
