//! Ends a container and sees that it is gone.

use super::Found;
use crate::process::{Family, VERB_DEADLINE};
use std::path::Path;
use std::process::Command;

/// Kills the container `id`, where the runtime still knows it, and removes its state.
/// Returns what failed, in words; the verbs of a runtime are short, so nothing here waits for long.
pub fn kill_and_delete(found: &Found, family: &Family, state_root: &Path, id: &str) -> Vec<String> {
    if !found.runtime.is_oci() || !state_root.join(id).exists() {
        return Vec::new();
    }
    // A number, since crun 1.8.1 answers a name it does not know with 0 and does nothing. A container that has
    // stopped cannot be killed, which is no failure here; `delete -f` is what counts.
    let _already_stopped = verb(found, family, state_root, &["kill", id, "9"]);
    let deleted = verb(found, family, state_root, &["delete", "-f", id]);
    // A foreground runtime removes the state too when its container has ended, and may have been faster.
    if !state_root.join(id).exists() {
        return Vec::new();
    }
    let left = format!("the state of container {id} is still in {}", state_root.display());
    deleted.err().into_iter().chain([left]).collect()
}

fn verb(found: &Found, family: &Family, state_root: &Path, arguments: &[&str]) -> Result<(), String> {
    let command = found.verb_command(state_root, arguments);
    let output = family.output(Command::new(&command[0]).args(&command[1..]), VERB_DEADLINE);
    let output = output.map_err(|error| format!("{}: {error}", arguments.join(" ")))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}: {}", arguments.join(" "), output.status, text.trim()))
}
