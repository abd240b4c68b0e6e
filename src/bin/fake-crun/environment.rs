//! The environment of the workload: that of the configuration, with crun's additions.

use std::path::Path;

use crate::bundle::Bundle;

/// Makes the environment as crun does. If a name is repeated, its last value counts. Entries without a value are
/// dropped. HOME is added: the user's home in the container's own /etc/passwd, or else `/`. `activated`: whether the
/// caller passes descriptors by LISTEN_FDS.
pub(crate) fn of(bundle: &Bundle, root: &Path, activated: bool) -> Vec<String> {
    let mut environment: Vec<String> = Vec::new();
    let added = activated.then(|| "LISTEN_PID=1".to_owned());
    let home = format!("HOME={}", home(bundle.uid, root).unwrap_or_else(|| "/".to_owned()));
    for entry in [home].into_iter().chain(bundle.env.iter().cloned()).chain(added) {
        let Some((name, _)) = entry.split_once('=') else {
            continue;
        };
        environment.retain(|known| known.split_once('=').is_none_or(|(other, _)| other != name));
        environment.push(entry);
    }
    environment
}

fn home(uid: u32, root: &Path) -> Option<String> {
    let users = std::fs::read_to_string(root.join("etc/passwd")).ok()?;
    let mut entries = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let entry = entries.find(|fields| fields.len() > 5 && fields[2] == uid.to_string())?;
    Some(entry[5].to_owned())
}
