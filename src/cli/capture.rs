//! `capture`: one command under one strategy; for the harness, the built-in capturers.

use super::complain;
use clap::ValueEnum;
use crun_capture::bundle::write_private;
use crun_capture::capturer::Summary;
use crun_capture::capturer::protocol::{self, Request};
use crun_capture::command::is_fifo;
use crun_capture::sink::Sink;
use crun_capture::sink::frame::Frames;
use crun_capture::sink::live::{Json, Raw};
use crun_capture::strategy::{self, Capability, CaptureError, Command, Strategy};
use crun_capture::sys::Disposition;
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

Ctrl-C reaches the command, and the capture goes on to report how that ended. SIGTERM ends the capture alone: the command \
then meets a closed pipe at its next write.";

/// The capture itself failed.
const CAPTURE_FAILED: u8 = 125;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// How to capture
    #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(strategy::ALL.iter().map(|one| one.name())))]
    strategy: String,
    /// Where a strategy that writes files puts stdout; or the FIFO that is handed on
    #[arg(long, value_name = "FILE")]
    stdout_path: Option<PathBuf>,
    /// Where a strategy that writes files puts stderr; or the FIFO that is handed on
    #[arg(long, value_name = "FILE")]
    stderr_path: Option<PathBuf>,
    /// What to do with the lines as they are delivered
    #[arg(long, value_enum, default_value = "raw")]
    live: Live,
    /// Write an account of the capture, as JSON; `-` for stdout
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Wait so many ns before each line: the spike's rate limit, which only task-log has
    #[arg(long, value_name = "NS")]
    line_interval_ns: Option<u64>,
    /// Go on where a capture ended that was killed: the bytes of stdout and of stderr that were delivered, as OUT,ERR; its files are
    /// --stdout-path and --stderr-path, and there is no command
    #[arg(long, value_name = "OUT,ERR", value_parser = offsets, requires_all = ["stdout_path", "stderr_path"], conflicts_with = "command")]
    resume: Option<[u64; 2]>,
    /// The command
    #[arg(last = true, required_unless_present = "resume", value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Live {
    /// As they are, each stream to its own
    Raw,
    /// One JSON object a line, on stdout
    Json,
    /// Nothing
    None,
}

