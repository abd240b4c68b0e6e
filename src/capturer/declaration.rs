//! A capturer of the user, declared in TOML:
//!
//! ```toml
//! name = "my-driver"
//! program = ["./my-driver", "--capture"]
//! capabilities = ["live", "apart"]
//! ```
//!
//! The harness runs `PROGRAM… -- COMMAND…` with the variables of the capturer protocol.

use super::Capturer;
use crate::strategy::{self, Capability, Needs};
use crate::text::is_label;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Declaration {
    name: String,
    program: Vec<String>,
    #[serde(default)]
    capabilities: Vec<Capability>,
    #[serde(flatten)]
    needs: Needs,
    /// The fields that no other field has taken (`deny_unknown_fields` does not work with `flatten`).
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

/// The reason why a declaration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeclarationError {
    /// The file cannot be read.
    #[error("cannot read the capturer declaration {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why it cannot be read.
        source: io::Error,
    },
    /// The file is not a declaration.
    #[error("{} is not a capturer declaration (name, program, capabilities)", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with its TOML.
        source: Box<toml::de::Error>,
    },
    /// The declaration has no usable name or program, or an unknown field.
    #[error("{}: {problem}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// Reads a declaration. If the program's name contains a slash, it is looked up beside the file.
///
/// # Errors
/// The declaration cannot be read or used.
pub fn read(path: &Path) -> Result<Capturer, DeclarationError> {
    let path_buf = || path.to_owned();
    let text = std::fs::read_to_string(path).map_err(|source| DeclarationError::Read { path: path_buf(), source })?;
    let declaration: Declaration = toml::from_str(&text)
        .map_err(|source| DeclarationError::Parse { path: path_buf(), source: Box::new(source) })?;
    if let Some(name) = declaration.unknown.keys().next() {
        let problem = format!("there is no field `{name}`; a declaration has {}", fields().join(", "));
        return Err(DeclarationError::Invalid { path: path_buf(), problem });
    }
    let invalid = |problem: &str| Err(DeclarationError::Invalid { path: path_buf(), problem: problem.to_owned() });
    if !is_label(&declaration.name) {
        return invalid("`name` is made of letters, digits, dashes, underscores and dots");
    }
    if strategy::find(&declaration.name).is_some() || declaration.name == strategy::control().name() {
        return invalid("`name` is that of a built-in strategy");
    }
    let Some((first, rest)) = declaration.program.split_first() else {
        return invalid("`program` names what to run, e.g. [\"./my-driver\", \"--capture\"]");
    };
    let mut program = vec![beside(path, first)];
    if first.contains('/') && !Path::new(&program[0]).is_file() {
        return invalid("`program` names a file that is not there; a path is looked up beside the declaration");
    }
    program.extend(rest.iter().map(OsString::from));
    Ok(Capturer {
        name: declaration.name,
        program,
        declares: declaration.capabilities.into_iter().collect(),
        needs: declaration.needs,
        built_in: None,
        control: false,
    })
}

/// The names of all fields of a declaration.
fn fields() -> Vec<String> {
    let needs = toml::Table::try_from(Needs::NONE).unwrap_or_default();
    ["name", "program", "capabilities"].map(str::to_owned).into_iter().chain(needs.keys().cloned()).collect()
}

fn beside(declaration: &Path, program: &str) -> OsString {
    if !program.contains('/') {
        return program.into();
    }
    let folder = declaration.parent().unwrap_or(Path::new("."));
    let joined = folder.join(program);
    joined.canonicalize().unwrap_or(joined).into_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declare(text: &str) -> Result<Capturer, DeclarationError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("capturer.toml");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    #[test]
    fn a_declaration_gives_a_capturer() {
        let capturer =
            declare("name = 'mine'\nprogram = ['sh', '-c']\ncapabilities = ['live', 'exact-bytes']").unwrap();
        assert_eq!((capturer.name.as_str(), capturer.program.len()), ("mine", 2));
        assert!(capturer.declares.has(Capability::ExactBytes) && !capturer.declares.has(Capability::Order));
        assert_eq!(capturer.needs, Needs::NONE);
        assert_eq!(declare("name = 'mine'\nprogram = ['sh']\nneeds_reader = true").unwrap().needs, Needs::READER);
    }

    #[test]
    fn a_declaration_that_cannot_be_used_says_which_file_and_why() {
        for (text, part) in [
            ("name = 'a'", "missing field `program`"),
            ("name = 'a/b'\nprogram = ['x']", "letters"),
            ("name = 'tee'\nprogram = ['x']", "built-in"),
            ("name = 'control'\nprogram = ['x']", "built-in"),
            ("name = 'a'\nprogram = []", "what to run"),
            ("name = 'a'\nprogram = ['./nope']", "not there"),
            ("name = 'a'\nprogram = ['x']\ncapabilities = ['fast']", "unknown variant"),
            ("name = 'a'\nprogram = ['x']\nneed_reader = true", "no field `need_reader`"),
            ("name = 'a'\nprogram = ['x']\nneed_reader = true", "needs_reader"),
        ] {
            let message = format!("{:#}", anyhow::Error::from(declare(text).unwrap_err()));
            assert!(message.contains(part) && message.contains("capturer.toml"), "{message}");
        }
    }
}
