//! Tests a runtime with one container, and tells why it does not work here.

use super::{Found, Handle, Parents, Stage, Unusable};
use crate::bundle::Rootfs;
use crate::machine;
use crate::phase::{Phase, reached};
use crate::process::{Family, VERB_DEADLINE};
use crate::script::{End, Script, Step};
use std::fs;
use std::io;
use std::process::{Command, Output};
use std::time::Duration;

/// How long the container that tests a runtime lives. With one that ends at once the runtime may lose a race of its own
/// (youki 0.7.0 hangs), and the harness would give up the whole runtime.
const PROBE: Duration = Duration::from_millis(30);

/// Runs one container that does nothing, to find out whether the runtime works here. Blocks for at most VERB_DEADLINE.
/// If a container is left then, it also blocks until that is stopped (see [`Handle::stop`]).
///
/// # Errors
/// The runtime does not work. The reason is in the runtime's own words.
pub fn probe(found: &Found, parents: Parents<'_>, family: &Family) -> Result<(), Unusable> {
    let command = machine::user_namespaces_command().map(|command| format!("{command} (as root)"));
    let without_privileges = || command.unwrap_or_else(|| "run crun-capture as root".to_owned());
    let mend = if found.mode.rootless { without_privileges() } else { String::new() };
    let failed = |reason: String| Unusable { reason, mend: mend.clone() };
    if !found.runtime.is_oci() {
        return Ok(());
    }
    let output = run_probe(found, parents, family);
    let (output, log) = output.map_err(|error| failed(format!("cannot start a container: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    // youki reports this in its log only, runc and crun also on stderr.
    let text = String::from_utf8_lossy(&output.stderr);
    let said = text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
    let said = said.or_else(|| super::errors_in_log(&log).into_iter().next());
    let words = said.unwrap_or_else(|| "the runtime gives no reason".to_owned());
    Err(failed(format!("a container does not start ({}): {words}", output.status)))
}

/// Runs that container. Returns how it ended, and the content of the runtime's log.
fn run_probe(found: &Found, parents: Parents<'_>, family: &Family) -> io::Result<(Output, String)> {
    let rootfs = Rootfs::create(parents.disk.join(format!("rootfs-{}", found.label)), &found.emit)?;
    let script = Script::new(0, End::Exit(0)).then(Step::Pause { duration_ns: PROBE.as_nanos() as u64 });
    let stage = Stage::prepare(found, parents, family, &rootfs, &script)?;
    let words = stage.words(found, false);
    let output = family.output(Command::new(&words[0]).args(&words[1..]), VERB_DEADLINE);
    reached(Phase::Probe);
    if let Some(handle) = stage.handle(found).filter(Handle::has_state) {
        handle.stop(family, Duration::ZERO);
    }
    let log = fs::read(stage.log()).unwrap_or_default();
    stage.remove(found)?;
    rootfs.remove()?;
    Ok((output?, String::from_utf8_lossy(&log).into_owned()))
}
