//! Keeps deliveries in memory, in the order in which they arrived.

use super::Sink;
use crate::stream::{Delivered, Delivery};
use std::io;
use std::sync::{Mutex, PoisonError};

/// Deliveries so far.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Vec<Delivered>>);

impl Memory {
    /// How many have arrived.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What arrived.
    pub fn into_deliveries(self) -> Vec<Delivered> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Memory {
    fn deliver(&self, delivery: &Delivery<'_>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Delivered {
            origin: delivery.origin,
            bytes: delivery.bytes.to_vec(),
            ending: delivery.ending,
            at_ns: delivery.at_ns,
        });
        Ok(())
    }
}
