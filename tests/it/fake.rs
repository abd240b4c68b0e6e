//! fake-crun keeps crun's contract, as far as a capturer can notice.

use crun_capture::bundle::{self, Contents, Flaw, Rootfs};
use crun_capture::script::{Data, End, Lines, Script, Step};
use crun_capture_reactor::Stream;
use rstest::rstest;
use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A bundle with a state directory of its own.
pub(crate) struct FakeBundle {
    pub(crate) directory: TempDir,
}

impl FakeBundle {
    pub(crate) fn new(script: &Script, flaw: Flaw, pid_namespace: bool) -> FakeBundle {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let emit = PathBuf::from(env!("CARGO_BIN_EXE_crun-capture-emit"));
        let rootfs = Rootfs::create(path("rootfs"), &emit).unwrap();
        bundle::make_exchange(&path("exchange"), script).unwrap();
        let contents = Contents {
            rootfs: &rootfs,
            exchange: &path("exchange"),
            pid_namespace,
            user_namespace: false,
            flaw,
            environment: &["FAKE_TEST=1".to_owned()],
        };
        bundle::write(&path("bundle"), &contents).unwrap();
        FakeBundle { directory }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-crun"));
        command.current_dir(self.directory.path());
        // fake-crun, like crun, looks for the state and the log from within the bundle. So the paths are absolute.
        command.arg("--root").arg(self.directory.path().join("state"));
        command.args(["--log-format", "json", "--log"]).arg(self.directory.path().join("log"));
        command.args(words).stdin(Stdio::null());
        command
    }

    pub(crate) fn call(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub(crate) fn run(&self) -> Output {
        self.call(&["run", "--bundle", "bundle", "c1"])
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn containers_left(&self) -> usize {
        std::fs::read_dir(self.directory.path().join("state")).map_or(0, |entries| entries.count())
    }

    pub(crate) fn state(&self) -> Value {
        serde_json::from_slice(&self.call(&["state", "c1"]).stdout).unwrap_or_default()
    }
}

impl Drop for FakeBundle {
    /// A test that fails leaves no container.
    fn drop(&mut self) {
        self.call(&["delete", "-f", "c1"]);
    }
}

fn in_turn(count: u64) -> Step {
    Step::Lines(Lines::fast(&Stream::BOTH, count, 80))
}

fn site(end: End) -> FakeBundle {
    FakeBundle::new(&Script::new(1, end).then(in_turn(2)), Flaw::None, true)
}

#[rstest]
#[case(End::Exit(0), true, 0)]
#[case(End::Exit(255), true, 255)]
#[case(End::Signal(libc::SIGTERM), false, 143)]
#[case(End::Signal(libc::SIGKILL), false, 137)]
#[case(End::Signal(libc::SIGSEGV), false, 139)]
#[case(End::Signal(libc::SIGKILL), true, 113)]
#[case(End::Abort, true, 139)]
#[case(End::Abort, false, 134)]
fn it_ends_as_the_container_does(#[case] end: End, #[case] pid_namespace: bool, #[case] code: i32) {
    let site = FakeBundle::new(&Script::new(1, end).then(in_turn(2)), Flaw::None, pid_namespace);
    let output = site.run();
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.stdout.len(), output.stderr.len(), site.log().len()), (81, 81, 0));
    assert_eq!(site.containers_left(), 0);
}

#[rstest]
#[case(Flaw::MissingConfig, "load `config.json`: cannot read the file: config.json", false)]
#[case(Flaw::InvalidJson, "load `config.json`: cannot parse the data", false)]
#[case(Flaw::MissingRootfs, "private: No such file or directory", true)]
#[case(Flaw::ExecutableNotFound, "executable file `/no-such-program` not found in $PATH", true)]
fn its_own_failures_are_those_of_crun(#[case] flaw: Flaw, #[case] says: &str, #[case] logged: bool) {
    let site = FakeBundle::new(&Script::new(1, End::Exit(0)), flaw, true);
    let output = site.run();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains(says), "{text}");
    assert_eq!(site.log().contains("\"level\":\"error\""), logged, "{}", site.log());
    assert_eq!(site.containers_left(), 0);
}

