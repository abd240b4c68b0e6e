//! A warden: it starts harnesses, ends them as it was told, and then looks for whatever is left.

use crate::support;
use crun_capture::phase::AT;
use crun_capture::process::children;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, wait, waitpid};
use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

/// How many harnesses run at once.
const MANY: usize = 20;

/// A cell that delivers for a while, and one that is over at once.
const CELLS: [&str; 2] = ["scanner/paced/1ms", "file/exit-status/code-7"];

/// A cell that comes to its deadline.
const HANGS: &str = "scanner/long-line/65537";

/// Whose capturers have more to leave than pipes: sockets, a container that was created, a file that is watched. Their cell waits for
/// as long as nobody reads.
pub(crate) const STRATEGIES: [&str; 4] = ["sequenced", "pty", "splice", "follow"];

pub(crate) fn run(runtime: &str, phase: &str, way: &str) -> ExitCode {
    set_child_subreaper(Some(Pid::INIT)).expect("prctl");
    let directory = tempfile::tempdir().expect("a directory");
    let temporary = directory.path().join("tmp");
    fs::create_dir(&temporary).expect("a directory");
    let place = Place { runtime, directory: directory.path(), temporary: &temporary, runs: RefCell::default() };
    let _nothing_stays = Guard;
    match phase {
        "whole" => place.ends(&mut place.harness(&CELLS), 0),
        "deadline" => place.ends(&mut place.harness(&[HANGS]), 0),
        "failure" => place.failure(),
        "capturer-killed" => place.capturer_killed(),
        "many" => place.many(),
        _ if STRATEGIES.contains(&phase) => {
            place.ended_at(&format!("{phase}/flood/stderr-first"), "delivering", way);
        }
        phase => place.ended(phase, way),
    }
    place.nothing_is_left();
    ExitCode::SUCCESS
}

/// A trial that fails leaves nothing either.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let orphans = || children("self").into_iter().filter_map(|pid| Pid::from_raw(pid as i32));
        while orphans()
            .any(|pid| kill_process(pid, Signal::KILL).and_then(|()| waitpid(Some(pid), WaitOptions::empty())).is_ok())
        {
        }
    }
}

struct Place<'a> {
    runtime: &'a str,
    directory: &'a Path,
    temporary: &'a Path,
    /// The ids of the runs that were held.
    runs: RefCell<Vec<String>>,
}

