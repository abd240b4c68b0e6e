//! How a capture ended.

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
    /// Nobody here has waited for it. A capture that was resumed knows its streams only.
    Unknown,
}

impl Exit {
    /// The code that a shell would give: 128 + n for signal n. None where the end is not known.
    pub fn shell_code(self) -> Option<i32> {
        match self {
            Exit::Code(code) => Some(code),
            Exit::Signal(number) => Some(128 + number),
            Exit::Unknown => None,
        }
    }

    /// The signal that killed it. A runtime in the foreground exits with 128 + n and hides the signal, so None does not
    /// rule one out.
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

/// How a capture ended. Its errors stand beside what was delivered, never instead of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// How the command ended.
    pub exit: Exit,
    /// When the strategy learned of that, in ns of CLOCK_MONOTONIC.
    pub exit_at_ns: u64,
    /// Whether something is known not to have been delivered, or not to be in the file.
    pub truncated: bool,
    /// What went wrong: one sentence each, naming the stream.
    pub errors: Vec<String>,
    /// What went differently and lost nothing, such as a file that does not take splice(2).
    pub notes: Vec<String>,
}

impl Outcome {
    /// An outcome without errors. The strategy learns of the exit now.
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
