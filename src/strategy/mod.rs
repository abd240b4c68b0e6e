//! The list of all strategies, and those of the spike, one file each. The others are in `crun-capture-reactor`.

mod buffered;
mod combined;
mod control;
mod file;
mod go;
mod scanner;
mod task_log;
mod tee;
mod whole;

pub use crun_capture_reactor::strategy::{Capabilities, Capability, Needs, Strategy};

use crun_capture_reactor::strategy::{Follow, Lines, Passthrough, Pty, Sequenced, Splice};

/// All strategies, in the order of every report: the spike's table from top to bottom, the architecture that the spike
/// builds on its last row, then the strategies that do what these cannot.
pub static ALL: &[&dyn Strategy] = &[
    &combined::Combined,
    &buffered::Buffered,
    &scanner::Scanner,
    &file::File,
    &tee::Tee,
    &task_log::TaskLog { line_interval_ns: None },
    &Lines,
    &Splice,
    &Follow,
    &Passthrough,
    &Sequenced,
    &Pty,
];

/// The rows of the spike's table, each with the strategy that reproduces it.
static SPIKE_TABLE: &[(&dyn Strategy, SpikeRow)] = &[
    (&combined::Combined, combined::ROW),
    (&buffered::Buffered, buffered::ROW),
    (&scanner::Scanner, scanner::ROW),
    (&file::File, file::ROW),
    (&tee::Tee, tee::ROW),
];

/// A row of the spike's table.
#[derive(Clone, Copy, Debug)]
pub struct SpikeRow {
    /// The name of the method.
    pub method: &'static str,
    /// The column "Real-time".
    pub real_time: bool,
    /// The column "Stream Separation".
    pub separation: bool,
    /// The column "File Output".
    pub file: bool,
    /// Whether the spike recommends it.
    pub recommended: bool,
}

/// The row of the strategy of this name. None: the spike's table has no such row.
pub fn spike_row(name: &str) -> Option<SpikeRow> {
    SPIKE_TABLE.iter().find(|(strategy, _)| strategy.name() == name).map(|(_, row)| *row)
}

/// The strategy whose files the command writes itself. If nobody knows what a command wrote, the other strategies are
/// compared with this one.
pub fn reference() -> &'static dyn Strategy {
    &file::File
}

/// The least that a live capturer can do. It is measured beside the strategies, and is none of them.
pub fn control() -> &'static dyn Strategy {
    &control::Control
}

/// The architecture that the spike proposes, with its "Rate Limiting": it waits for a tick of `line_interval_ns` before
/// each line.
pub fn rate_limited(line_interval_ns: u64) -> impl Strategy {
    task_log::TaskLog { line_interval_ns: Some(line_interval_ns) }
}

/// The strategy of this name. None: there is no such strategy.
pub fn find(name: &str) -> Option<&'static dyn Strategy> {
    ALL.iter().copied().find(|strategy| strategy.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crun_capture_reactor::{Command, Exit, Memory};

    #[test]
    fn every_strategy_delivers_both_streams_and_the_status() {
        // Where a strategy hands its output to another reader, nothing is delivered here.
        for strategy in ALL.iter().filter(|strategy| !strategy.needs().needs_reader) {
            let directory = tempfile::tempdir().unwrap();
            let [stdout, stderr] = ["stdout", "stderr"].map(|name| directory.path().join(name));
            // A strategy that waits beside its readers loses what they have not read by the exit, so the script exits
            // only after they have read everything.
            let wait = if strategy.needs().syncs_each_line { "until [ -s $1 ] && [ -s $2 ]; do :; done;" } else { "" };
            let script = format!("echo a; echo b >&2; {wait} exit 7");
            let command = Command::new("sh").args(["-c", &script, "sh"]).args([&stdout, &stderr]);
            let command = command.stdout_path(stdout).stderr_path(stderr);
            let mut sink = Memory::default();
            let outcome = strategy.capture(&command, &mut sink).unwrap();
            assert_eq!(outcome.exit, Exit::Code(7), "{}", strategy.name());
            let mut lines: Vec<_> = sink.take().into_iter().map(|delivered| delivered.bytes).collect();
            lines.sort();
            assert_eq!(lines, [b"a", b"b"], "{}", strategy.name());
        }
    }

    #[test]
    fn a_program_that_is_missing_or_not_executable_has_its_own_code() {
        for strategy in ALL {
            let start = |program: &str| {
                strategy.capture(&Command::new(program), &mut Memory::default()).unwrap_err().exit_code()
            };
            assert_eq!(start("no-such-program-anywhere"), 127, "{}", strategy.name());
            assert_eq!(start("/etc/hostname"), 126, "{}", strategy.name());
        }
    }
}
