//! Real programs of the host. On `bare` they run where they are; in containers, from the host's directories.

use std::path::Path;

/// The directories that are searched for programs. A container can be given these, but not a user's own.
const FOLDERS: [&str; 2] = ["/usr/bin", "/bin"];

/// A program with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The program's file name, the first word of the command line.
    pub name: &'static str,
    /// The other words of the command line.
    pub arguments: &'static [&'static str],
}

impl Program {
    /// The whole command line, or None if the program is missing.
    pub fn words(&self) -> Option<Vec<String>> {
        let paths = FOLDERS.iter().map(|folder| format!("{folder}/{}", self.name));
        let path = paths.into_iter().find(|path| Path::new(path).is_file())?;
        Some(std::iter::once(path).chain(self.arguments.iter().map(|&word| word.to_owned())).collect())
    }

    /// Why the program cannot be run here, or None if it can.
    pub(super) fn missing(&self) -> Option<String> {
        self.words().is_none().then(|| format!("{} is neither in {}", self.name, FOLDERS.join(" nor in ")))
    }
}
