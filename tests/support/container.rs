//! A container on a runtime that works, for tests that capture its output themselves.

use crate::support;
use crun_capture::bundle::Rootfs;
use crun_capture::runtime::{self, Found, Handle, Programs, Stage};
use crun_capture::scratch::Scratch;
use crun_capture::script::Script;
use libtest_mimic::Failed;
use std::time::Duration;

/// A container with everything that is made for it.
pub(crate) struct ReadyContainer {
    pub(crate) scratch: Scratch,
    pub(crate) found: Found,
    pub(crate) stage: Stage,
    rootfs: Rootfs,
}

impl ReadyContainer {
    pub(crate) fn new(runtime_name: &str, script: &Script) -> Result<ReadyContainer, Failed> {
        let scratch = Scratch::create()?;
        let family = scratch.family();
        let program = support::program("CARGO_BIN_EXE_crun-capture", env!("CARGO_BIN_EXE_crun-capture"));
        let programs = Programs::beside(&program, scratch.disk())?;
        let kind = runtime::ALL.iter().copied().find(|one| one.name() == runtime_name).ok_or("no such runtime")?;
        let found = runtime::find(kind, None, None, &programs, &family).map_err(|unusable| unusable.reason)?;
        let rootfs = Rootfs::create(scratch.disk().join("rootfs"), &programs.emit)?;
        let stage = Stage::prepare(&found, scratch.parents(), &family, &rootfs, script)?;
        Ok(ReadyContainer { scratch, found, stage, rootfs })
    }

    /// Removes everything. The container must have ended. A detached runtime still has its state then, and its cgroup.
    pub(crate) fn close(self) -> Result<(), Failed> {
        if let Some(handle) = self.stage.handle(&self.found).filter(Handle::has_state) {
            handle.stop(&self.scratch.family(), Duration::ZERO);
        }
        self.stage.remove(&self.found)?;
        drop(self.rootfs);
        Ok(self.scratch.close()?)
    }
}
