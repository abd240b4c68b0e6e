//! The limits of this host that are too low for the harness or for a way of capturing: of the user, of the kernel, of a
//! mount, of memory. A cell that fails because of one says nothing about its strategy.

use crate::machine::number;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{Resource, getrlimit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// A limit that is too low.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LowLimit {
    /// What is limited: `open files (RLIMIT_NOFILE)`.
    pub name: String,
    /// What there is of it, in words.
    pub has: String,
    /// Who needs how much, in words.
    pub needed: String,
    /// The command that raises it.
    pub mend: String,
    /// Whether it may make anything fail in any cell, and not only the start of a capture.
    pub spoils: bool,
}

impl LowLimit {
    /// In a sentence.
    pub fn words(&self) -> String {
        format!("{}: {}, but {}. To fix it: {}", self.name, self.has, self.needed, self.mend)
    }
}

/// A limit that is a number.
struct Number {
    name: &'static str,
    /// What there is of it. None: no limit, or none that could be read.
    read: fn() -> Option<u64>,
    /// The least that does.
    least: u64,
    needed: &'static str,
    mend: &'static str,
    spoils: bool,
}

/// All limits that are numbers.
const NUMBERS: &[Number] = &[
    Number {
        name: "open files (RLIMIT_NOFILE)",
        read: || getrlimit(Resource::Nofile).current,
        least: 1_024,
        needed: "the cells that run at once need up to 1024",
        mend: "ulimit -n 4096",
        spoils: true,
    },
    Number {
        name: "file size (RLIMIT_FSIZE)",
        read: || getrlimit(Resource::Fsize).current,
        least: 256 << 20,
        needed: "a capture writes files of up to 256 MiB",
        mend: "ulimit -f unlimited",
        spoils: true,
    },
    Number {
        name: "address space (RLIMIT_AS)",
        read: || getrlimit(Resource::As).current,
        least: 1 << 30,
        needed: "a capturer may map up to 1 GiB",
        mend: "ulimit -v unlimited",
        spoils: true,
    },
    Number {
        name: "processes left to this user (RLIMIT_NPROC)",
        read: processes_left,
        least: 512,
        needed: "the cells that run at once need up to 512",
        mend: "ulimit -u 4096",
        spoils: true,
    },
    Number {
        name: "processes left in this control group (pids.max)",
        read: || group("pids.max")?.checked_sub(group("pids.current")?),
        least: 512,
        needed: "the cells that run at once need up to 512",
        mend: "raise the limit of the service or container in which this runs (docker run --pids-limit=-1)",
        spoils: true,
    },
    Number {
        name: "memory of this control group (memory.max)",
        read: || group("memory.max").or_else(|| group("memory.limit_in_bytes")),
        least: 512 << 20,
        needed: "a run needs up to 512 MiB",
        mend: "raise the limit of the service or container in which this runs (docker run --memory=2g)",
        spoils: true,
    },
    Number {
        name: "free memory (MemAvailable)",
        read: memory_available,
        least: 512 << 20,
        needed: "a run needs up to 512 MiB",
        mend: "end other programs, or use a machine with more memory",
        spoils: true,
    },
    Number {
        name: "inotify instances of a user (fs.inotify.max_user_instances)",
        read: || number("/proc/sys/fs/inotify/max_user_instances"),
        least: 64,
        needed: "each capture with the strategy follow needs one",
        mend: "sysctl -w fs.inotify.max_user_instances=128",
        spoils: false,
    },
    Number {
        name: "file leases (fs.leases-enable)",
        read: || number("/proc/sys/fs/leases-enable"),
        least: 1,
        needed: "the strategy follow learns by one that nobody writes any more",
        mend: "sysctl -w fs.leases-enable=1",
        spoils: false,
    },
    Number {
        name: "pseudo-terminals left (kernel.pty.max)",
        read: || number("/proc/sys/kernel/pty/max")?.checked_sub(number("/proc/sys/kernel/pty/nr")?),
        least: 32,
        needed: "each capture with the strategy pty needs one",
        mend: "sysctl -w kernel.pty.max=4096",
        spoils: false,
    },
    Number {
        name: "send buffer of a socket (net.core.wmem_default)",
        read: || number("/proc/sys/net/core/wmem_default"),
        least: 200 << 10,
        needed: "with the strategy sequenced a program writes up to 200 KiB at once",
        mend: "sysctl -w net.core.wmem_default=212992",
        spoils: false,
    },
    Number {
        name: "pipe size (fs.pipe-max-size)",
        read: || number("/proc/sys/fs/pipe-max-size"),
        least: 1 << 20,
        needed: "the harness reads through pipes of 1 MiB",
        mend: "sysctl -w fs.pipe-max-size=1048576",
        spoils: false,
    },
];

