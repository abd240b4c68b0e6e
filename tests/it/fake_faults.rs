//! The faults of fake-crun: each one happens if the bundle asks for it, and no other does.

use crate::fake::FakeBundle;
use crun_capture::bundle::Flaw;
use crun_capture::process::readable;
use crun_capture::script::{Data, End, Script, Step, Surroundings};
use crun_capture_reactor::Stream;
use rstest::rstest;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(20);

/// A container with this fault. It prints a word and exits with 3.
fn site(fault: &str, value: &str) -> FakeBundle {
    with_script(&Script::new(1, End::Exit(3)).then(word()), fault, value)
}

fn with_script(script: &Script, fault: &str, value: &str) -> FakeBundle {
    let site = FakeBundle::new(script, Flaw::None, true);
    let path = site.directory.path().join("bundle/config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["annotations"] = json!({ format!("org.crun-capture.fake.{fault}"): value, "org.example.other": "1" });
    std::fs::write(&path, config.to_string()).unwrap();
    site
}

fn word() -> Step {
    Step::Write { stream: Stream::Stdout, data: Data::Text("word\n".into()), piece_bytes: None }
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[track_caller]
fn check(site: &FakeBundle, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(texts(&site.run()), (Some(code), stdout.to_owned(), stderr.to_owned()));
    assert_eq!(site.containers_left(), 0);
}

#[test]
fn refuse_start() {
    let site = site("refuse-start", "no more room");
    check(&site, 1, "", "no more room\n");
    assert!(site.log().contains(r#""msg":"no more room","level":"error""#), "{}", site.log());
}

#[test]
fn die_before_exec() {
    let site = site("die-before-exec", "true");
    check(&site, 137, "", "");
    assert_eq!(site.log(), "");
}

#[test]
fn warn() {
    check(&site("warn", "mind the gap"), 3, "word\n", "mind the gap\n");
}

#[test]
fn slow_start() {
    let site = site("slow-start-ms", "150");
    let started = Instant::now();
    check(&site, 3, "word\n", "");
    assert!(started.elapsed() >= Duration::from_millis(150), "{:?}", started.elapsed());
}

#[test]
fn exit_code() {
    check(&site("exit-code", "42"), 42, "word\n", "");
}

#[test]
fn linger() {
    let site = site("linger-ms", "150");
    let alive = site.directory.path().join("exchange/alive");
    let alive = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(alive).unwrap();
    let mut front = site.command(&["run", "--bundle", "bundle", "c1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = front.stdout.take().unwrap();
    assert!(readable(alive.as_fd(), DEADLINE), "the program ends");
    let ended = Instant::now();
    assert_eq!(front.wait().unwrap().code(), Some(3));
    assert!(ended.elapsed() >= Duration::from_millis(100), "{:?}", ended.elapsed());
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(text, "word\n");
}

#[test]
fn abandon() {
    let script = Script::new(1, End::Exit(0)).then(Step::Wait { gate: "go".into() }).then(word());
    let site = with_script(&script, "abandon", "true");
    let mut command = site.command(&["run", "--bundle", "bundle", "--pid-file", "the-pid", "c1"]);
    let mut front = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (front.stdout.take().unwrap(), front.stderr.take().unwrap());
    let handle = pidfd_open(Pid::from_child(&front), PidfdFlags::empty()).unwrap();
    assert!(readable(handle.as_fd(), DEADLINE), "the front leaves the program waiting at its gate");
    assert_eq!(front.wait().unwrap().code(), Some(1));
    assert_eq!(site.containers_left(), 0, "nobody knows it");
    drop(File::options().write(true).open(site.directory.path().join("exchange/gate-go")).unwrap());
    let (mut said, mut complaint) = (String::new(), String::new());
    stdout.read_to_string(&mut said).unwrap();
    stderr.read_to_string(&mut complaint).unwrap();
    assert_eq!(said, "word\n", "the program runs");
    assert_eq!(complaint, "opening file `the-pid` for writing: No such file or directory\n");
}

#[test]
fn nonblock() {
    let script = Script::new(1, End::Exit(0)).then(Step::Describe { what: Surroundings::Descriptors });
    let site = with_script(&script, "nonblock", "true");
    check(&site, 0, "0 device\n1 pipe nonblock\n2 pipe nonblock\n", "");
}

#[test]
fn keep_open() {
    let site = site("keep-open", "300");
    let mut command = site.command(&["run", "--bundle", "bundle", "c1"]);
    let mut front = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut stderr) = (front.stdout.take().unwrap(), front.stderr.take().unwrap());
    assert_eq!(front.wait().unwrap().code(), Some(3));
    let exited = Instant::now();
    let mut text = [0; 5];
    stdout.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"word\n");
    assert!(!readable(stdout.as_fd(), Duration::from_millis(50)), "the stream is held open");
    assert!(readable(stderr.as_fd(), DEADLINE) && readable(stdout.as_fd(), DEADLINE), "but not for ever");
    assert!(exited.elapsed() >= Duration::from_millis(250), "{:?}", exited.elapsed());
    assert_eq!((stdout.read(&mut text).unwrap(), stderr.read(&mut text).unwrap()), (0, 0));
}

#[rstest]
#[case("no-such-fault", "1", "there is no such fault")]
#[case("exit-code", "256", "`256` is no number from 0 to 255")]
#[case("linger-ms", "soon", "`soon` is no number of milliseconds")]
#[case("abandon", "yes", "`yes` is neither true nor false")]
fn what_is_no_fault_is_an_error(#[case] fault: &str, #[case] value: &str, #[case] why: &str) {
    let site = site(fault, value);
    check(&site, 1, "", &format!("annotation `org.crun-capture.fake.{fault}`: {why}\n"));
    assert!(site.log().contains(why), "{}", site.log());
}

#[test]
fn without_an_annotation_there_is_no_fault() {
    check(&site("abandon", "false"), 3, "word\n", "");
}
