//! Where deliveries go.

pub mod memory;

use crate::stream::Delivery;
use std::io;

/// A consumer of deliveries.
///
/// Its methods take `&self`, since a strategy may deliver from one thread per stream as well as from one event loop;
/// the order of the calls, as the sink serialises them, is the arrival order. A sink may block for as long as its
/// consumer does: a strategy that must not stall then has to buffer, and says so in its capabilities.
pub trait Sink: Sync {
    /// Takes one delivery. What it takes may wait in a buffer until `flush`.
    ///
    /// # Errors
    /// The consumer is gone. A strategy keeps draining all the same, and reports the first such error in its outcome.
    fn deliver(&self, delivery: &Delivery<'_>) -> io::Result<()>;

    /// Passes on what was taken. A strategy calls it before it waits for more input, so that nothing lags behind.
    ///
    /// # Errors
    /// As `deliver`.
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}
