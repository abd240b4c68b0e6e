//! The facts about this host that `doctor` prints and the runtimes depend on.

use rustix::fs::statfs;
use serde::{Deserialize, Serialize};
use std::fs;

/// The f_type of cgroup2 (statfs(2)).
const CGROUP2_MAGIC: i64 = 0x6367_7270;

/// How the cgroup hierarchies are mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupMode {
    /// cgroup v1 only.
    V1,
    /// cgroup v2 only.
    V2,
    /// cgroup v1 controllers, and cgroup v2 beside them.
    Hybrid,
    /// Nothing is mounted on `/sys/fs/cgroup`.
    None,
}

/// How this host mounts the cgroup hierarchies.
pub fn cgroup_mode() -> CgroupMode {
    let is_v2 = |path: &str| statfs(path).is_ok_and(|found| found.f_type == CGROUP2_MAGIC);
    if is_v2("/sys/fs/cgroup") {
        CgroupMode::V2
    } else if is_v2("/sys/fs/cgroup/unified") {
        CgroupMode::Hybrid
    } else if fs::metadata("/sys/fs/cgroup/memory").is_ok() || fs::metadata("/sys/fs/cgroup/cpu").is_ok() {
        CgroupMode::V1
    } else {
        CgroupMode::None
    }
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The machine on which a report was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Machine {
    /// `uname -sr`.
    pub kernel: String,
    /// The CPU's model.
    pub cpu: String,
    /// The number of CPUs that this process may use.
    pub cpus: usize,
    /// v1, v2, hybrid or none.
    pub cgroup: String,
    /// Whether the harness ran as root.
    pub root: bool,
    /// The largest pipe that an unprivileged user may make (proc_sys_fs(5)), in bytes.
    pub pipe_max_size_bytes: Option<u64>,
    /// The number of user namespaces that a user may make.
    pub user_namespaces_max: Option<u64>,
}

/// Describes this machine.
pub fn this() -> Machine {
    let uname = rustix::system::uname();
    let (system, release) = (uname.sysname().to_string_lossy(), uname.release().to_string_lossy());
    Machine {
        kernel: format!("{system} {release}"),
        cpu: cpu_model().unwrap_or_else(|| "unknown".to_owned()),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        cgroup: format!("{:?}", cgroup_mode()).to_lowercase(),
        root: is_root(),
        pipe_max_size_bytes: number("/proc/sys/fs/pipe-max-size"),
        user_namespaces_max: number("/proc/sys/user/max_user_namespaces"),
    }
}

/// The load averages of the last 1, 5 and 15 minutes, as the kernel prints them.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// How much CPU time all CPUs together have used, in ns: everything but idle and waiting, the time that the hypervisor gave
/// to others included (proc_stat(5)).
pub fn busy_ns() -> u64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, (idle, iowait), irq, softirq, steal. Guests count as user already.
    let busy = [0, 1, 2, 5, 6, 7].iter().filter_map(|&at| ticks.get(at)).sum::<u64>();
    busy * 1_000_000_000 / rustix::param::clock_ticks_per_second()
}

/// How many processes the kernel has killed for want of memory since it booted (/proc/vmstat).
pub fn oom_kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// How long tasks have waited for a CPU: the line `some` of /proc/pressure/cpu (PSI). Empty: this kernel has none.
pub fn cpu_pressure() -> String {
    let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn cpu_model() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The number in a file of the kernel. None: there is no such file, or it holds something else.
pub fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The command with which root allows users to make user namespaces. None: nothing is known to forbid them.
pub fn user_namespaces_command() -> Option<&'static str> {
    // user.max_user_namespaces is described in namespaces(7); Debian and Ubuntu have one more setting each.
    let forbidding = [
        ("/proc/sys/user/max_user_namespaces", 0, "sysctl -w user.max_user_namespaces=15000"),
        ("/proc/sys/kernel/unprivileged_userns_clone", 0, "sysctl -w kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            1,
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
        ),
    ];
    let (.., command) = forbidding.into_iter().find(|(path, value, _)| number(path) == Some(*value))?;
    Some(command)
}

/// The command of this system's package manager that installs `package`. None: the package manager is not known.
pub fn install_command(package: &str) -> Option<String> {
    let managers = [
        ("/usr/bin/apt-get", "apt-get install -y"),
        ("/usr/bin/dnf", "dnf install -y"),
        ("/sbin/apk", "apk add"),
        ("/usr/bin/pacman", "pacman -S --noconfirm"),
        ("/usr/bin/zypper", "zypper install -y"),
    ];
    let (_, command) = managers.into_iter().find(|(path, _)| fs::metadata(path).is_ok())?;
    Some(format!("{command} {package}"))
}