fn offsets(text: &str) -> Result<[u64; 2], String> {
    let parsed = text.split_once(',').and_then(|(out, err)| Some([out.parse().ok()?, err.parse().ok()?]));
    parsed.ok_or_else(|| "two numbers of bytes with a comma between them, as 1024,0".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(strategy) = strategy::find(&arguments.strategy) else { return CAPTURE_FAILED };
    // A file that may grow no further (RLIMIT_FSIZE) is an error of its write, which the strategy tells of.
    outlive(&[libc::SIGXFSZ]);
    match Request::from_environment() {
        Err(error) => {
            complain(&error.to_string());
            CAPTURE_FAILED
        }
        Ok(Some(request)) if arguments.resume.is_none() => for_the_harness(strategy, arguments, request),
        Ok(_) => for_the_user(strategy, arguments),
    }
}

/// Signals end this process no more. By a handler: that, unlike SIG_IGN, is not inherited through exec.
fn outlive(signals: &[i32]) {
    for &signal in signals {
        let noted = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        if let Err(error) = signal_hook::flag::register(signal, noted) {
            complain(&format!("cannot handle signal {signal}: {error}"));
        }
    }
}

fn command(arguments: &Arguments, stdout_path: Option<PathBuf>, stderr_path: Option<PathBuf>) -> Command {
    let (program, rest) = arguments.command.split_first().expect("clap requires a command");
    Command {
        stdout_path,
        stderr_path,
        line_interval_ns: arguments.line_interval_ns,
        ..Command::new(program, rest.iter().cloned())
    }
}

/// Keeps the capturer protocol.
fn for_the_harness(strategy: &dyn Strategy, arguments: &Arguments, request: Request) -> u8 {
    let command = command(arguments, request.stdout_file, request.stderr_file);
    let frames = request.live.map(Frames::new);
    let sink = frames.as_ref().map(|frames| frames as &dyn Sink);
    let captured = protocol::capture(strategy, &command, sink).map(|(_, summary)| summary);
    if let Ok(summary) = &captured
        && let Err(error) = give_account(summary, frames.as_ref(), request.summary_file.as_deref())
    {
        complain(&format!("cannot give an account of the capture: {error}"));
    }
    code(captured)
}

fn give_account(summary: &Summary, frames: Option<&Frames<fs::File>>, file: Option<&Path>) -> io::Result<()> {
    let json = serde_json::to_vec(summary)?;
    let framed = frames.map_or(Ok(()), |frames| frames.finish(&json));
    match file {
        // Without frames, or with a consumer that is gone.
        Some(path) if frames.is_none() || framed.is_err() => write_private(path, &json),
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
    let (mut stdout_path, mut stderr_path) = (arguments.stdout_path.clone(), arguments.stderr_path.clone());
    // Who hands on is given what is to be handed on.
    if !strategy.declares().has(Capability::File) && !strategy.needs_reader() {
        for path in [stdout_path.take(), stderr_path.take()].into_iter().flatten() {
            complain(&format!("{} writes no files: {} is not created", strategy.name(), path.display()));
        }
    }
    if stdout_path.is_some() && stdout_path == stderr_path {
        complain("--stdout-path and --stderr-path are the same file: each would overwrite the other");
        return super::USAGE;
    }
    let sink: Option<Box<dyn Sink>> = match arguments.live {
        Live::Raw => Some(Box::new(Raw::new(BufWriter::new(io::stdout()), BufWriter::new(io::stderr())))),
        Live::Json => Some(Box::new(Json::new(BufWriter::new(io::stdout())))),
        Live::None => None,
    };
    // Whoever reads our output may stop reading: as any filter, this program then dies of SIGPIPE, and the command of its
    // own next write. Where there is somebody else to go on for it stays: files that are written independently of the stream, or a
    // FIFO in the place of one, which may lose its reader.
    let files: Vec<&PathBuf> = [&stdout_path, &stderr_path].into_iter().flatten().collect();
    let independent = strategy.declares().has(Capability::IndependentSinks) && !files.is_empty();
    let dies = !independent && !files.iter().any(|path| is_fifo(path));
    if dies && let Err(error) = crun_capture::sys::set_disposition(libc::SIGPIPE, Disposition::Default) {
        complain(&format!("cannot handle SIGPIPE: {error}"));
    }
    // A terminal's Ctrl-C reaches the command too; the capturer stays to report how that ended.
    outlive(&[libc::SIGINT, libc::SIGQUIT]);
    let resumed = arguments.resume.map(|offsets| {
        let files = [&stdout_path, &stderr_path].map(|path| path.as_deref().unwrap_or(Path::new("")));
        protocol::resume(strategy, files, offsets, sink.as_deref())
    });
    let captured = match resumed {
        Some(None) => {
            complain(&format!("{} leaves nothing to go on with: its capture ends with the capturer", strategy.name()));
            return super::USAGE;
        }
        Some(Some(resumed)) => resumed,
        None => protocol::capture(strategy, &command(arguments, stdout_path, stderr_path), sink.as_deref()),
    };
    let captured = captured.map(|(_, summary)| summary);
    drop(sink);
    if let Ok(summary) = &captured {
        for error in summary.errors.iter().chain(&summary.notes) {
            complain(error);
        }
        if let Err(error) = write_summary(arguments, summary) {
            complain(&error);
            return CAPTURE_FAILED;
        }
        // Not everything reached the consumer: that must not look like a success.
        if summary.truncated && summary.exit_code.is_none_or(|code| code == 0) {
            return CAPTURE_FAILED;
        }
        // The program's own end is its parent's to know.
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
