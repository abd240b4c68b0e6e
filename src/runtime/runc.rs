//! runc. In the foreground it gives the container pipes of its own and copies the streams, so it captures them too.

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
            "runc run --detach: it hands over the caller's descriptors; a subreaper waits for its container"
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
