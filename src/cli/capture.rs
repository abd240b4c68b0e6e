//! `capture`: captures one command with one strategy. The harness runs the built-in capturers through the same verb.

use super::complain;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use crun_capture::capturer::Summary;
use crun_capture::capturer::protocol::{self, Assignment};
use crun_capture::files::{is_fifo, write_private};
use crun_capture::sink::frame::Frames;
use crun_capture::sink::live::{Json, Raw};
use crun_capture::strategy::{self, Capability, Strategy};
use crun_capture::sys::Disposition;
use crun_capture_reactor::{CaptureError, Command, Sink};
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

pub(super) const DETAILS: &str = "\
Examples:
  crun-capture capture --strategy scanner -- crun run --bundle DIR ID
  crun-capture capture --strategy tee --stdout-path out.log --stderr-path err.log --live none -- make
  crun-capture capture --strategy follow --stdout-path out.log --stderr-path err.log --resume 51200,0
  crun-capture capture --strategy combined --live json --summary s.json -- sh -c 'echo a; echo b >&2; exit 7'

Ctrl-C reaches the command too, and the capture goes on to report how the command ended. SIGTERM ends only the \
capture: the next write of the command then meets a closed pipe.";

/// The exit code when the capture itself failed.
const CAPTURE_FAILED: u8 = 125;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The strategy to capture with
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(names()))]
    strategy: String,
    /// The file for stdout, if the strategy writes files; or the FIFO that the command gets as its stdout
    #[arg(long, value_name = "FILE")]
    stdout_path: Option<PathBuf>,
    /// The file for stderr, if the strategy writes files; or the FIFO that the command gets as its stderr
    #[arg(long, value_name = "FILE")]
    stderr_path: Option<PathBuf>,
    /// How to print the lines as they are delivered
    #[arg(long, value_enum, default_value = "raw")]
    live: Live,
    /// Write an account of the capture to this file, as JSON; `-` means stdout
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Wait this many ns before each line, which only task-log can do: the rate limit of the spike (see `crun-capture
    /// claims --help`)
    #[arg(long, value_name = "NS")]
    line_interval_ns: Option<u64>,
    /// Resume a capture that was killed: OUT and ERR are the bytes of stdout and stderr that it delivered,
    /// --stdout-path and --stderr-path name its files, and there is no command
    #[arg(long, value_name = "OUT,ERR", value_parser = offsets, requires_all = ["stdout_path", "stderr_path"], conflicts_with = "command")]
    resume: Option<[u64; 2]>,
    /// The command to capture, with its arguments
    #[arg(last = true, required_unless_present = "resume", value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Live {
    /// Print stdout's lines on stdout and stderr's on stderr, unchanged
    Raw,
    /// Print one JSON object per line on stdout
    Json,
    /// Print nothing
    None,
}

/// The names of the strategies. That of the control is hidden, because only the harness needs it.
fn names() -> Vec<PossibleValue> {
    let all = strategy::ALL.iter().map(|one| PossibleValue::new(one.name()));
    all.chain([PossibleValue::new(strategy::control().name()).hide(true)]).collect()
}

