//! `fake-crun`, the stand-in for crun. It comes with the harness and needs no root.

use super::Runtime;

/// The built-in fake runtime.
pub(super) struct Fake;

impl Runtime for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn summary(&self) -> &'static str {
        "fake-crun: crun's command line, messages and exit codes, for hosts without crun"
    }

    fn is_real(&self) -> bool {
        false
    }

    fn runs_on_without_pid_file(&self) -> bool {
        true
    }

    fn by_default(&self) -> bool {
        true
    }

    fn program(&self) -> Option<&'static str> {
        None
    }
}
