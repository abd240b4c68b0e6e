//! A capturer is killed, and another one resumes its capture: no line is lost or doubled, and the exit status is there.
//!
//! This test is a program of its own, because its process becomes the one that adopts orphans.

#[path = "support/container.rs"]
mod container;
mod support;

use container::ReadyContainer;
use crun_capture::process::Family;
use crun_capture::script::{End, Lines, Script, Step};
use crun_capture_reactor::{Command, Stream};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::fd::AsFd;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};

/// A line of `capture --live json`.
struct Json {
    origin: usize,
    bytes: Vec<u8>,
    offset: u64,
}

fn parse(line: &str) -> Option<Json> {
    let value: Value = serde_json::from_str(line).ok()?;
    let mut bytes = value["line"].as_str()?.as_bytes().to_vec();
    match value["ending"].as_str()? {
        "lf" => bytes.push(b'\n'),
        "crlf" => bytes.extend_from_slice(b"\r\n"),
        _ => {}
    }
    let origin = usize::from(value["origin"] == "stderr");
    Some(Json { origin, bytes, offset: value["offset"].as_u64()? })
}

fn capture(command: &Command) -> std::process::Command {
    let mut capture = support::crun_capture();
    let paths = [&command.stdout_path, &command.stderr_path].map(|path| path.clone().unwrap());
    capture.args(["capture", "--strategy", "follow", "--live", "json", "--stdout-path"]).arg(&paths[0]);
    capture.arg("--stderr-path").arg(&paths[1]).stdin(Stdio::null()).stderr(Stdio::inherit());
    capture
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = support::usable(&["crun", "runc-detached", "fake", "bare"], &[]).into_iter();
    let trials = trials.map(|(name, usable)| Trial::test(name, move || check(name)).with_ignored_flag(!usable));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn check(runtime_name: &str) -> Result<(), Failed> {
    Family::adopt_orphans()?;
    let lines = Lines { interval_ns: 1_000_000, ..Lines::fast(&Stream::BOTH, 400, 99) };
    let script = Script::new(3, End::Exit(7)).then(Step::Lines(lines));
    let container = ReadyContainer::new(runtime_name, &script)?;
    let command = container.stage.command(&container.found);
    let mut first = capture(&command);
    first.arg("--").arg(&command.program).args(&command.arguments).stdout(Stdio::piped());
    let mut first = first.spawn()?;
    let mut got: [Vec<u8>; 2] = Default::default();
    let mut output = BufReader::new(first.stdout.take().ok_or("no pipe")?).lines();
    for line in output.by_ref().take(50) {
        take(&mut got, &parse(&line?).ok_or("no delivery")?);
    }
    // The front process of the workload, or the workload itself. It becomes our child when the capturer is gone.
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", first.id()))?;
    let front = children.split_whitespace().next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
    let front = pidfd_open(front.ok_or("the capturer has no child")?, PidfdFlags::empty())?;
    // The capturer is killed in mid-stream. What it has delivered by then counts, and nothing else.
    first.kill()?;
    first.wait()?;
    output.map_while(Result::ok).filter_map(|line| parse(&line)).for_each(|one| take(&mut got, &one));
    let before = got.each_ref().map(Vec::len);
    let mut second = capture(&command);
    second.arg("--resume").arg(format!("{},{}", before[0], before[1]));
    let second = second.output()?;
    assert!(second.status.success(), "{:?}", second.status);
    for line in String::from_utf8(second.stdout)?.lines() {
        take(&mut got, &parse(line).ok_or("no delivery")?);
    }
    for (stream, path) in [&command.stdout_path, &command.stderr_path].into_iter().enumerate() {
        let file = std::fs::read(path.as_ref().ok_or("no path")?)?;
        assert_eq!(file.iter().filter(|byte| **byte == b'\n').count(), 200, "the program has written all of it");
        assert!(file == got[stream], "stream {stream}");
        assert!(before[stream] < file.len(), "the second capturer had something to do");
    }
    let status = waitid(WaitId::PidFd(front.as_fd()), WaitIdOptions::EXITED)?.ok_or("no status")?;
    assert_eq!(status.exit_status(), Some(7), "the orphan's status is the subreaper's");
    container.close()
}

/// Adds a delivery, which must follow directly on what is there.
fn take(got: &mut [Vec<u8>; 2], one: &Json) {
    let got = &mut got[one.origin];
    assert_eq!(one.offset, got.len() as u64, "nothing is lost, and nothing comes twice");
    got.extend_from_slice(&one.bytes);
}
