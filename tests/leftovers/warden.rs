//! A warden: it starts harnesses, ends them as it is told, and then looks for everything that is left.

use crate::support;
use crun_capture::phase::AT;
use crun_capture::process::children;
use crun_capture::scratch::RUN_PREFIX;
use crun_capture::strategy;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, wait, waitpid};
use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

/// The number of harnesses that run at once.
const MANY: usize = 20;

/// A cell that delivers for a while, and a cell that ends at once.
const CELLS: [&str; 2] = ["scanner/paced/1ms", "file/exit-status/code-7"];

/// A cell that reaches its deadline.
const HANGS: &str = "scanner/long-line/65537";

/// The strategies whose capturers can leave more than pipes: sockets, a created container, a watched file. Their program
/// waits until the harness lets it go on.
pub(crate) fn strategies() -> impl Iterator<Item = &'static str> {
    let all = strategy::ALL.iter().filter(|one| one.reactive().is_some() && !one.needs().needs_reader);
    all.map(|one| one.name())
}

pub(crate) fn run(runtime: &str, phase: &str, way: &str) -> ExitCode {
    set_child_subreaper(Some(Pid::INIT)).expect("prctl");
    let directory = tempfile::tempdir().expect("a directory");
    let temporary = directory.path().join("tmp");
    fs::create_dir(&temporary).expect("a directory");
    let prefix = format!("{:08x}", fastrand::u32(..));
    let trial = Warded { runtime, directory: directory.path(), temporary: &temporary, prefix };
    let _nothing_stays = Guard;
    match phase {
        "whole" => trial.ends(&mut trial.harness(&CELLS), 0),
        "deadline" => trial.ends(&mut trial.harness(&[HANGS]), 0),
        "failure" => trial.failure(),
        "capturer-killed" => trial.capturer_killed(),
        "many" => trial.many(),
        _ if strategies().any(|name| name == phase) => {
            trial.ended_at(&format!("{phase}/kernel/idle"), "delivering", way);
        }
        phase => trial.ended(phase, way),
    }
    trial.nothing_is_left();
    ExitCode::SUCCESS
}

/// Kills everything that is left, so that a trial that fails leaves nothing either.
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

struct Warded<'a> {
    runtime: &'a str,
    directory: &'a Path,
    temporary: &'a Path,
    /// The beginning of the ids of this trial's runs.
    prefix: String,
}

impl Warded<'_> {
    fn harness(&self, cells: &[&str]) -> Command {
        let mut command = support::crun_capture();
        command.args(["compare", "--quick", "--runtime", self.runtime]).current_dir(self.directory);
        for cell in cells {
            command.args(["--filter", &format!("{}/{cell}", self.runtime)]);
        }
        command.env("TMPDIR", self.temporary).env(RUN_PREFIX, &self.prefix);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A run that is not disturbed.
    fn ends(&self, harness: &mut Command, code: i32) {
        let output = harness.output().expect("it starts");
        assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A run with a failure that nobody expects.
    fn failure(&self) {
        let none = self.directory.join("none.toml");
        fs::write(&none, "").expect("it can be written");
        self.ends(self.harness(&["scanner/bytes/crlf"]).arg("--expectations").arg(none), 100);
    }

    /// A run with a capturer that is killed after it has started the container. The container then blocks on a pipe
    /// that nobody reads.
    fn capturer_killed(&self) {
        let declaration = self.directory.join("dies.toml");
        let text = "name = \"dies\"\nprogram = [\"sh\", \"-c\", 'shift; (\"$@\" | sleep 1000) & kill -9 $$', \"x\"]\n";
        fs::write(&declaration, text).expect("it can be written");
        self.ends(self.harness(&["dies/long-line/1048576"]).arg("--capturer").arg(declaration), 100);
    }

    /// A run that is ended in `phase`.
    fn ended(&self, phase: &str, way: &str) {
        // Without a runtime there is nothing to probe.
        if self.runtime == "bare" && phase == "probe" {
            return;
        }
        // A capturer that hangs, and its workload, stay for as long as nobody ends them.
        let held = matches!(phase, "started" | "delivering");
        self.ended_at(if held { HANGS } else { CELLS[0] }, phase, way);
    }

    /// A run that is ended in `phase` while it runs this cell.
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
                // Without this the test would show nothing: the kill must have left something.
                assert!(!held || !children("self").is_empty(), "the kill has left no process");
                let next = self.harness(&CELLS[1..]).output().expect("it starts");
                let text = String::from_utf8_lossy(&next.stderr);
                assert_eq!(next.status.code(), Some(0), "{text}");
                assert!(text.contains("removed what a killed run had left"), "{text}");
                assert!(!text.contains("could not be removed"), "{text}");
            }
            "panic" => {
                let code = harness.wait().expect("it can be waited for").code();
                assert!(matches!(code, Some(1 | 101)), "{code:?}");
            }
            _ => {
                signal(&harness, if way == "int" { Signal::INT } else { Signal::TERM });
                signal(&harness, Signal::CONT);
                let code = harness.wait().expect("it can be waited for").code();
                // All cells were done by then, and what comes after is not interrupted.
                let expected: &[Option<i32>] = if phase == "closing" { &[Some(0), Some(130)] } else { &[Some(130)] };
                assert!(expected.contains(&code), "{code:?}");
            }
        }
    }

    /// Blocks until the harness has stopped itself in this phase.
    fn hold(&self, harness: &Child, phase: &str) {
        let status = waitpid(Some(Pid::from_child(harness)), WaitOptions::UNTRACED).expect("it can be waited for");
        let stopped = status.is_some_and(|(_, status)| status.stopped());
        assert!(stopped, "it never came to the phase {phase}");
        let name = format!("crun-capture-{}", self.prefix);
        assert!(names(self.temporary).iter().any(|one| one.starts_with(&name)), "there is no scratch directory");
    }

    /// Harnesses that run side by side, and every third is killed. None may take a living one for dead.
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
            let says = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            // 5: with so many beside each other, one may have had no CPU for too long.
            assert!(matches!(output.status.code(), Some(0 | 5)), "{:?} {}", output.status, says.concat());
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
        // Other tests may run at the same time. Only the runs of this trial have its prefix.
        let left: Vec<String> = outside().into_iter().filter(|name| name.contains(&self.prefix)).collect();
        assert_eq!(left, [""; 0], "what lies outside the directory of temporary files is left");
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("it can be read");
        assert!(!mounts.contains(&*self.temporary.to_string_lossy()), "mounts are left: {mounts}");
    }
}

/// What lies outside the directory for temporary files and may belong to a run: directories in memory, and cgroups.
fn outside() -> Vec<String> {
    names(Path::new("/dev/shm")).into_iter().chain(control_groups(Path::new("/sys/fs/cgroup"))).collect()
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// The paths of all cgroups below `path`.
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
