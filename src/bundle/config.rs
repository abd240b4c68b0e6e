//! config.json: the minimum that runs the workload.

use super::{Contents, EMIT, EXCHANGE_MOUNT, Flaw, PIDS_MAX};
use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxBuilder, LinuxCapabilitiesBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder,
    LinuxResources, LinuxResourcesBuilder, Mount, MountBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
    ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};
use std::collections::HashSet;
use std::io;

/// The options with which directories of the host are bound in.
pub(super) const HOST_OPTIONS: [&str; 4] = ["rbind", "ro", "nosuid", "nodev"];

/// The bytes of config.json.
pub(super) fn json(contents: &Contents<'_>) -> io::Result<Vec<u8>> {
    let spec = spec(contents).map_err(io::Error::other)?;
    Ok(serde_json::to_vec_pretty(&spec)?)
}

/// A configuration with no capabilities, no new privileges, a read-only root, and an empty network namespace of its
/// own. The container sees nothing of the host except `/exchange`.
fn spec(contents: &Contents<'_>) -> Result<Spec, OciSpecError> {
    let program = if contents.flaw == Flaw::ExecutableNotFound { "/no-such-program" } else { EMIT };
    let none = HashSet::new();
    let capabilities = LinuxCapabilitiesBuilder::default()
        .bounding(none.clone())
        .effective(none.clone())
        .inheritable(none.clone())
        .permitted(none.clone())
        .ambient(none)
        .build()?;
    let process = ProcessBuilder::default()
        .terminal(false)
        .user(UserBuilder::default().uid(0_u32).gid(0_u32).build()?)
        .args([program, EXCHANGE_MOUNT].map(str::to_owned).to_vec())
        .env(environment(contents))
        .cwd("/")
        .no_new_privileges(true)
        .rlimits(vec![most_processes()?])
        .capabilities(capabilities)
        .build()?;
    let rootfs = match contents.flaw {
        Flaw::MissingRootfs => contents.rootfs.path().join("no-such-rootfs"),
        _ => contents.rootfs.path().to_owned(),
    };
    let mut linux = LinuxBuilder::default().namespaces(namespaces(contents.pid_namespace)?).build()?;
    // Rootless containers get no cgroup here, and runc refuses a limit that it cannot set.
    linux.set_resources(if contents.user_namespace { None } else { Some(resources()?) });
    linux.set_masked_paths(None);
    linux.set_readonly_paths(None);
    let mut spec = SpecBuilder::default()
        .version("1.0.2")
        .root(RootBuilder::default().path(rootfs).readonly(true).build()?)
        .process(process)
        .hostname("crun-capture")
        .mounts(mounts(contents)?)
        .linux(linux)
        .build()?;
    spec.set_annotations(None);
    Ok(spec)
}

fn resources() -> Result<LinuxResources, OciSpecError> {
    let pids = LinuxPidsBuilder::default().limit(PIDS_MAX).build()?;
    LinuxResourcesBuilder::default().pids(pids).build()
}

/// The limit of processes for a user without privileges. It does not apply to root.
fn most_processes() -> Result<PosixRlimit, OciSpecError> {
    let most = u64::from(PIDS_MAX);
    PosixRlimitBuilder::default().typ(PosixRlimitType::RlimitNproc).hard(most).soft(most).build()
}

/// The environment of the container. PATH is always there, because youki does not start a container without it.
fn environment(contents: &Contents<'_>) -> Vec<String> {
    std::iter::once("PATH=/".to_owned()).chain(contents.environment.iter().cloned()).collect()
}

fn namespaces(pid: bool) -> Result<Vec<oci_spec::runtime::LinuxNamespace>, OciSpecError> {
    use LinuxNamespaceType::{Ipc, Mount, Network, Pid, Uts};
    let all = [Network, Ipc, Uts, Mount].into_iter().chain(pid.then_some(Pid));
    all.map(|typ| LinuxNamespaceBuilder::default().typ(typ).build()).collect()
}

fn mounts(contents: &Contents<'_>) -> Result<Vec<Mount>, OciSpecError> {
    let options = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let proc = MountBuilder::default().destination("/proc");
    // Only the owner of a pid namespace may mount its proc. A container in a user namespace without a pid namespace of
    // its own sees the host's processes anyway, so it gets the host's /proc, as with `podman run --pid=host`.
    let proc = if contents.pid_namespace || !contents.user_namespace {
        proc.typ("proc").source("proc").build()?
    } else {
        proc.typ("bind").source("/proc").options(options(&["rbind", "nosuid", "nodev", "noexec"])).build()?
    };
    let mut mounts = vec![proc];
    mounts.extend([
        // Without this mount the runtime makes its device nodes in the rootfs, on the host.
        MountBuilder::default()
            .destination("/dev")
            .typ("tmpfs")
            .source("tmpfs")
            .options(options(&["nosuid", "noexec", "mode=755", "size=65536k"]))
            .build()?,
        MountBuilder::default()
            .destination(EXCHANGE_MOUNT)
            .typ("bind")
            .source(contents.exchange)
            .options(options(&["bind", "rw", "nosuid", "nodev", "noexec"]))
            .build()?,
    ]);
    Ok(mounts)
}
