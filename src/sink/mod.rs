//! Where deliveries go.

pub mod count;
pub mod frame;
pub mod live;
