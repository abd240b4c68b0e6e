//! Sinks, which take deliveries.

pub mod count;
pub mod frame;
pub mod live;
