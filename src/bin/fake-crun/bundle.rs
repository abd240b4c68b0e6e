//! The container's configuration: the parts of `config.json` that this runtime uses, with crun's complaints about them.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::failure::{Failure, reason};
use crate::fault::Faults;

const NAMESPACES: &[&str] = &["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"];

/// The configuration of a container.
pub(crate) struct Bundle {
    /// The error that crun finds before it makes anything.
    pub(crate) refused: Option<String>,
    /// The error that crun finds only when it sets the container up.
    pub(crate) wrong: Option<String>,
    pub(crate) faults: Faults,
    /// The program and its arguments. None: the configuration names no program.
    pub(crate) args: Option<Vec<String>>,
    pub(crate) env: Vec<String>,
    pub(crate) cwd: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) umask: u32,
    pub(crate) terminal: bool,
    pub(crate) no_new_privileges: bool,
    /// The resource limits: `RLIMIT_…`, soft, hard.
    pub(crate) rlimits: Vec<(String, u64, u64)>,
    pub(crate) keeps_capabilities: bool,
    pub(crate) root: String,
    pub(crate) readonly: bool,
    pub(crate) hostname: Option<String>,
    pub(crate) mounts: Vec<Mount>,
    /// The hooks of the kinds `prestart` and `createRuntime`.
    pub(crate) hooks: Vec<Hook>,
    namespaces: Vec<String>,
}

/// A hook: a program of the host.
pub(crate) struct Hook {
    pub(crate) path: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<String>,
}

/// One entry of `mounts`.
pub(crate) struct Mount {
    pub(crate) destination: String,
    pub(crate) kind: String,
    pub(crate) source: String,
    pub(crate) options: Vec<String>,
}

impl Mount {
    /// Whether it mounts a file or directory of the host.
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

/// The three lines that crun's JSON parser prints for a text that ends too early or is not JSON at all.
fn complaint(error: &serde_json::Error, text: &[u8]) -> String {
    // If the text ends too early, yajl is one byte into the space that it gets to make it finish.
    let (kind, offset) = if error.is_eof() {
        ("parse error: premature EOF", 1)
    } else {
        let lines = text.split_inclusive(|&byte| byte == b'\n').take(error.line().saturating_sub(1));
        let offset = lines.map(<[u8]>::len).sum::<usize>() + error.column().saturating_sub(1);
        // yajl takes a text that begins like `true`, `false` or `null` for a misspelled word.
        let kind = match text.get(offset) {
            Some(b't' | b'f' | b'n') => "lexical error: invalid string in json text.",
            _ => "lexical error: invalid char in json text.",
        };
        (kind, offset)
    };
    // Like yajl_render_error_string: 30 bytes before and after, with the position at column 40.
    let indent = " ".repeat(if offset < 30 { 40 - offset } else { 10 });
    let shown = &text[offset.saturating_sub(30).min(text.len())..(offset + 30).min(text.len())];
    let shown = String::from_utf8_lossy(shown).replace(['\n', '\r'], " ");
    format!("{kind}\n{indent}{shown}\n                     (right here) ------^\n")
}

/// Checks the fields without which crun does not read the rest.
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
    let (faults, mistaken) = match Faults::read(&value["annotations"]) {
        Ok(faults) => (faults, None),
        Err(failure) => (Faults::default(), Some(failure.text().to_owned())),
    };
    let bundle = Bundle {
        refused: refused(value).or(mistaken),
        wrong: None,
        faults,
        args: process["args"].is_array().then(|| texts(&process["args"])),
        env: texts(&process["env"]),
        cwd: text(&process["cwd"]),
        uid: number(&process["user"]["uid"]),
        gid: number(&process["user"]["gid"]),
        umask: process["user"]["umask"].as_u64().and_then(|mask| mask.try_into().ok()).unwrap_or(0o022),
        terminal: process["terminal"].as_bool().unwrap_or(false),
        no_new_privileges: process["noNewPrivileges"].as_bool().unwrap_or(false),
        rlimits: process["rlimits"].as_array().into_iter().flatten().map(rlimit).collect(),
        keeps_capabilities: !texts(&process["capabilities"]["bounding"]).is_empty(),
        root: text(&root["path"]),
        readonly: root["readonly"].as_bool().unwrap_or(false),
        hostname: value["hostname"].as_str().map(str::to_owned),
        mounts: value["mounts"].as_array().into_iter().flatten().map(mount).collect(),
        hooks: ["prestart", "createRuntime"].iter().flat_map(|kind| hooks(value, kind)).map(hook).collect(),
        namespaces: value["linux"]["namespaces"].as_array().into_iter().flatten().map(|n| text(&n["type"])).collect(),
    };
    Bundle { wrong: wrong(value, &bundle), ..bundle }
}

fn hooks<'a>(value: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    value["hooks"][kind].as_array().into_iter().flatten()
}

/// The hooks that are not run here. To skip them silently would be a difference from crun that nobody notices.
const UNKNOWN_HOOKS: &[&str] = &["createContainer", "startContainer", "poststart", "poststop"];

/// The error that crun finds before it makes the container's directory, in its words.
fn refused(value: &Value) -> Option<String> {
    if let Some(kind) = UNKNOWN_HOOKS.iter().find(|kind| hooks(value, kind).next().is_some()) {
        return Some(format!("fake-crun runs no hooks of the kind `{kind}`"));
    }
    if !text(&value["ociVersion"]).contains("1.0") {
        return Some("unknown version specified".to_owned());
    }
    let rootfs = value["root"].is_object();
    (!rootfs).then(|| "invalid config file, no 'root' block specified".to_owned())
}

/// The error that crun finds only when it sets the container up, in its words.
fn wrong(value: &Value, bundle: &Bundle) -> Option<String> {
    if let Some(name) = bundle.namespaces.iter().find(|name| !NAMESPACES.contains(&name.as_str())) {
        return Some(format!("invalid namespace type: `{name}`"));
    }
    if !value["process"].is_object() {
        return Some("internal error: max number of capabilities not initialized".to_owned());
    }
    let missing = fs::metadata(&bundle.root).err();
    missing.map(|error| format!("make `{}` private: {}", bundle.root, reason(&error)))
}

fn hook(value: &Value) -> Hook {
    Hook { path: text(&value["path"]), args: texts(&value["args"]), env: texts(&value["env"]) }
}

fn mount(value: &Value) -> Mount {
    Mount {
        destination: text(&value["destination"]),
        kind: text(&value["type"]),
        source: text(&value["source"]),
        options: texts(&value["options"]),
    }
}

fn rlimit(value: &Value) -> (String, u64, u64) {
    let limit = |name: &str| value[name].as_u64().unwrap_or(0);
    (text(&value["type"]), limit("soft"), limit("hard"))
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
