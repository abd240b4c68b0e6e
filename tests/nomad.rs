//! `passthrough` and its readers: a reader with Nomad's file layout, and, if Go is installed, Nomad's real logmon and
//! executor.
//!
//! The contract (client/logmon in Nomad): the FIFO is read to its end once. The task's descriptor is opened once,
//! passed to the child, and kept for the child's life. The files are `task.stdout.0`, `.1`, …, with a limit for their
//! size and one for their number.

#[path = "support/container.rs"]
mod container;
mod support;

use crun_capture::process::Family;
use crun_capture::script::journal::Journal;
use crun_capture::script::{End, Lines, Script, Step};

use container::ReadyContainer;
use crun_capture_reactor::{Command, Stream};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, ExitCode, Stdio};
use std::sync::OnceLock;

const STREAMS: [&str; 2] = ["stdout", "stderr"];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for (name, usable) in support::usable(&["crun", "fake", "bare"], &[]) {
        let trial = |what: &str, run: fn(&str) -> Result<(), Failed>| {
            Trial::test(format!("{name}::{what}"), move || run(name)).with_ignored_flag(!usable)
        };
        trials.push(trial("reader/every-byte", every_byte));
        trials.push(trial("reader/the-last-is-kept", the_last_is_kept));
        trials.push(trial("without-reader", no_reader));
        for trial in [
            trial("logmon/every-byte", under_logmon),
            trial("executor/every-byte", under_executor),
            trial("logmon/killed", logmon_killed),
        ] {
            trials.push(match go() {
                Ok(_) => trial,
                Err(_) => trial.with_ignored_flag(true),
            });
        }
    }
    if let Err(reason) = go() {
        writeln!(io::stderr(), "nomad: Nomad's own parts are ignored: {reason}").expect("stderr is open");
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The Go program with Nomad's parts. It is built once.
fn go() -> Result<&'static Path, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/go/nomad");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nomad-peer");
        let built =
            std::process::Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(folder).output();
        match built {
            Err(error) => Err(format!("go: {error}")),
            Ok(output) if !output.status.success() => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Ok(_) => Ok(program),
        }
    };
    BUILT.get_or_init(build).as_deref().map_err(Clone::clone)
}

/// A container, and the directory for its logs.
struct Task {
    container: ReadyContainer,
    logs: PathBuf,
}

impl Task {
    fn new(runtime: &str, script: &Script) -> Result<Task, Failed> {
        let container = ReadyContainer::new(runtime, script)?;
        let logs = container.scratch.disk().join("logs");
        fs::create_dir(&logs)?;
        Ok(Task { container, logs })
    }

    fn command(&self) -> Command {
        self.container.stage.command(&self.container.found)
    }

    fn journal(&self) -> io::Result<Option<Journal>> {
        Journal::read(&self.container.stage.exchange.join("journal"))
    }

    fn fifo(&self, stream: &str) -> PathBuf {
        self.logs.join(format!(".task.{stream}.fifo"))
    }

    fn passthrough(&self) -> std::process::Command {
        let command = self.command();
        let mut capture = support::crun_capture();
        capture.args(["capture", "--strategy", "passthrough", "--stdout-path"]).arg(self.fifo("stdout"));
        capture.arg("--stderr-path").arg(self.fifo("stderr")).arg("--").arg(command.program).args(command.arguments);
        capture
    }

    /// All files of a stream, joined in their order.
    fn kept(&self, stream: &str) -> io::Result<Vec<u8>> {
        let mut files: Vec<(u32, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.logs)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let number = name.strip_prefix(&format!("task.{stream}."));
            files.extend(number.and_then(|number| number.parse().ok()).map(|number| (number, path.clone())));
        }
        files.sort();
        files.iter().map(|(_, path)| fs::read(path)).collect::<io::Result<Vec<_>>>().map(|files| files.concat())
    }
}

fn lines(count: u64, interval_ns: u64) -> Script {
    Script::new(5, End::Exit(7)).then(Step::Lines(Lines { interval_ns, ..Lines::fast(&Stream::BOTH, count, 99) }))
}

/// Checks that the files have every line of the script, each once and in order.
fn check_whole(task: &Task, count: u64) -> Result<(), Failed> {
    for stream in STREAMS {
        let kept = task.kept(stream)?;
        let stamped = kept.split(|byte| *byte == b'\n').filter_map(|line| crun_capture::script::line::decode(line, 5));
        let sequences: Vec<u64> = stamped.map(|line| line.sequence).collect();
        assert_eq!(sequences.len() as u64, count / 2, "{stream}: {} bytes", kept.len());
        assert!(sequences.is_sorted(), "{stream} is in order");
        assert_eq!(kept.len() as u64, 100 * count / 2, "{stream}: every byte, and no other");
    }
    Ok(())
}

/// Reads a FIFO as logmon does: once, to its end, into files with a limit for their size and one for their number.
fn read_to_files(fifo: &Path, stem: &Path, file_max_bytes: usize, files_max: usize) -> io::Result<()> {
    let mut fifo = File::open(fifo)?;
    let (mut buffer, mut names, mut number) = (vec![0; 32 << 10], VecDeque::new(), 0);
    let name = |number: u32| PathBuf::from(format!("{}.{number}", stem.display()));
    let (mut file, mut size) = (File::create(name(number))?, 0);
    names.push_back(name(number));
    loop {
        let count = fifo.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            if size == file_max_bytes {
                number += 1;
                (file, size) = (File::create(name(number))?, 0);
                names.push_back(name(number));
                if names.len() > files_max {
                    fs::remove_file(names.pop_front().unwrap_or_default())?;
                }
            }
            let (now, later) = rest.split_at(rest.len().min(file_max_bytes - size));
            file.write_all(now)?;
            size += now.len();
            rest = later;
        }
    }
}

