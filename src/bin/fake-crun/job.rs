//! The job of `create` and `run`.

use std::fs;
use std::io;

use crate::args::{self, Global, Parsed};
use crate::bundle::{self, Bundle};
use crate::failure::{Failure, reason};
use crate::mode;

const FLAGS: &[(&str, Option<char>, bool)] = &[
    ("bundle", Some('b'), true),
    ("config", Some('f'), true),
    ("console-socket", None, true),
    ("pid-file", None, true),
    ("preserve-fds", None, true),
    // crun 1.8.1 accepts this flag, and is the subreaper anyway.
    ("no-subreaper", None, false),
    ("no-new-keyring", None, false),
    ("no-pivot", None, false),
    ("detach", Some('d'), false),
];

/// A container to be made, and how it was asked for.
pub(crate) struct Job<'a> {
    pub(crate) global: &'a Global,
    pub(crate) parsed: Parsed<'a>,
    pub(crate) id: String,
    pub(crate) config: String,
    pub(crate) bundle: Bundle,
    pub(crate) owner: String,
    /// Whether the init waits for `start`.
    pub(crate) waits: bool,
    /// Whether this process waits for the container.
    pub(crate) foreground: bool,
}

/// Reads the command line and the configuration.
pub(crate) fn prepare<'a>(global: &'a Global, verb: &str, words: &'a [String]) -> Result<Job<'a>, Failure> {
    let known = if verb == "run" { FLAGS } else { &FLAGS[..FLAGS.len() - 1] };
    let parsed = args::parse(verb, known, words)?;
    let id = parsed.id(verb, 1)?.to_owned();
    let foreground = verb == "run" && !parsed.has("detach");
    let config = config_path(parsed.value("config").unwrap_or("config.json"))?;
    let directory = parsed.value("bundle").unwrap_or(".");
    let bundle = fs::canonicalize(directory).map_err(|error| unreal(directory, &error))?;
    std::env::set_current_dir(bundle)
        .map_err(|error| Failure::new(format!("chdir `{directory}` failed: {}", reason(&error))))?;
    let bundle = bundle::load(&config)?;
    Ok(Job { global, parsed, id, config, bundle, owner: mode::caller(), waits: verb == "create", foreground })
}

/// The path of the configuration file. A given name is relative to the caller's directory, not to the bundle.
fn config_path(given: &str) -> Result<String, Failure> {
    if given == "config.json" {
        return Ok(given.to_owned());
    }
    let path = fs::canonicalize(given).map_err(|error| unreal(given, &error))?;
    Ok(path.to_string_lossy().into_owned())
}

fn unreal(path: &str, error: &io::Error) -> Failure {
    Failure::new(format!("realpath `{path}` failed: {}", reason(error)))
}