/// All limits that are too low here. `places`: the directories in which the run keeps its files.
pub fn low(places: &[&Path]) -> Vec<LowLimit> {
    let numbers = NUMBERS.iter().filter_map(|one| {
        let has = (one.read)()?;
        low_number(one, has)
    });
    numbers.chain(places.iter().flat_map(|place| of_mount(place))).collect()
}

fn low_number(one: &Number, has: u64) -> Option<LowLimit> {
    (has < one.least).then(|| LowLimit {
        name: one.name.to_owned(),
        has: has.to_string(),
        needed: one.needed.to_owned(),
        mend: one.mend.to_owned(),
        spoils: one.spoils,
    })
}

/// The room that a run takes in each of its directories.
const ROOM_BYTES: u64 = 256 << 20;

/// What is wrong with the mount of a directory.
fn of_mount(place: &Path) -> Vec<LowLimit> {
    let Ok(found) = statvfs(place) else { return Vec::new() };
    let limit = |name: &str, has: String, needed: &str| LowLimit {
        name: format!("{name} {}", place.display()),
        has,
        needed: needed.to_owned(),
        mend: "set TMPDIR, or --output, to a directory on another file system".to_owned(),
        spoils: true,
    };
    let free = found.f_bavail * found.f_frsize;
    let flag = |flag| found.f_flag.contains(flag);
    let room =
        (free < ROOM_BYTES).then(|| limit("room in", format!("{free} bytes"), "a run writes up to 256 MiB there"));
    let inodes = (found.f_files > 0 && found.f_favail < 10_000)
        .then(|| limit("inodes in", found.f_favail.to_string(), "a run makes up to 10000 files there"));
    let exec = flag(StatVfsMountFlags::NOEXEC)
        .then(|| limit("the mount of", "noexec".to_owned(), "the containers' programs are there"));
    [room, inodes, exec].into_iter().flatten().collect()
}

/// How many more processes this user may start. None: as many as there is room for, as for root (setrlimit(2)).
fn processes_left() -> Option<u64> {
    let user = rustix::process::getuid();
    let limit = getrlimit(Resource::Nproc);
    if user.is_root() {
        // It does not hold for root, but a container gets one of its own, which cannot be higher.
        return limit.maximum;
    }
    let most = limit.current?;
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let of_user = entries.filter(|entry| {
        use std::os::unix::fs::MetadataExt;
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        is_process && entry.metadata().is_ok_and(|found| found.uid() == user.as_raw())
    });
    Some(most.saturating_sub(of_user.count() as u64))
}

/// A number in a file of this process's own control group (cgroups(7)). None: no limit, or no such file.
fn group(file: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let controller = file.split('.').next()?;
    text.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let mount = match controllers {
            "" => Path::new("/sys/fs/cgroup").to_owned(),
            several if several.split(',').any(|one| one == controller) => Path::new("/sys/fs/cgroup").join(several),
            _ => return None,
        };
        number(mount.join(path.trim_start_matches('/')).join(file).to_str()?)
    })
}

fn memory_available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_low_just_below_what_is_needed_and_says_how_to_raise_it() {
        for one in NUMBERS {
            assert_eq!(low_number(one, one.least), None, "{}", one.name);
            let words = low_number(one, one.least - 1).unwrap().words();
            assert!(words.contains(one.mend) && words.contains(&(one.least - 1).to_string()), "{words}");
        }
    }

    #[test]
    fn a_mount_that_runs_no_programs_is_low() {
        // proc(5) is mounted with noexec where it matters, has no room, and no inodes to run out of.
        let found = of_mount(Path::new("/proc"));
        assert!(found.iter().any(|low| low.name == "room in /proc"), "{found:?}");
        assert!(of_mount(Path::new("/no/such/place")).is_empty());
    }
}