#[test]
fn the_container_has_the_callers_own_descriptors() {
    let script = Script::new(1, End::Exit(0)).then(in_turn(400));
    let site = FakeBundle::new(&script, Flaw::None, true);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = site.command(&["run", "--bundle", "bundle", "c1"]);
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success());
    let sequence: Vec<u64> = bytes
        .split(|&byte| byte == b'\n')
        .filter_map(|line| crun_capture::script::line::decode(line, 1))
        .map(|line| line.sequence)
        .collect();
    assert_eq!(sequence, (0..400).collect::<Vec<_>>(), "one pipe for both keeps the order");
}

#[test]
fn create_start_state_kill_delete() {
    let gate = Script::new(1, End::Exit(0)).then(Step::Wait { gate: "go".into() });
    let site = FakeBundle::new(&gate, Flaw::None, true);
    let create = |words: &[&str]| {
        // A container that lives on keeps the caller's descriptors open, so the test must not wait for their end.
        let mut command = site.command(words);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap()
    };
    assert!(create(&["create", "--bundle", "bundle", "--pid-file", "pid", "c1"]).success());
    assert_eq!(site.state()["status"], "created");
    let pid = std::fs::read_to_string(site.directory.path().join("bundle/pid"))
        .or_else(|_| std::fs::read_to_string(site.directory.path().join("pid")))
        .unwrap();
    assert_eq!(site.state()["pid"].to_string(), pid);
    assert!(create(&["start", "c1"]).success());
    assert_eq!(site.state()["status"], "running");
    assert_eq!(site.call(&["delete", "c1"]).status.code(), Some(1), "a running container is not deleted");
    let list = String::from_utf8(site.call(&["list"]).stdout).unwrap();
    assert!(list.contains("c1") && list.contains("running"), "{list}");
    assert!(site.call(&["kill", "c1", "KILL"]).status.success());
    let deadline = Instant::now() + Duration::from_secs(20);
    while site.state()["status"] != "stopped" {
        assert!(Instant::now() < deadline, "{}", site.state());
    }
    assert!(site.call(&["delete", "c1"]).status.success());
    assert_eq!(site.call(&["state", "c1"]).status.code(), Some(1));
    assert!(site.call(&["delete", "-f", "c1"]).status.success(), "an unknown container is deleted with -f");
}

#[test]
fn a_container_outlives_the_death_of_its_front_process() {
    let script = Script::new(1, End::Exit(0))
        .then(Step::Write { stream: Stream::Stdout, data: Data::Text("1".into()), piece_bytes: None })
        .then(Step::Wait { gate: "go".into() })
        .then(Step::Write { stream: Stream::Stdout, data: Data::Text("2".into()), piece_bytes: None });
    let site = FakeBundle::new(&script, Flaw::None, true);
    let mut front = site
        .command(&["run", "--bundle", "bundle", "c1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdout = front.stdout.take().unwrap();
    stdout.read_exact(&mut [0]).unwrap();
    front.kill().unwrap();
    front.wait().unwrap();
    assert_eq!(site.state()["status"], "running");
    drop(File::options().write(true).open(site.directory.path().join("exchange/gate-go")).unwrap());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "2");
    assert!(site.call(&["delete", "-f", "c1"]).status.success());
    assert_eq!(site.containers_left(), 0);
}

#[test]
fn it_tells_its_version_and_mode() {
    let site = site(End::Exit(0));
    let text = String::from_utf8(site.call(&["--version"]).stdout).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(concat!("fake-crun version ", env!("CARGO_PKG_VERSION"))));
    assert!(matches!(lines.next(), Some("mode: namespaces" | "mode: plain")), "{text}");
}

#[test]
fn in_plain_mode_it_needs_no_namespaces() {
    let site = site(End::Exit(7));
    let output = site.command(&["run", "--bundle", "bundle", "c1"]).env("FAKE_CRUN_MODE", "plain").output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(7), 81, 81));
    let version = site.command(&["--version"]).env("FAKE_CRUN_MODE", "plain").output().unwrap();
    assert!(String::from_utf8_lossy(&version.stdout).contains("mode: plain"));
}

#[test]
fn a_wrong_call_is_answered_as_by_crun() {
    let site = site(End::Exit(0));
    assert_eq!(site.call(&["run", "--frob", "c1"]).status.code(), Some(64));
    assert_eq!(site.call(&["run", "--bundle", "bundle"]).status.code(), Some(1));
    assert_eq!(site.call(&["frobnicate"]).status.code(), Some(1));
    assert_eq!(site.call(&["state", "nobody"]).status.code(), Some(1));
}
