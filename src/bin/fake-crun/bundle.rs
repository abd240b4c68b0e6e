//! The container's configuration: `config.json`, as far as this runtime heeds it, with crun's complaints about it.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::failure::{Failure, reason};

const NAMESPACES: &[&str] = &["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];

/// What the container is to be.
pub(crate) struct Bundle {
    /// What is wrong with it that crun finds only when it sets the container up.
    pub(crate) wrong: Option<String>,
    pub(crate) oci_version: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) terminal: bool,
    pub(crate) no_new_privileges: bool,
    pub(crate) keeps_capabilities: bool,
    pub(crate) root: String,
    pub(crate) readonly: bool,
    pub(crate) hostname: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    namespaces: Vec<String>,
}

/// One entry of `mounts`.
pub(crate) struct Mount {
    pub(crate) destination: String,
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) options: Vec<String>,
}

impl Mount {
    /// Whether it shows a file or directory of the host.
    pub(crate) fn is_bind(&self) -> bool {
        self.kind == "bind" || self.options.iter().any(|option| option == "bind" || option == "rbind")
    }
}

impl Bundle {
    /// Whether the configuration asks for a new namespace of this kind.
    pub(crate) fn has(&self, namespace: &str) -> bool {
        self.namespaces.iter().any(|name| name == namespace)
    }
}

/// Reads a configuration file.
pub(crate) fn load(path: &str) -> Result<Bundle, Failure> {
    let text =
        fs::read(Path::new(path)).map_err(|_| Failure::new(format!("load `{path}`: cannot read the file: {path}")))?;
    let value: Value = serde_json::from_slice(&text)
        .map_err(|error| Failure::new(format!("load `{path}`: cannot parse the data: {}", complaint(&error, &text))))?;
    required(path, &value)?;
    Ok(from_value(&value))
}

/// The three lines that crun's JSON parser would print; the place is not reckoned as it does.
fn complaint(error: &serde_json::Error, text: &[u8]) -> String {
    let (kind, line) = if error.is_eof() {
        ("parse error: premature EOF", String::new())
    } else {
        let line = String::from_utf8_lossy(text).lines().nth(error.line().max(1) - 1).unwrap_or_default().to_owned();
        ("lexical error: invalid string in json text.", line)
    };
    let (indent, arrow) =
        (" ".repeat(if error.is_eof() { 39 } else { 40 }), "                     (right here) ------^\n");
    format!("{kind}\n{indent}{line}\n{arrow}")
}

/// The fields without which crun does not even look at the rest.
fn required(path: &str, value: &Value) -> Result<(), Failure> {
    let missing = |field: &str| Err(Failure::new(format!("load `{path}`: Required field '{field}' not present")));
    if value["ociVersion"].as_str().is_none() {
        return missing("ociVersion");
    }
    if value["process"].is_object() && value["process"]["cwd"].as_str().is_none() {
        return missing("cwd");
    }
    Ok(())
}

fn from_value(value: &Value) -> Bundle {
    let (process, root) = (&value["process"], &value["root"]);
    let bundle = Bundle {
        wrong: None,
        oci_version: text(&value["ociVersion"]),
        args: texts(&process["args"]),
        env: texts(&process["env"]),
        cwd: text(&process["cwd"]),
        uid: number(&process["user"]["uid"]),
        gid: number(&process["user"]["gid"]),
        terminal: process["terminal"].as_bool().unwrap_or(false),
        no_new_privileges: process["noNewPrivileges"].as_bool().unwrap_or(false),
        keeps_capabilities: !texts(&process["capabilities"]["bounding"]).is_empty(),
        root: text(&root["path"]),
        readonly: root["readonly"].as_bool().unwrap_or(false),
        hostname: value["hostname"].as_str().map(str::to_owned),
        mounts: value["mounts"].as_array().into_iter().flatten().map(mount).collect(),
        namespaces: value["linux"]["namespaces"].as_array().into_iter().flatten().map(|n| text(&n["type"])).collect(),
    };
    Bundle { wrong: wrong(value, &bundle), ..bundle }
}

/// What crun finds wrong only when it sets the container up, in its words.
fn wrong(value: &Value, bundle: &Bundle) -> Option<String> {
    if !bundle.oci_version.contains("1.0") {
        return Some("unknown version specified".to_owned());
    }
    if !value["root"].is_object() {
        return Some("invalid config file, no 'root' block specified".to_owned());
    }
    if let Some(name) = bundle.namespaces.iter().find(|name| !NAMESPACES.contains(&name.as_str())) {
        return Some(format!("invalid namespace type: `{name}`"));
    }
    if !value["process"]["args"].is_array() {
        return Some("executable path not specified".to_owned());
    }
    let missing = fs::metadata(&bundle.root).err();
    missing.map(|error| format!("make `{}` private: {}", bundle.root, reason(&error)))
}

fn mount(value: &Value) -> Mount {
    Mount {
        destination: text(&value["destination"]),
        kind: text(&value["type"]),
        source: text(&value["source"]),
        options: texts(&value["options"]),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}
