//! All strategies, in one list; and the spike's, one file each. Those past the spike stand in `crun-capture-reactor`.

mod buffered;
mod combined;
mod file;
mod go;
mod scanner;
mod task_log;
mod tee;
mod whole;

pub use crun_capture_reactor::strategy::{Capabilities, Capability, CaptureError, Command, SpikeRow, Strategy};

use crun_capture_reactor::strategy::{Follow, Lines, Passthrough, Pty, Sequenced, Splice};

/// All strategies: the spike's table from top to bottom, the architecture it builds on the last; then what they cannot.
/// The order is that of every report.
pub static ALL: &[&dyn Strategy] = &[
    &combined::Combined,
    &buffered::Buffered,
    &scanner::Scanner,
    &file::File,
    &tee::Tee,
    &task_log::TaskLog,
    &Lines,
    &Splice,
    &Follow,
    &Passthrough,
    &Sequenced,
    &Pty,
];

/// The strategy of this name.
pub fn find(name: &str) -> Option<&'static dyn Strategy> {
    ALL.iter().copied().find(|strategy| strategy.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Exit;
    use crate::sink::memory::Memory;

    #[test]
    fn every_strategy_delivers_both_streams_and_the_status() {
        // What is handed on is delivered by nobody here.
        for strategy in ALL.iter().filter(|strategy| !strategy.needs_reader()) {
            let directory = tempfile::tempdir().unwrap();
            let [stdout, stderr] = ["stdout", "stderr"].map(|name| directory.path().join(name));
            // One that waits beside its readers loses what they have not read by the exit: so that comes after they have.
            let wait = if strategy.syncs_each_line() { "until [ -s $1 ] && [ -s $2 ]; do :; done;" } else { "" };
            let script = format!("echo a; echo b >&2; {wait} exit 7");
            let words =
                ["-c".into(), script.into(), "sh".into(), stdout.clone().into_os_string(), stderr.clone().into()];
            let command = Command { stdout_path: Some(stdout), stderr_path: Some(stderr), ..Command::new("sh", words) };
            let sink = Memory::default();
            let outcome = strategy.capture(&command, &sink).unwrap();
            assert_eq!(outcome.exit, Exit::Code(7), "{}", strategy.name());
            let mut lines: Vec<_> = sink.into_deliveries().into_iter().map(|delivered| delivered.bytes).collect();
            lines.sort();
            assert_eq!(lines, [b"a", b"b"], "{}", strategy.name());
        }
    }

    #[test]
    fn every_strategy_tells_a_signal_from_a_code() {
        for strategy in ALL {
            let command = Command::new("sh", ["-c", "kill -TERM $$"]);
            let outcome = strategy.capture(&command, &Memory::default()).unwrap();
            assert_eq!(outcome.exit, Exit::Signal(15), "{}", strategy.name());
        }
    }

    #[test]
    fn a_program_that_is_missing_or_not_executable_has_its_own_code() {
        for strategy in ALL {
            let start = |program: &str| {
                let command = Command::new(program, Vec::<String>::new());
                strategy.capture(&command, &Memory::default()).unwrap_err().exit_code()
            };
            assert_eq!(start("no-such-program-anywhere"), 127, "{}", strategy.name());
            assert_eq!(start("/etc/hostname"), 126, "{}", strategy.name());
        }
    }
}
