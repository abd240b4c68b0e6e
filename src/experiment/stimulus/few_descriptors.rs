//! The capturer has no descriptors left: RLIMIT_NOFILE allows hardly more than it has from the start.

use super::{Start, Stimulus};
use crate::sys;
use std::io;

/// The three standard streams, the live descriptor, and one more.
const DESCRIPTORS: u64 = 5;

pub(crate) static FEW_DESCRIPTORS: FewDescriptors = FewDescriptors;

pub(crate) struct FewDescriptors;

impl Stimulus for FewDescriptors {
    fn name(&self) -> &'static str {
        "few-descriptors"
    }

    fn summary(&self) -> &'static str {
        "the capturer may have at most 5 descriptors (RLIMIT_NOFILE)"
    }

    fn may_be_refused(&self) -> bool {
        true
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        sys::limit_in_child(start.command, sys::Limit::Descriptors, DESCRIPTORS);
        Ok(())
    }
}
