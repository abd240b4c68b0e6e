//! Where deliveries go.

pub mod count;
pub mod frame;
pub mod live;

pub use crun_capture_reactor::sink::{Sink, memory};
