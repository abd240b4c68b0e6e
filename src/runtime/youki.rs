//! youki, an OCI runtime in Rust. In the foreground it hands its own descriptors to the container, as crun does.

use super::Runtime;

/// youki, in the foreground or detached.
pub(super) struct Youki {
    pub(super) detached: bool,
}

impl Runtime for Youki {
    fn name(&self) -> &'static str {
        if self.detached { "youki-detached" } else { "youki" }
    }

    fn summary(&self) -> &'static str {
        if self.detached {
            "youki run --detach; a subreaper waits for its container"
        } else {
            "youki run in the foreground"
        }
    }

    fn program(&self) -> Option<&'static str> {
        Some("youki")
    }

    /// Few systems have a package of youki.
    fn install_command(&self) -> Option<String> {
        Some("cargo install youki --version 0.7.0 --locked --no-default-features --features v1,v2".to_owned())
    }

    fn detached(&self) -> bool {
        self.detached
    }

    fn limits_pids(&self) -> bool {
        true
    }

    /// youki's `main` returns -1.
    fn failure_code(&self) -> i32 {
        255
    }
}
