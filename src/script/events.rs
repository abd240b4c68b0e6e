//! The events that a workload reports to the harness while it plays: one byte each, through a FIFO in its directory.
//!
//! They are the barriers for whatever is done to a run from outside. If nobody reads the FIFO, the workload reports
//! nothing.

/// The name of the FIFO.
pub const FIFO: &str = "events";

/// The workload is about to wait at its next gate.
pub const AT_GATE: u8 = b'g';

/// The workload has played its last step, and has written everything.
pub const PLAYED: u8 = b'p';
