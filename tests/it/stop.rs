//! A container that was stopped is gone. Each step records its outcome, and no runtime is trusted by its word alone.

use crun_capture::bundle::{self, Contents, Flaw, Rootfs};
use crun_capture::process::Family;
use crun_capture::runtime::{Handle, Stop};
use crun_capture::script::{End, Script, Step};
use rstest::rstest;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const ID: &str = "cc-stop";

/// A container that runs until somebody ends it. It is reached through `words`.
fn running(directory: &Path, pid_namespace: bool, words: Vec<String>) -> Handle {
    let path = |name: &str| directory.join(name);
    let rootfs = Rootfs::create(path("rootfs"), Path::new(env!("CARGO_BIN_EXE_crun-capture-emit"))).unwrap();
    let script = Script::new(1, End::Exit(0)).then(Step::Wait { gate: "never".into() });
    bundle::make_exchange(&path("exchange"), &script).unwrap();
    let contents = Contents {
        rootfs: &rootfs,
        exchange: &path("exchange"),
        pid_namespace,
        user_namespace: false,
        flaw: Flaw::None,
        environment: &["STOP_TEST=1".to_owned()],
    };
    bundle::write(&path("bundle"), &contents).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_fake-crun"));
    run.arg("--root").arg(path("state")).args(["run", "--detach", "--bundle"]).arg(path("bundle")).arg(ID);
    let status = run.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert!(status.success());
    let words = words.into_iter().chain(["--root".to_owned(), path("state").display().to_string()]);
    Handle { words: words.map(Into::into).collect(), state_root: path("state"), id: ID.to_owned() }
}

fn fake() -> Vec<String> {
    vec![env!("CARGO_BIN_EXE_fake-crun").to_owned()]
}

fn stop(handle: &Handle, grace: Duration) -> Stop {
    Family::adopt_orphans().unwrap();
    handle.stop(&Family::of_run("stop-test", &std::env::temp_dir()), grace)
}

fn steps(stop: &Stop) -> Vec<(&str, &str)> {
    stop.steps.iter().map(|step| (step.name.as_str(), step.outcome.as_str())).collect()
}

#[test]
fn a_pid_1_without_a_handler_survives_term_and_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let handle = running(directory.path(), true, fake());
    let stop = stop(&handle, Duration::from_millis(50));
    let expected = [
        ("state", "ok"),
        ("kill TERM", "ok"),
        ("grace", "it still runs"),
        ("kill KILL", "ok"),
        ("end", "ok"),
        ("delete", "ok"),
        ("gone", "ok"),
    ];
    assert_eq!((steps(&stop).as_slice(), stop.status.as_deref(), stop.gone), (&expected[..], Some("running"), true));
    assert!(stop.steps[2].took_ns >= 50_000_000);
    assert_eq!(stop.failure(ID), None);
}

#[test]
fn what_ends_by_term_is_not_killed() {
    let directory = tempfile::tempdir().unwrap();
    let handle = running(directory.path(), false, fake());
    let stop = stop(&handle, Duration::from_secs(30));
    let expected = [("state", "ok"), ("kill TERM", "ok"), ("grace", "ok"), ("delete", "ok"), ("gone", "ok")];
    assert_eq!((steps(&stop).as_slice(), stop.gone), (&expected[..], true));
}

#[test]
fn what_is_not_known_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let handle = running(directory.path(), true, fake());
    assert!(stop(&handle, Duration::ZERO).gone);
    let again = stop(&handle, Duration::ZERO);
    assert_eq!((again.status.as_deref(), again.gone), (None, true));
    assert_eq!(steps(&again)[1..], [("delete", "ok"), ("gone", "ok")]);
}

/// Runtimes that say one thing and do another, as crun 1.8.1 does with an unknown signal.
#[rstest]
#[case("kill|delete) exit 0", "the runtime still knows it")]
#[case("kill|delete) echo 'no such thing' >&2; exit 1", "the runtime still knows it")]
#[case("kill) exit 0;; delete) rm -r \"$2/cc-stop\"", "its init still runs")]
fn a_runtime_that_lies_is_found_out(#[case] lie: &str, #[case] says: &str) {
    let directory = tempfile::tempdir().unwrap();
    let liar = directory.path().join("liar");
    let real = env!("CARGO_BIN_EXE_fake-crun");
    std::fs::write(&liar, format!("#!/bin/sh\ncase \"$3\" in\n{lie};;\n*) exec '{real}' \"$@\";;\nesac\n")).unwrap();
    std::fs::set_permissions(&liar, PermissionsExt::from_mode(0o700)).unwrap();
    let handle = running(directory.path(), true, vec![liar.display().to_string()]);
    let init = std::fs::read_to_string(handle.state_root.join(ID).join("status")).unwrap();
    let init: i64 = serde_json::from_str::<serde_json::Value>(&init).unwrap()["pid"].as_i64().unwrap();
    let stop = stop(&handle, Duration::ZERO);
    // The container is still there. It must be ended before anything can fail.
    let pid = rustix::process::Pid::from_raw(init as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    assert!(!stop.gone);
    assert_eq!(stop.steps.last().unwrap().outcome, says);
    assert!(stop.failure(ID).unwrap().contains(says));
    assert_eq!(stop.steps.iter().filter(|step| step.outcome == "it still runs").count(), 2, "{:?}", stop.steps);
}
