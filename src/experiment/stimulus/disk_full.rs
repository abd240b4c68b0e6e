//! The files are on a disk with room for 64 KiB: a small tmpfs, or RLIMIT_FSIZE where no mount is allowed.

use super::super::Conditions;
use super::{Start, Stimulus, writes_no_files};
use crate::files::{make_directory, with_path};
use crate::finding::Finding;
use crate::strategy::Capabilities;
use crate::sys;
use std::io;

/// The size of each disk, and so the limit of each file.
const ROOM_BYTES: u64 = 64 << 10;

pub(crate) static DISK_FULL: DiskFull = DiskFull;

pub(crate) struct DiskFull;

impl Stimulus for DiskFull {
    fn name(&self) -> &'static str {
        "disk-full"
    }

    fn summary(&self) -> &'static str {
        "the files are on a disk of 64 KiB (a tmpfs, or RLIMIT_FSIZE for a user without privileges)"
    }

    /// No file can take what the disk has no room for. The capturer must still report the loss.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[Finding::FileLostBytes, Finding::FileAlteredLines]
    }

    fn unsupported(&self, _place: Conditions, declares: Capabilities) -> Option<String> {
        writes_no_files(declares)
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        if !start.root {
            // SIGXFSZ would end the writer. When it is ignored, the write fails with EFBIG (setrlimit(2)).
            sys::ignore_in_child(start.command, libc::SIGXFSZ);
            sys::limit_in_child(start.command, sys::Limit::FileSize, ROOM_BYTES);
            return Ok(());
        }
        for (name, file) in ["disk-1", "disk-2"].into_iter().zip(start.files.iter_mut()) {
            let disk = start.scratch.join(name);
            make_directory(&disk)?;
            let options = std::ffi::CString::new(format!("size={ROOM_BYTES},mode=0700")).expect("it holds no NUL");
            let mounted =
                rustix::mount::mount("tmpfs", &disk, "tmpfs", rustix::mount::MountFlags::NODEV, options.as_c_str());
            mounted.map_err(|errno| with_path(&errno.into(), &disk))?;
            *file = disk.join("log");
        }
        Ok(())
    }
}