impl Place<'_> {
    fn harness(&self, cells: &[&str]) -> Command {
        let mut command = support::crun_capture();
        command.args(["compare", "--quick", "--runtime", self.runtime]).current_dir(self.directory);
        for cell in cells {
            command.args(["--filter", &format!("{}/{cell}", self.runtime)]);
        }
        command.env("TMPDIR", self.temporary).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// A run that is not disturbed.
    fn ends(&self, harness: &mut Command, code: i32) {
        let output = harness.output().expect("it starts");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A run whose failure nobody expects.
    fn failure(&self) {
        let none = self.directory.join("none.toml");
        fs::write(&none, "").expect("it can be written");
        self.ends(self.harness(&["scanner/bytes/crlf"]).arg("--expectations").arg(none), 100);
    }

    /// A capturer that is killed when it has started the container, which then blocks on a pipe that nobody reads.
    fn capturer_killed(&self) {
        let declaration = self.directory.join("dies.toml");
        let text = "name = \"dies\"\nprogram = [\"sh\", \"-c\", 'shift; (\"$@\" | sleep 1000) & kill -9 $$', \"x\"]\n";
        fs::write(&declaration, text).expect("it can be written");
        self.ends(self.harness(&["dies/long-line/1048576"]).arg("--capturer").arg(declaration), 100);
    }

    /// A run that is ended in `phase`.
    fn ended(&self, phase: &str, way: &str) {
        // Without a runtime there is nothing to be probed, and no container to be held.
        if self.runtime == "bare" && phase == "probe" {
            return;
        }
        // A capturer that hangs, and its workload with it, are there for as long as nobody ends them.
        let held = matches!(phase, "started" | "delivering");
        self.ended_at(if held { HANGS } else { CELLS[0] }, phase, way);
    }

    /// The same while it runs this cell.
    fn ended_at(&self, cell: &str, phase: &str, way: &str) {
        let what = if way == "panic" { "panic" } else { "stop" };
        let held = matches!(phase, "started" | "delivering");
        let mut harness = self.harness(&[cell]).env(AT, format!("{phase}:{what}")).spawn().expect("it starts");
        if way != "panic" {
            self.hold(&harness, phase);
        }
        match way {
            "kill" => {
                signal(&harness, Signal::KILL);
                harness.wait().expect("it can be waited for");
                // What makes this a test: there was something to be found.
                assert!(!held || !children("self").is_empty(), "the kill has left no process");
                let next = self.harness(&CELLS[1..]).output().expect("it starts");
                let text = String::from_utf8_lossy(&next.stderr);
                assert_eq!(next.status.code(), Some(0), "{text}");
                assert!(text.contains("removed what a killed run had left"), "{text}");
                assert!(!text.contains("something of it is still there"), "{text}");
            }
            "panic" => {
                let code = harness.wait().expect("it can be waited for").code();
                assert!(matches!(code, Some(1 | 101)), "{code:?}");
            }
            _ => {
                signal(&harness, if way == "int" { Signal::INT } else { Signal::TERM });
                signal(&harness, Signal::CONT);
                let code = harness.wait().expect("it can be waited for").code();
                // All cells were done by then; what comes after is not interrupted.
                let expected: &[Option<i32>] = if phase == "closing" { &[Some(0), Some(130)] } else { &[Some(130)] };
                assert!(expected.contains(&code), "{code:?}");
            }
        }
    }

    /// Blocks until the harness has stopped itself in the phase.
    fn hold(&self, harness: &Child, phase: &str) {
        let status = waitpid(Some(Pid::from_child(harness)), WaitOptions::UNTRACED).expect("it can be waited for");
        let stopped = status.is_some_and(|(_, status)| status.stopped());
        assert!(stopped, "it never came to the phase {phase}");
        let runs =
            names(self.temporary).into_iter().filter_map(|name| name.strip_prefix("crun-capture-").map(str::to_owned));
        self.runs.borrow_mut().extend(runs);
        assert!(!self.runs.borrow().is_empty(), "there is no scratch directory");
    }

    /// Harnesses side by side, of which every third is killed: none takes another's for dead.
    fn many(&self) {
        let started: Vec<Child> = (0..MANY)
            .map(|number| {
                let mut command = self.harness(&CELLS[number % 2..=number % 2]);
                if number % 3 == 0 {
                    command.env(AT, "started:stop");
                }
                command.spawn().expect("it starts")
            })
            .collect();
        for (number, harness) in started.into_iter().enumerate() {
            if number % 3 == 0 {
                self.hold(&harness, "started");
                signal(&harness, Signal::KILL);
                continue;
            }
            let output = harness.wait_with_output().expect("it can be waited for");
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        }
        self.ends(&mut self.harness(&CELLS[1..]), 0);
    }

    fn nothing_is_left(&self) {
        while wait(WaitOptions::NOHANG).is_ok_and(|reaped| reaped.is_some()) {}
        let name =
            |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().replace('\0', " ");
        let processes: Vec<String> = children("self").iter().map(name).collect();
        assert!(processes.is_empty(), "processes are left: {processes:?}");
        assert_eq!(names(self.temporary), [""; 0], "temporary files are left");
        for name in outside() {
            assert!(!self.runs.borrow().iter().any(|run| name.contains(run)), "{name} is left");
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it can be read");
        assert!(!mounts.contains(&*self.temporary.to_string_lossy()), "mounts are left: {mounts}");
    }
}

/// What lies outside the directory of temporary files and may be of a run: directories in memory, control groups.
pub(crate) fn outside() -> Vec<String> {
    names(Path::new("/dev/shm")).into_iter().chain(control_groups(Path::new("/sys/fs/cgroup"))).collect()
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The paths of all control groups below `path`.
fn control_groups(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path());
    let with_those_below = |path: std::path::PathBuf| {
        let below = control_groups(&path);
        std::iter::once(path.display().to_string()).chain(below)
    };
    folders.flat_map(with_those_below).collect()
}

fn signal(harness: &Child, signal: Signal) {
    kill_process(Pid::from_child(harness), signal).expect("it is a child of this process");
}
