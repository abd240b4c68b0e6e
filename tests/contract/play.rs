//! Plays a case: takes its steps with one runtime, and notes what is seen.

use crate::case::{Act, Call, Case};
use crate::case_directory::{CaseDirectory, DEADLINE, ended};
use crate::observation::{self, Observation, without_paths, without_times};
use crate::runtime::Runtime;
use crate::terminal::Console;
use crun_capture::sys;
use rustix::process::{Pid, PidfdFlags};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::mpsc;
use std::time::Instant;

/// Plays a case from its first step to its last. The output of the containers is read when all are gone.
pub(crate) fn play(case: &Case, runtime: Runtime) -> io::Result<Observation> {
    let mut player = Player {
        runtime,
        directory: CaseDirectory::new(&case.bundle, Runtime::user_namespace())?,
        calls: Vec::new(),
        spawned: None,
        gates: BTreeMap::new(),
        console: None,
        noted: Observation::default(),
    };
    for act in &case.acts {
        if let Err(error) = player.act(act) {
            return Err(io::Error::other(format!("{error}; seen so far:\n{}", player.everything()?.render())));
        }
    }
    player.everything()
}

struct Player {
    runtime: Runtime,
    directory: CaseDirectory,
    calls: Vec<Call>,
    /// The process that `Spawn` started, and the number of its call.
    spawned: Option<(Child, usize)>,
    gates: BTreeMap<&'static str, File>,
    console: Option<Console>,
    noted: Observation,
}

impl Player {
    fn act(&mut self, act: &Act) -> io::Result<()> {
        match act {
            Act::Call(call) => {
                let (child, number) = self.start(call)?;
                self.finish(child, number)
            }
            Act::Spawn(call) => {
                self.spawned = Some(self.start(call)?);
                Ok(())
            }
            Act::Finish => {
                let (child, number) = self.spawned.take().ok_or(io::ErrorKind::NotFound)?;
                self.finish(child, number)
            }
            Act::Signal(signal) => {
                let (child, number) = self.spawned.as_ref().ok_or(io::ErrorKind::NotFound)?;
                self.noted.note(format!("{number} gets signal {signal}"), "");
                sys::kill(child.id() as i32, *signal)
            }
            Act::Reach(gate) => {
                let opened = self.gate(gate)?;
                self.gates.insert(gate, opened);
                Ok(())
            }
            Act::Open(gate) => {
                match self.gates.remove(gate) {
                    Some(held) => drop(held),
                    None => drop(self.gate(gate)?),
                }
                Ok(())
            }
            Act::Until(word) => self.until(word),
            Act::Appears(name) => self.appears(name),
            Act::Waits => {
                let (child, _) = self.spawned.as_mut().ok_or(io::ErrorKind::NotFound)?;
                let answer = if child.try_wait()?.is_none() { "yes" } else { "no" };
                self.noted.note("does the front still run?", format!("{answer}\n"));
                Ok(())
            }
            Act::WorkloadEnds => self.directory.workload_ends(),
            Act::Lives => {
                let answer = match self.directory.workload_lives() {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "it never ran",
                };
                self.noted.note("does the workload live?", format!("{answer}\n"));
                Ok(())
            }
            Act::File(path) => self.file(path),
            Act::Listen => {
                self.console = Some(Console::listen(&self.directory.path("console"))?);
                Ok(())
            }
            Act::Terminal => {
                let console = self.console.as_ref().ok_or(io::ErrorKind::NotFound)?;
                let text = console.receive(DEADLINE)?;
                self.noted.note("the terminal", text);
                Ok(())
            }
        }
    }

    fn start(&mut self, call: &Call) -> io::Result<(Child, usize)> {
        self.calls.push(call.clone());
        let number = self.calls.len();
        let words = [call.global.unwrap_or_default(), call.words, call.redirections];
        let words: Vec<&str> = words.into_iter().filter(|words| !words.is_empty()).collect();
        let environment: String = call.environment.iter().map(|(name, value)| format!("{name}={value} ")).collect();
        self.noted.note(format!("{number} {environment}crun {}", words.join(" ")), "");
        Ok((self.runtime.command(&self.directory, call, number)?.spawn()?, number))
    }

    /// Waits for a call, and notes how it ended and which files exist then. Its output is read at the very end.
    fn finish(&mut self, mut child: Child, number: usize) -> io::Result<()> {
        let status = wait(&mut child)?;
        let code = status.code().map(|code| format!("{code}\n"));
        let signal = status.signal().map(|signal| format!("signal {signal}\n"));
        self.noted.note(format!("{number} exit"), code.or(signal).unwrap_or_default());
        for part in ["stdout", "stderr", "log"] {
            self.noted.note(format!("{number} {part}"), "");
        }
        if self.spawned.is_some() {
            // If another call runs, it may be changing the directories.
            return Ok(());
        }
        let mut names = self.directory.names("state");
        if names.is_empty() {
            names = if self.directory.path("state").exists() { "(empty)\n" } else { "(none)\n" }.to_owned();
        }
        self.noted.note(format!("{number} state directory"), names);
        let bundle = self.directory.names("bundle");
        self.noted.note(format!("{number} bundle"), if bundle == "config.json\n" { String::new() } else { bundle });
        Ok(())
    }

