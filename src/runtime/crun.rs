//! crun: in the foreground it hands its own descriptors to the container, and waits for it.

use super::Runtime;

/// crun, in the foreground as the spike runs it, or detached.
pub(super) struct Crun {
    pub(super) detached: bool,
}

impl Runtime for Crun {
    fn name(&self) -> &'static str {
        if self.detached { "crun-detached" } else { "crun" }
    }

    fn summary(&self) -> &'static str {
        if self.detached {
            "crun run --detach, its container waited for by a subreaper"
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

    /// crun 1.8.1: "cgroups in hybrid mode not supported, drop all controllers from cgroupv2".
    fn needs_cgroup_view(&self) -> bool {
        true
    }

    /// crun 1.8.1: it fails after the container has started, and forgets it. Detached, it is the front that has no pid then.
    fn runs_on_without_pid_file(&self) -> bool {
        !self.detached
    }

    /// No cgroup is wanted, and none is left behind.
    fn global_options(&self) -> &'static [&'static str] {
        &["--cgroup-manager=disabled"]
    }
}
