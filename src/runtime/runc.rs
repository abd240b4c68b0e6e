//! runc: in the foreground it gives the container pipes of its own and copies, so it is a capturer in the path.

use super::Runtime;

/// runc, in the foreground or detached.
pub(super) struct Runc {
    pub(super) detached: bool,
}

impl Runtime for Runc {
    fn name(&self) -> &'static str {
        if self.detached { "runc-detached" } else { "runc" }
    }

    fn summary(&self) -> &'static str {
        if self.detached {
            "runc run --detach, which hands over the caller's descriptors; waited for by a subreaper"
        } else {
            "runc run in the foreground: it copies the streams itself"
        }
    }

    fn program(&self) -> Option<&'static str> {
        Some("runc")
    }

    fn detached(&self) -> bool {
        self.detached
    }

    fn limits_pids(&self) -> bool {
        true
    }
}
