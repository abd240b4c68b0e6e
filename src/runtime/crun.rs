//! crun. In the foreground it hands its own descriptors to the container, and waits for it.

use super::Runtime;

/// crun, detached or in the foreground, where the spike runs it.
pub(super) struct Crun {
    pub(super) detached: bool,
}

impl Runtime for Crun {
    fn name(&self) -> &'static str {
        if self.detached { "crun-detached" } else { "crun" }
    }

    fn summary(&self) -> &'static str {
        if self.detached {
            "crun run --detach; a subreaper waits for its container"
        } else {
            "crun run in the foreground, as the spike does"
        }
    }

    fn by_default(&self) -> bool {
        !self.detached
    }

    fn program(&self) -> Option<&'static str> {
        Some("crun")
    }

    fn detached(&self) -> bool {
        self.detached
    }

    /// crun 1.8.1 on a hybrid host: "cgroups in hybrid mode not supported, drop all controllers from cgroupv2".
    fn needs_cgroup_view(&self) -> bool {
        true
    }

    /// crun 1.8.1 fails after the container has started, and forgets it. If detached, the harness's front process
    /// fails, because it has no pid to wait for.
    fn runs_on_without_pid_file(&self) -> bool {
        !self.detached
    }

    /// The container needs no cgroup, so none can be left behind.
    fn global_options(&self) -> &'static [&'static str] {
        &["--cgroup-manager=disabled"]
    }
}
