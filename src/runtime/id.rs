//! The ids of containers.

use std::sync::atomic::{AtomicU32, Ordering};

/// Makes a unique container id: `cc-RUN-NUMBER`.
pub fn new_id(run: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("cc-{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
