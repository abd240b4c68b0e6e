//! How a capture ended: exit and errors. Errors stand beside partial output, never instead of it.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// How a command ended, as its parent saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// Nobody here has waited for it: a capture that was resumed knows the streams only.
    Unknown,
}

impl Exit {
    /// The code a shell would give: 128 + n for a signal. None where the end is not known.
    pub fn shell_code(self) -> Option<i32> {
        match self {
            Exit::Code(code) => Some(code),
            Exit::Signal(number) => Some(128 + number),
            Exit::Unknown => None,
        }
    }

    /// The signal; None for a code, which may hide one: a foreground runtime exits with 128 + n.
    pub fn signal(self) -> Option<i32> {
        match self {
            Exit::Code(_) | Exit::Unknown => None,
            Exit::Signal(number) => Some(number),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        match (status.code(), status.signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(number)) => Exit::Signal(number),
            (None, None) => unreachable!("a process that was waited for has exited or was killed"),
        }
    }
}

/// How a capture ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How the command ended.
    pub exit: Exit,
    /// When the strategy learned of it, CLOCK_MONOTONIC ns.
    pub exit_at_ns: u64,
    /// Whether the strategy knows that it did not deliver everything.
    pub truncated: bool,
    /// What went wrong, each for a reader: what and where.
    pub errors: Vec<String>,
    /// What went otherwise than it might and lost nothing, as a way around that was taken.
    pub notes: Vec<String>,
}

impl Outcome {
    /// An outcome with nothing wrong, learned now.
    pub fn now(exit: Exit) -> Outcome {
        Outcome { exit, exit_at_ns: crate::clock::now_ns(), truncated: false, errors: Vec::new(), notes: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_becomes_the_code_of_a_shell() {
        assert_eq!(Exit::from(ExitStatus::from_raw(7 << 8)), Exit::Code(7));
        assert_eq!(Exit::from(ExitStatus::from_raw(15)), Exit::Signal(15));
        assert_eq!((Exit::Signal(9).shell_code(), Exit::Unknown.shell_code()), (Some(137), None));
        assert_eq!((Exit::Code(137).signal(), Exit::Signal(9).signal()), (None, Some(9)));
    }
}
