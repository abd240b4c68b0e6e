//! The capturer protocol: what the harness passes to a capturer, and how a built-in capturer uses it.
//!
//! The harness runs `PROGRAM… -- COMMAND…` with the variables below. The capturer exits as the command did, with 128 +
//! n for a signal n. It exits with 125 if the capture itself failed, and with 126 or 127 if the command could not be
//! run. Deliveries are frames (`crate::sink::frame`) on the live descriptor.

use crate::capturer::{Cost, SCHEMA_VERSION, Summary};
use crate::sink::count::{Count, Tally};
use crate::strategy::Strategy;
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{CaptureError, Command, Exit, Origin, Outcome, Sink};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The variables of the protocol. None of them reaches the command that is captured.
pub const VARIABLES: [&str; 5] = [
    "CRUN_CAPTURE_PROTOCOL",
    "CRUN_CAPTURE_STDOUT_FILE",
    "CRUN_CAPTURE_STDERR_FILE",
    "CRUN_CAPTURE_LIVE_FD",
    "CRUN_CAPTURE_SUMMARY_FILE",
];
/// `CRUN_CAPTURE_PROTOCOL`: the version, which is 1.
pub const PROTOCOL: &str = VARIABLES[0];
/// `CRUN_CAPTURE_STDOUT_FILE`: the file that takes stdout, for a capturer that writes files.
pub const STDOUT_FILE: &str = VARIABLES[1];
/// `CRUN_CAPTURE_STDERR_FILE`: the file that takes stderr.
pub const STDERR_FILE: &str = VARIABLES[2];
/// `CRUN_CAPTURE_LIVE_FD`: the number of the inherited descriptor that takes the frames. Unset: the capturer counts and
/// discards.
pub const LIVE_FD: &str = VARIABLES[3];
/// `CRUN_CAPTURE_SUMMARY_FILE`: the file that takes the account if there is no live descriptor. Otherwise the account
/// is the last frame.
pub const SUMMARY_FILE: &str = VARIABLES[4];

/// What the harness passes to a capturer.
#[derive(Debug)]
pub struct Assignment {
    /// The file that takes stdout.
    pub stdout_file: Option<PathBuf>,
    /// The file that takes stderr.
    pub stderr_file: Option<PathBuf>,
    /// The descriptor that takes the frames.
    pub live: Option<File>,
    /// The file that takes the account if there is no live descriptor.
    pub summary_file: Option<PathBuf>,
}

impl Assignment {
    /// Reads the assignment from the environment, and takes over the live descriptor. Ok(None): the harness did not start
    /// this process.
    ///
    /// # Errors
    /// The version is not 1, or the live descriptor is not open.
    pub fn from_environment() -> io::Result<Option<Assignment>> {
        let Some(version) = std::env::var_os(PROTOCOL) else { return Ok(None) };
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
        if version != "1" {
            return Err(invalid(format!("{PROTOCOL} is {version:?}; this program speaks version 1")));
        }
        let live = match std::env::var(LIVE_FD) {
            Err(_) => None,
            Ok(text) => {
                let number = text.parse().map_err(|_| invalid(format!("{LIVE_FD} is {text:?}, not a descriptor")))?;
                let adopted = crate::sys::adopt_descriptor(number);
                Some(File::from(adopted.map_err(|error| invalid(format!("{LIVE_FD}={number}: {error}")))?))
            }
        };
        let path = |name| std::env::var_os(name).map(PathBuf::from);
        Ok(Some(Assignment {
            stdout_file: path(STDOUT_FILE),
            stderr_file: path(STDERR_FILE),
            live,
            summary_file: path(SUMMARY_FILE),
        }))
    }
}

/// Captures with a built-in strategy and sums up. Blocks as the strategy does.
///
/// # Errors
/// The capture does not start.
pub fn capture(
    strategy: &dyn Strategy,
    command: &Command,
    sink: Option<&mut dyn Sink>,
) -> Result<(Outcome, Summary), CaptureError> {
    summed_up(strategy, sink, |count| strategy.capture(command, count))
}

/// Resumes a capture (see [`Strategy::resume`]) and sums up. Blocks as the strategy does. None: the strategy cannot
/// resume.
///
/// # Errors
/// The capture cannot be resumed.
pub fn resume(
    strategy: &dyn Strategy,
    files: [&Path; 2],
    offsets: [u64; 2],
    sink: Option<&mut dyn Sink>,
) -> Option<Result<(Outcome, Summary), CaptureError>> {
    let mut can = true;
    let resumed = summed_up(strategy, sink, |count| {
        let resumed = strategy.resume(files, offsets, count);
        can = resumed.is_some();
        resumed.unwrap_or_else(|| Ok(Outcome::now(Exit::Unknown)))
    });
    can.then_some(resumed)
}

fn summed_up(
    strategy: &dyn Strategy,
    sink: Option<&mut dyn Sink>,
    run: impl FnOnce(&mut Count<'_>) -> Result<Outcome, CaptureError>,
) -> Result<(Outcome, Summary), CaptureError> {
    let mut count = Count::new(sink);
    let start_ns = now_ns();
    let outcome = run(&mut count)?;
    let end_ns = now_ns();
    let cost = Cost::of_this_process();
    // A strategy that lost something does not know how much.
    let lost_bytes = (!outcome.truncated).then_some(0);
    let tally = |origin| Tally { lost_bytes, ..count.tally(origin) };
    let summary = Summary {
        schema_version: SCHEMA_VERSION,
        strategy: strategy.name().to_owned(),
        exit_code: outcome.exit.shell_code(),
        signal: outcome.exit.signal(),
        runtime_error: None,
        stdout: tally(Origin::Stdout),
        stderr: tally(Origin::Stderr),
        merged: tally(Origin::Merged),
        first_delivery_ns: count.first_ns().map(|at| at.saturating_sub(start_ns)),
        wall_ns: end_ns - start_ns,
        exit_latency_ns: None,
        drain_latency_ns: count.last_ns().map(|at| at.saturating_sub(outcome.exit_at_ns)),
        truncated: outcome.truncated,
        cpu_user_ns: Some(cost.cpu_user_ns),
        cpu_system_ns: Some(cost.cpu_system_ns),
        max_rss_bytes: Some(cost.max_rss_bytes),
        errors: outcome.errors.clone(),
        notes: outcome.notes.clone(),
        exit_at_ns: Some(outcome.exit_at_ns),
    };
    Ok((outcome, summary))
}
