//! What a workload tells the harness while it plays: a byte each, through a FIFO in its directory.
//!
//! They are the barriers for what is done to a run from outside. Where nobody listens nothing is told.

/// The FIFO's name.
pub const FIFO: &str = "events";

/// It is about to wait at its next gate.
pub const AT_GATE: u8 = b'g';

/// It has played its last step, and everything is written.
pub const PLAYED: u8 = b'p';
