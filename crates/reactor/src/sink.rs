//! Who receives what is captured.

use crate::stream::{Delivered, Delivery};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Receives deliveries. Implement it for your own consumer.
///
/// A reactor owns one sink per capture, calls it on its own thread, and drops it when the capture has ended. The order
/// of the calls is the order of arrival. While a method of a sink blocks, its reactor reads nothing, the pipes of all
/// its captures fill, and their commands wait.
///
/// A sink must not panic. A panic passes through [`Reactor::next`](crate::Reactor::next) to its caller, and what the
/// capture has read by then may be lost without a note. After such a panic, drop the reactor.
pub trait Sink: Send {
    /// Receives one delivery. The sink may keep it in a buffer until `flush`.
    ///
    /// # Errors
    /// Return an error when the consumer is gone. The capture then delivers nothing more, goes on reading the streams
    /// so that the command does not block, and reports this error in its outcome.
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()>;

    /// Passes on everything that was received. A strategy calls it before it waits for more input, so that no line
    /// stays in a buffer while nothing happens.
    ///
    /// # Errors
    /// As for `deliver`.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        (**self).deliver(delivery)
    }

    fn flush(&mut self) -> io::Result<()> {
        (**self).flush()
    }
}

/// Keeps all deliveries in memory. A clone is another handle to the same deliveries: give one to the reactor, keep one.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Vec<Delivered>>>);

impl Memory {
    /// How many deliveries have arrived since the last `take`.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes the deliveries out, in the order of their arrival.
    pub fn take(&self) -> Vec<Delivered> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sink for Memory {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Delivered::from(delivery));
        Ok(())
    }
}