fn offsets(text: &str) -> Result<[u64; 2], String> {
    let parsed = text.split_once(',').and_then(|(out, err)| Some([out.parse().ok()?, err.parse().ok()?]));
    parsed.ok_or_else(|| "expected two numbers of bytes with a comma between them, such as 1024,0".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let named = strategy::find(&arguments.strategy).unwrap_or(strategy::control());
    let limited = arguments.line_interval_ns.map(strategy::rate_limited).filter(|one| one.name() == named.name());
    let strategy = limited.as_ref().map_or(named, |limited| limited as &dyn Strategy);
    // A write beyond RLIMIT_FSIZE must fail, not end this process by SIGXFSZ. The strategy then reports the error.
    outlive(&[libc::SIGXFSZ]);
    match Assignment::from_environment() {
        Err(error) => {
            complain(&error.to_string());
            CAPTURE_FAILED
        }
        Ok(Some(assignment)) if arguments.resume.is_none() => for_the_harness(strategy, arguments, assignment),
        Ok(_) => for_the_user(strategy, arguments),
    }
}

/// Keeps these signals from ending this process. It installs handlers, because they are not inherited through
/// execve(2), as SIG_IGN would be.
fn outlive(signals: &[i32]) {
    for &signal in signals {
        let noted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        if let Err(error) = signal_hook::flag::register(signal, noted) {
            complain(&format!("cannot handle signal {signal}: {error}"));
        }
    }
}

/// The command, without the variables that the harness gave to the capturer.
fn command(arguments: &Arguments, paths: [Option<PathBuf>; 2]) -> Command {
    let (program, rest) = arguments.command.split_first().expect("clap requires a command");
    let mut command = Command::new(program).args(rest);
    command = protocol::VARIABLES.iter().fold(command, |command, name| command.env_remove(name));
    [command.stdout_path, command.stderr_path] = paths;
    command
}

/// Captures for the harness, by the capturer protocol.
fn for_the_harness(strategy: &dyn Strategy, arguments: &Arguments, assignment: Assignment) -> u8 {
    let command = command(arguments, [assignment.stdout_file, assignment.stderr_file]);
    let mut frames = assignment.live.map(Frames::new);
    let sink = frames.as_mut().map(|frames| frames as &mut dyn Sink);
    let captured = protocol::capture(strategy, &command, sink).map(|(_, summary)| summary);
    if let Ok(summary) = &captured
        && let Err(error) = give_account(summary, frames.as_mut(), assignment.summary_file.as_deref())
    {
        complain(&format!("cannot write the account of the capture: {error}"));
    }
    code(captured)
}

fn give_account(summary: &Summary, frames: Option<&mut Frames<fs::File>>, file: Option<&Path>) -> io::Result<()> {
    let json = serde_json::to_vec(summary)?;
    let has_frames = frames.is_some();
    let framed = frames.map_or(Ok(()), |frames| frames.finish(&json));
    match file {
        // The account goes into the file if there are no frames, or if their consumer is gone.
        Some(path) if !has_frames || framed.is_err() => write_private(path, &json),
        _ => framed,
    }
}

fn code(captured: Result<Summary, CaptureError>) -> u8 {
    match captured {
        Ok(summary) => summary.exit_code.and_then(|code| u8::try_from(code).ok()).unwrap_or(CAPTURE_FAILED),
        Err(error) => {
            complain(&error.to_string());
            error.exit_code()
        }
    }
}

fn for_the_user(strategy: &dyn Strategy, arguments: &Arguments) -> u8 {
    let paths = paths(strategy, arguments);
    if paths[0].is_some() && paths[0] == paths[1] {
        complain("--stdout-path and --stderr-path name the same file: name two, or each stream overwrites the other");
        return super::USAGE;
    }
    handle_signals(strategy, &paths);
    let mut sink: Option<Box<dyn Sink>> = match arguments.live {
        Live::Raw => Some(Box::new(Raw::new(BufWriter::new(io::stdout()), BufWriter::new(io::stderr())))),
        Live::Json => Some(Box::new(Json::new(BufWriter::new(io::stdout())))),
        Live::None => None,
    };
    let borrowed = sink.as_mut().map(|sink| &mut **sink as &mut dyn Sink);
    let captured = match arguments.resume {
        None => protocol::capture(strategy, &command(arguments, paths), borrowed),
        Some(offsets) => {
            let files = [0, 1].map(|at| paths[at].as_deref().unwrap_or(Path::new("")));
            match protocol::resume(strategy, files, offsets, borrowed) {
                Some(resumed) => resumed,
                None => {
                    let name = strategy.name();
                    complain(&format!("{name} cannot resume a capture: nothing of its capture outlives the capturer"));
                    return super::USAGE;
                }
            }
        }
    };
    drop(sink);
    finish(arguments, captured.map(|(_, summary)| summary))
}

/// The paths that the strategy uses. Warns the user about a path that it does not use.
fn paths(strategy: &dyn Strategy, arguments: &Arguments) -> [Option<PathBuf>; 2] {
    let mut paths = [arguments.stdout_path.clone(), arguments.stderr_path.clone()];
    // A strategy that needs a reader is given the FIFOs that it hands on.
    if !strategy.declares().has(Capability::File) && !strategy.needs().needs_reader {
        for path in paths.iter_mut().filter_map(Option::take) {
            complain(&format!("{} writes no files: {} is not created", strategy.name(), path.display()));
        }
    }
    paths
}

/// Prepares this process for SIGPIPE, SIGINT and SIGQUIT. If whoever reads our output stops reading, this program dies
/// of SIGPIPE like any filter, and the command dies of its own next write. This program stays alive if the capture goes
/// on for somebody else: if the strategy writes its files independently of the stream, or if one of them is a FIFO,
/// which may lose its reader.
fn handle_signals(strategy: &dyn Strategy, paths: &[Option<PathBuf>; 2]) {
    let mut files = paths.iter().flatten();
    let independent = strategy.declares().has(Capability::IndependentSinks) && paths.iter().any(Option::is_some);
    let dies = !independent && !files.any(|path| is_fifo(path));
    if dies && let Err(error) = crun_capture::sys::set_disposition(libc::SIGPIPE, Disposition::Default) {
        complain(&format!("cannot handle SIGPIPE: {error}"));
    }
    // Ctrl-C at a terminal reaches the command too. The capturer stays, to report how the command ended.
    outlive(&[libc::SIGINT, libc::SIGQUIT]);
}

/// Reports how the capture ended, and returns the exit code of this program.
fn finish(arguments: &Arguments, captured: Result<Summary, CaptureError>) -> u8 {
    if let Ok(summary) = &captured {
        for error in summary.errors.iter().chain(&summary.notes) {
            complain(error);
        }
        if let Err(error) = write_summary(arguments, summary) {
            complain(&error);
            return CAPTURE_FAILED;
        }
        // If not everything reached the consumer, that must not look like a success.
        if summary.truncated && summary.exit_code.is_none_or(|code| code == 0) {
            return CAPTURE_FAILED;
        }
        // A resumed command is not a child of this program: only its parent learns how it ended.
        if arguments.resume.is_some() {
            return 0;
        }
    }
    code(captured)
}

fn write_summary(arguments: &Arguments, summary: &Summary) -> Result<(), String> {
    let Some(path) = &arguments.summary else { return Ok(()) };
    let mut json = serde_json::to_vec_pretty(summary).map_err(|error| error.to_string())?;
    json.push(b'\n');
    let written = match path.as_os_str() == "-" {
        true => io::Write::write_all(&mut io::stdout(), &json),
        false => fs::write(path, json),
    };
    written.map_err(|error| format!("cannot write the summary {}: {error}", path.display()))
}
