//! No runtime: the workload as a plain child of the capturer. The floor that the others are held against.

use super::Runtime;

/// The floor.
pub(super) struct Bare;

impl Runtime for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn summary(&self) -> &'static str {
        "no runtime: the workload is a plain child of the capturer (the floor)"
    }

    fn is_real(&self) -> bool {
        false
    }

    fn program(&self) -> Option<&'static str> {
        None
    }

    fn is_oci(&self) -> bool {
        false
    }
}