    /// Opens the FIFO of a gate. The open returns when the workload waits at the gate.
    fn gate(&self, gate: &str) -> io::Result<File> {
        let path = self.directory.path(&format!("exchange/gate-{gate}"));
        let (sender, receiver) = mpsc::channel();
        // Such an open has no deadline. If it never returns, its thread ends with this program.
        std::thread::spawn(move || sender.send(File::options().write(true).open(path)));
        let opened = receiver.recv_timeout(DEADLINE);
        opened.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("nobody waits at gate {gate}")))?
    }

    fn until(&self, word: &str) -> io::Result<()> {
        let deadline = Instant::now() + DEADLINE;
        let call = Call::new("state c1").global("--root SITE/state");
        let number = usize::MAX;
        loop {
            wait(&mut self.runtime.command(&self.directory, &call, number)?.spawn()?)?;
            let state = fs::read(self.directory.path(&format!("{number}.stdout")))?;
            let state: serde_json::Value = serde_json::from_slice(&state).unwrap_or_default();
            if state["status"] == word {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("not {word} but {state}")));
            }
        }
    }

    fn appears(&self, name: &str) -> io::Result<()> {
        let deadline = Instant::now() + DEADLINE;
        while fs::metadata(self.directory.path(name)).map_or(0, |metadata| metadata.len()) == 0 {
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("{name} does not appear")));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn file(&mut self, name: &str) -> io::Result<()> {
        let path = self.directory.path(name);
        let text = match fs::metadata(&path) {
            Err(_) => "(not there)\n".to_owned(),
            Ok(metadata) if metadata.is_dir() => {
                format!("a directory of mode {:04o}\n", metadata.permissions().mode() & 0o7777)
            }
            Ok(metadata) => {
                use std::os::unix::fs::MetadataExt;
                let content = shown(&self.directory, &fs::read(&path)?);
                let shown = if self.is_pid(&content) { "PID".to_owned() } else { content };
                let owner = if metadata.uid() == rustix::process::getuid().as_raw() {
                    "the caller".to_owned()
                } else {
                    metadata.uid().to_string()
                };
                format!("mode {:04o}, of {owner}: {shown}", metadata.permissions().mode() & 0o7777)
            }
        };
        self.noted.note(format!("file {name}"), text);
        Ok(())
    }

    /// Whether this is the pid in the status file of the container, or any number if there is no such file.
    fn is_pid(&self, content: &str) -> bool {
        let digits = !content.is_empty() && content.bytes().all(|byte| byte.is_ascii_digit());
        let status = fs::read(self.directory.path("state/c1/status")).unwrap_or_default();
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap_or_default();
        digits && (status.is_null() || status["pid"] == content.parse::<i64>().unwrap_or(0))
    }

    /// Everything that was noted, with the output of every call.
    fn everything(&mut self) -> io::Result<Observation> {
        for (index, call) in self.calls.iter().enumerate() {
            let number = index + 1;
            let read = |ending: &str| {
                let bytes = fs::read(self.directory.path(&format!("{number}.{ending}")));
                bytes.map(|bytes| shown(&self.directory, &bytes))
            };
            let shape = match call.words.split(' ').next() {
                Some("list") if call.words.contains("json") => observation::without_numbers,
                Some("list") => observation::table,
                Some("state") => observation::without_numbers,
                _ => str::to_owned,
            };
            self.noted.set(&format!("{number} stdout"), shape(&read("stdout")?));
            self.noted.set(&format!("{number} stderr"), read("stderr")?);
            if call.global.is_none() {
                let log = read("log").map_or_else(|_| "(none)\n".to_owned(), |text| observation::log(&text));
                self.noted.set(&format!("{number} log"), log);
            }
        }
        self.noted.drop_empty();
        Ok(std::mem::take(&mut self.noted))
    }
}

/// The text without what differs from run to run.
fn shown(directory: &CaseDirectory, bytes: &[u8]) -> String {
    without_times(&without_paths(&String::from_utf8_lossy(bytes), directory.root()))
}

/// Waits for a child, but not longer than the deadline.
fn wait(child: &mut Child) -> io::Result<ExitStatus> {
    let handle = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    ended(handle.as_fd())?;
    child.wait()
}
