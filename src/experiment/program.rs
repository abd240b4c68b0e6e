//! Programs as they are: of the host's, run on `bare` as they lie there, and in containers that have its directories.

use std::path::Path;

/// Where they are looked for: directories that a container can be given, unlike a user's own.
const FOLDERS: [&str; 2] = ["/usr/bin", "/bin"];

/// A program with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// What the command line begins with.
    pub name: &'static str,
    /// The rest of it.
    pub arguments: &'static [&'static str],
}

impl Program {
    /// The whole command line; None where the program is not there.
    pub fn words(&self) -> Option<Vec<String>> {
        let paths = FOLDERS.iter().map(|folder| format!("{folder}/{}", self.name));
        let path = paths.into_iter().find(|path| Path::new(path).is_file())?;
        Some(std::iter::once(path).chain(self.arguments.iter().map(|&word| word.to_owned())).collect())
    }

    /// Why it cannot be run here; None where it can.
    pub(super) fn missing(&self) -> Option<String> {
        self.words().is_none().then(|| format!("{} is neither in {}", self.name, FOLDERS.join(" nor in ")))
    }
}
