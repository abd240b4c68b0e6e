//! config.json: the least that runs the workload.

use super::{CELL_MOUNT, EMIT, Flaw, PIDS_MAX, Plan};
use oci_spec::OciSpecError;
use oci_spec::runtime::{
    LinuxBuilder, LinuxCapabilitiesBuilder, LinuxNamespaceBuilder, LinuxNamespaceType, LinuxPidsBuilder,
    LinuxResources, LinuxResourcesBuilder, Mount, MountBuilder, PosixRlimit, PosixRlimitBuilder, PosixRlimitType,
    ProcessBuilder, RootBuilder, Spec, SpecBuilder, UserBuilder,
};
use std::collections::HashSet;
use std::io;

/// How directories of the host are bound in.
pub(super) const HOST_OPTIONS: [&str; 4] = ["rbind", "ro", "nosuid", "nodev"];

/// The file's bytes.
pub(super) fn json(plan: &Plan<'_>) -> io::Result<Vec<u8>> {
    let spec = spec(plan).map_err(io::Error::other)?;
    Ok(serde_json::to_vec_pretty(&spec)?)
}

/// No capabilities, no new privileges, a read-only root, an own empty network namespace; nothing of the host but `/cell`.
fn spec(plan: &Plan<'_>) -> Result<Spec, OciSpecError> {
    let program = if plan.flaw == Flaw::ExecutableNotFound { "/no-such-program" } else { EMIT };
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
        .args([program, CELL_MOUNT].map(str::to_owned).to_vec())
        .env(environment(plan))
        .cwd("/")
        .no_new_privileges(true)
        .rlimits(vec![most_processes()?])
        .capabilities(capabilities)
        .build()?;
    let rootfs = match plan.flaw {
        Flaw::MissingRootfs => plan.rootfs.path().join("no-such-rootfs"),
        _ => plan.rootfs.path().to_owned(),
    };
    let mut linux = LinuxBuilder::default().namespaces(namespaces(plan.pid_namespace)?).build()?;
    // Rootless there is no control group to be had, and runc refuses what it cannot do.
    linux.set_resources(if plan.user_namespace { None } else { Some(resources()?) });
    linux.set_masked_paths(None);
    linux.set_readonly_paths(None);
    let mut spec = SpecBuilder::default()
        .version("1.0.2")
        .root(RootBuilder::default().path(rootfs).readonly(true).build()?)
        .process(process)
        .hostname("crun-capture")
        .mounts(mounts(plan)?)
        .linux(linux)
        .build()?;
    spec.set_annotations(None);
    Ok(spec)
}

fn resources() -> Result<LinuxResources, OciSpecError> {
    let pids = LinuxPidsBuilder::default().limit(PIDS_MAX).build()?;
    LinuxResourcesBuilder::default().pids(pids).build()
}

/// The limit for a user without privileges; root has none of this kind.
fn most_processes() -> Result<PosixRlimit, OciSpecError> {
    let most = u64::from(PIDS_MAX);
    PosixRlimitBuilder::default().typ(PosixRlimitType::RlimitNproc).hard(most).soft(most).build()
}

/// youki does not start a container that has no PATH.
fn environment(plan: &Plan<'_>) -> Vec<String> {
    std::iter::once("PATH=/".to_owned()).chain(plan.environment.iter().cloned()).collect()
}

fn namespaces(pid: bool) -> Result<Vec<oci_spec::runtime::LinuxNamespace>, OciSpecError> {
    use LinuxNamespaceType::{Ipc, Mount, Network, Pid, Uts};
    let all = [Network, Ipc, Uts, Mount].into_iter().chain(pid.then_some(Pid));
    all.map(|typ| LinuxNamespaceBuilder::default().typ(typ).build()).collect()
}

fn mounts(plan: &Plan<'_>) -> Result<Vec<Mount>, OciSpecError> {
    let options = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let proc = MountBuilder::default().destination("/proc");
    // Only who owns the pid namespace may mount its proc. Without one of its own, a container in a user namespace sees
    // the host's processes anyway, and gets the host's /proc, as with `podman run --pid=host`.
    let proc = if plan.pid_namespace || !plan.user_namespace {
        proc.typ("proc").source("proc").build()?
    } else {
        proc.typ("bind").source("/proc").options(options(&["rbind", "nosuid", "nodev", "noexec"])).build()?
    };
    let mut mounts = vec![proc];
    mounts.extend([
        // Without it the runtime makes its device nodes in the rootfs, on the host.
        MountBuilder::default()
            .destination("/dev")
            .typ("tmpfs")
            .source("tmpfs")
            .options(options(&["nosuid", "noexec", "mode=755", "size=65536k"]))
            .build()?,
        MountBuilder::default()
            .destination(CELL_MOUNT)
            .typ("bind")
            .source(plan.cell)
            .options(options(&["bind", "rw", "nosuid", "nodev", "noexec"]))
            .build()?,
    ]);
    Ok(mounts)
}
