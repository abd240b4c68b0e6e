//! No runtime: the workload is a plain child of the capturer. The other runtimes are compared with this baseline.

use super::Runtime;

/// The baseline without a runtime.
pub(super) struct Bare;

impl Runtime for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    fn summary(&self) -> &'static str {
        "no runtime: the workload is a plain child of the capturer (the baseline)"
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