fn under_reader(task: &Task, file_max_bytes: usize, files_max: usize) -> Result<(), Failed> {
    for stream in STREAMS {
        mkfifoat(CWD, task.fifo(stream), Mode::RUSR | Mode::WUSR)?;
    }
    std::thread::scope(|scope| {
        let readers = STREAMS.map(|stream| {
            let (fifo, stem) = (task.fifo(stream), task.logs.join(format!("task.{stream}")));
            scope.spawn(move || read_to_files(&fifo, &stem, file_max_bytes, files_max))
        });
        let status = task.passthrough().status()?;
        assert_eq!(status.code(), Some(7));
        for reader in readers {
            reader.join().expect("a reader does not panic")?;
        }
        Ok(())
    })
}

fn every_byte(runtime: &str) -> Result<(), Failed> {
    let task = Task::new(runtime, &lines(20_000, 0))?;
    under_reader(&task, 64 << 10, 1_000)?;
    check_whole(&task, 20_000)?;
    task.container.close()
}

fn the_last_is_kept(runtime: &str) -> Result<(), Failed> {
    let task = Task::new(runtime, &lines(20_000, 0))?;
    under_reader(&task, 64 << 10, 3)?;
    for stream in STREAMS {
        let kept = task.kept(stream)?;
        assert!(kept.len() > 2 * (64 << 10) && kept.len() <= 3 * (64 << 10), "{} bytes", kept.len());
        let last = kept.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).ok_or("no line")?;
        let last = crun_capture::script::line::decode(last, 5).ok_or("no stamp")?;
        assert!(last.sequence >= 19_998, "the tail is there: {}", last.sequence);
    }
    task.container.close()
}

fn no_reader(runtime: &str) -> Result<(), Failed> {
    let task = Task::new(runtime, &lines(10, 0))?;
    for stream in STREAMS {
        mkfifoat(CWD, task.fifo(stream), Mode::RUSR | Mode::WUSR)?;
    }
    let output = task.passthrough().output()?;
    assert_eq!(output.status.code(), Some(125));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("nobody reads this FIFO; start its reader first"), "{text}");
    let journal = task.journal()?;
    assert!(journal.is_none(), "the workload was not started");
    task.container.close()
}

/// Nomad's part, while it runs.
struct Peer {
    child: std::process::Child,
    said: BufReader<ChildStdout>,
    logmon: Pid,
}

impl Peer {
    fn start(task: &Task, verb: &str, words: &[std::ffi::OsString]) -> Result<Peer, Failed> {
        let mut peer = std::process::Command::new(go()?);
        peer.arg(verb).arg(&task.logs).args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = peer.spawn()?;
        let mut said = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let started = line(&mut said)?;
        let logmon = started["logmon_pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).ok_or("no pid")?;
        assert_eq!(started["stdout"].as_str(), task.fifo("stdout").to_str());
        Ok(Peer { child, said, logmon })
    }

    /// Ends the peer as `nomad logs` wants it. By then logmon has written what it read.
    fn end(mut self) -> Result<(), Failed> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }
}

fn line(said: &mut BufReader<ChildStdout>) -> Result<Value, Failed> {
    let mut text = String::new();
    said.read_line(&mut text)?;
    Ok(serde_json::from_str(&text)?)
}

fn under_logmon(runtime: &str) -> Result<(), Failed> {
    let task = Task::new(runtime, &lines(20_000, 0))?;
    let peer = Peer::start(&task, "logs", &[])?;
    assert_eq!(task.passthrough().status()?.code(), Some(7));
    peer.end()?;
    check_whole(&task, 20_000)?;
    task.container.close()
}

fn under_executor(runtime: &str) -> Result<(), Failed> {
    let task = Task::new(runtime, &lines(20_000, 0))?;
    let command = task.command();
    let words: Vec<_> = std::iter::once(command.program).chain(command.arguments).collect();
    let mut peer = Peer::start(&task, "run", &words)?;
    assert_eq!(line(&mut peer.said)?["exit_code"], 7);
    peer.end()?;
    check_whole(&task, 20_000)?;
    task.container.close()
}

/// A FIFO that is passed on makes its reader a single point of failure: without the reader the program's output ends.
fn logmon_killed(runtime: &str) -> Result<(), Failed> {
    Family::adopt_orphans()?;
    let task = Task::new(runtime, &lines(3_000, 1_000_000))?;
    let peer = Peer::start(&task, "logs", &[])?;
    let mut capture = task.passthrough().stderr(Stdio::null()).spawn()?;
    // logmon writes what it has every 100 ms. A capture that ends before has failed.
    while task.kept("stdout")?.is_empty() {
        if let Some(status) = capture.try_wait()? {
            return Err(format!("nothing came to logmon's file, and the capture has ended: {status}").into());
        }
        std::thread::yield_now();
    }
    kill_process(peer.logmon, Signal::KILL)?;
    let status = capture.wait()?;
    let journal = task.journal()?.ok_or("no journal")?;
    let refused = journal.writes.iter().filter(|write| write.errno == libc::EPIPE).count();
    // The init of a pid namespace does not die of SIGPIPE, but its writes fail. Any other program dies.
    if runtime == "bare" {
        assert_eq!(status.code(), Some(128 + libc::SIGPIPE));
    } else {
        assert!(refused > 0, "no write was refused: {status:?}");
    }
    assert!(task.kept("stdout")?.len() < 100 * 1_500, "what was written later is in no log");
    peer.end()?;
    task.container.close()
}
