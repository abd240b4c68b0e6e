//! The command line: flags before the command, flags of the command, then operands. The first operand ends the flags.

use std::fs::File;
use std::path::PathBuf;

use rustix::io::FdFlags;

use crate::failure::{Failure, Log};

/// A flag: its long name, its letter, and whether a value follows.
type Flag = (&'static str, Option<char>, bool);

const GLOBAL: &[Flag] = &[
    ("root", None, true),
    ("log", None, true),
    ("log-format", None, true),
    ("cgroup-manager", None, true),
    ("rootless", None, true),
    ("debug", None, false),
    ("systemd-cgroup", None, false),
    ("version", Some('v'), false),
    ("version", Some('V'), false),
];

/// The flags given before the command.
pub(crate) struct Global {
    pub(crate) root: PathBuf,
    pub(crate) version: bool,
    /// Whether there is no cgroup through which all processes of a container could be reached.
    pub(crate) without_cgroup: bool,
    log: Option<String>,
    log_format: Option<String>,
}

/// The words after a command: its flags with their values, and its operands.
pub(crate) struct Parsed<'a> {
    flags: Vec<(&'static str, String)>,
    pub(crate) operands: &'a [String],
}

impl Parsed<'_> {
    /// The value of a flag. If the flag is repeated, the last one wins.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.last_of(&[name])
    }

    /// The value of the last one of these flags.
    fn last_of(&self, names: &[&str]) -> Option<&str> {
        self.flags.iter().rev().find(|(flag, _)| names.contains(flag)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// The ID, which is required. There may be at most `most` operands in all.
    pub(crate) fn id(&self, verb: &str, most: usize) -> Result<&str, Failure> {
        let Some(id) = self.operands.first() else {
            return Err(Failure::new("please specify a ID for the container"));
        };
        self.at_most(verb, most)?;
        Ok(id)
    }

    /// Refuses more than `most` operands.
    pub(crate) fn at_most(&self, verb: &str, most: usize) -> Result<(), Failure> {
        if self.operands.len() > most {
            return Err(Failure::new(format!("crun: `{verb}` requires a maximum of {most} arguments")));
        }
        Ok(())
    }
}

/// Reads the flags that precede the command.
pub(crate) fn global(words: &[String]) -> Result<(Global, &[String]), Failure> {
    let parsed = parse("crun", GLOBAL, words)?;
    let owned = |name| parsed.value(name).map(str::to_owned);
    // crun 1.8.1 takes the value of --rootless as that of --root.
    let root = parsed.last_of(&["root", "rootless"]).map_or_else(default_root, PathBuf::from);
    let version = parsed.has("version");
    let without_cgroup = parsed.value("cgroup-manager") == Some("disabled");
    let global = Global { root, version, without_cgroup, log: owned("log"), log_format: owned("log-format") };
    Ok((global, parsed.operands))
}

/// The default state directory. It lies beside crun's own, and is never the same.
fn default_root() -> PathBuf {
    let run = std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    PathBuf::from(run.unwrap_or_else(|| "/run".into())).join("fake-crun")
}

impl Global {
    /// Makes the directory of all states. crun also does this before it looks for a state. If it fails, no state is
    /// found.
    pub(crate) fn make_root(&self) {
        let _ = std::fs::create_dir_all(&self.root);
    }

    /// Whether entries of the log are JSON.
    pub(crate) fn logs_json(&self) -> bool {
        self.log_format.as_deref() == Some("json")
    }

    /// Opens the log file, so that it exists (empty) even if nothing goes wrong. As in crun, it is the first descriptor
    /// that stays open, and it is inherited. If the caller has closed a stream, the log takes that stream's place.
    pub(crate) fn open_log(&self) -> Result<Option<Log>, Failure> {
        let format = self.log_format.as_deref().unwrap_or("text");
        if !["text", "json"].contains(&format) {
            return Err(Failure::new(format!("unknown log format type {format}")));
        }
        let Some(path) = &self.log else {
            return Ok(None);
        };
        let opened = File::options().append(true).create(true).open(path);
        let failed = |error| Failure::io(&format!("open log file {path}\n"), &error);
        let file = opened.map_err(failed)?;
        rustix::io::fcntl_setfd(&file, FdFlags::empty()).map_err(|error| failed(error.into()))?;
        Ok(Some(Log { file, json: format == "json" }))
    }
}

/// Splits words into the flags known to `flags` and the operands after them.
pub(crate) fn parse<'a>(name: &str, flags: &[Flag], words: &'a [String]) -> Result<Parsed<'a>, Failure> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        if word == "--" {
            at += 1;
            break;
        }
        if let Some(long) = word.strip_prefix("--") {
            at += 1;
            found.push(long_flag(name, flags, long, words, &mut at)?);
        } else if word.len() > 1 && word.starts_with('-') {
            at += 1;
            short_flags(name, flags, &word[1..], words, &mut at, &mut found)?;
        } else {
            break;
        }
    }
    Ok(Parsed { flags: found, operands: &words[at..] })
}

/// Reads `--name`, `--name=value` or `--name value`. An unambiguous beginning of the name is enough.
fn long_flag(
    name: &str,
    flags: &[Flag],
    word: &str,
    words: &[String],
    at: &mut usize,
) -> Result<(&'static str, String), Failure> {
    let (given, value) = word.split_once('=').map_or((word, None), |(given, value)| (given, Some(value)));
    let exact = flags.iter().find(|flag| flag.0 == given);
    let mut begins: Vec<&Flag> = flags.iter().filter(|flag| flag.0.starts_with(given)).collect();
    begins.dedup_by_key(|flag| flag.0);
    let flag = match (exact, begins.as_slice()) {
        (Some(flag), _) | (None, &[flag]) => flag,
        (None, []) => return Err(Failure::usage(name, &format!("unrecognized option '--{word}'"))),
        (None, several) => {
            let names: String = several.iter().map(|flag| format!(" '--{}'", flag.0)).collect();
            return Err(Failure::usage(name, &format!("option '--{word}' is ambiguous; possibilities:{names}")));
        }
    };
    match (flag.2, value) {
        (false, Some(_)) => Err(Failure::usage(name, &format!("option '--{}' doesn't allow an argument", flag.0))),
        (false, None) => Ok((flag.0, String::new())),
        (true, Some(value)) => Ok((flag.0, value.to_owned())),
        (true, None) => {
            let missing = || Failure::usage(name, &format!("option '--{}' requires an argument", flag.0));
            let value = words.get(*at).ok_or_else(missing)?.clone();
            *at += 1;
            Ok((flag.0, value))
        }
    }
}

/// Reads a word of letters such as `-db DIR` or `-bDIR`.
fn short_flags(
    name: &str,
    flags: &[Flag],
    word: &str,
    words: &[String],
    at: &mut usize,
    found: &mut Vec<(&'static str, String)>,
) -> Result<(), Failure> {
    for (place, letter) in word.char_indices() {
        let Some(flag) = flags.iter().find(|flag| flag.1 == Some(letter)) else {
            return Err(Failure::usage(name, &format!("invalid option -- '{letter}'")));
        };
        if !flag.2 {
            found.push((flag.0, String::new()));
            continue;
        }
        let glued = &word[place + letter.len_utf8()..];
        let missing = || Failure::usage(name, &format!("option requires an argument -- '{letter}'"));
        let value = if glued.is_empty() {
            *at += 1;
            words.get(*at - 1).ok_or_else(missing)?.clone()
        } else {
            glued.to_owned()
        };
        found.push((flag.0, value));
        break;
    }
    Ok(())
}
