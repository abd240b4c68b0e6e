//! Runtimes with one planted fault: the fake, which an annotation in config.json tells to do one thing wrong.
//!
//! Called by a name that begins with `faulty-`, this program runs in front of the fake. It adds the annotation to the
//! bundle of a cell (not to that of the harness's probe), and becomes the fake.

use crate::support;
use libtest_mimic::Failed;
use serde_json::Value;
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

/// The beginning of the names of such programs.
const PREFIX: &str = "faulty-";

/// A fault of the runtime, the cell in which it is looked for, and what the harness must say.
pub(crate) struct Fault {
    pub(crate) annotation: &'static str,
    value: &'static str,
    strategy: &'static str,
    pub(crate) cell: &'static str,
    says: Says,
}

enum Says {
    /// Exactly these findings are broken.
    Broken(&'static [&'static str]),
    /// Exactly the findings of one of these lists are broken. A race decides which list.
    BrokenOneOf(&'static [&'static [&'static str]]),
    /// Nothing is broken, and this finding has at least this value.
    AtLeast(&'static str, u64),
}

const fn fault(
    annotation: &'static str,
    value: &'static str,
    strategy: &'static str,
    cell: &'static str,
    says: Says,
) -> Fault {
    Fault { annotation, value, strategy, cell, says }
}

pub(crate) const ALL: &[Fault] = &[
    fault(
        "refuse-start",
        "no thank you",
        "scanner",
        "interleave/in-turn",
        Says::Broken(&["workload_started", "exit_reported", "runtime_error"]),
    ),
    // The log is empty, so the harness can only tell that nothing ran, and the exit code.
    fault(
        "die-before-exec",
        "true",
        "scanner",
        "interleave/in-turn",
        Says::Broken(&["workload_started", "exit_reported"]),
    ),
    fault("warn", "a warning", "scanner", "interleave/in-turn", Says::Broken(&["foreign_lines"])),
    // The start comes before the first write, and is not the capturer's fault.
    fault("slow-start-ms", "300", "scanner", "exit-status/code-7", Says::AtLeast("wall_ns", 300_000_000)),
    fault("exit-code", "3", "scanner", "exit-status/code-7", Says::Broken(&["exit_reported"])),
    fault("linger-ms", "300", "scanner", "exit-status/code-7", Says::AtLeast("exit_latency_ns", 300_000_000)),
    fault("abandon", "true", "scanner", "paced/1ms", Says::Broken(&["exit_reported", "runtime_error"])),
    // The files are read when the runtime has exited, while the program still writes them or has not yet begun. A write
    // across the end of a page becomes visible in two steps, and a reader between them gets a part of a line.
    fault(
        "abandon",
        "true",
        "file",
        "paced/1ms",
        Says::BrokenOneOf(&[
            &["lost_bytes", "exit_reported", "runtime_error", "left_behind"],
            &["lost_bytes", "altered_lines", "exit_reported", "runtime_error", "left_behind"],
            &["workload_started", "exit_reported", "runtime_error", "left_behind"],
        ]),
    ),
    fault("nonblock", "true", "buffered", "throughput/64k-writes", Says::Broken(&["refused_bytes"])),
    fault("keep-open", "300", "scanner", "exit-status/code-7", Says::AtLeast("exit_latency_ns", 200_000_000)),
    fault("keep-open", "60000", "scanner", "exit-status/code-7", Says::Broken(&["deadline_hit", "left_behind"])),
    fault("keep-open", "60000", "file", "exit-status/code-7", Says::Broken(&["left_behind"])),
];

/// The annotation that this program must plant, from the name by which it was called.
pub(crate) fn of_name() -> Option<String> {
    let name = std::env::args_os().next()?;
    let name = Path::new(&name).file_name()?.to_str()?.strip_prefix(PREFIX)?;
    Some(name.to_owned())
}

/// Becomes the fake.
pub(crate) fn run(fault: &str) -> ExitCode {
    let (annotation, value) = fault.split_once('=').expect("the name holds the value");
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some(at) = words.iter().position(|word| word == "--bundle") {
        plant(&Path::new(&words[at + 1]).join("config.json"), annotation, value);
    }
    let fake = support::program("CARGO_BIN_EXE_fake-crun", env!("CARGO_BIN_EXE_fake-crun"));
    panic!("{}", Command::new(fake).args(words).exec());
}

fn plant(config: &Path, annotation: &str, value: &str) {
    let text = std::fs::read(config).expect("the bundle has a config.json");
    let mut config_json: Value = serde_json::from_slice(&text).expect("it is JSON");
    let environment = config_json["process"]["env"].as_array().cloned().unwrap_or_default();
    let of_cell = |entry: &Value| entry.as_str().is_some_and(|entry| entry.starts_with("CRUN_CAPTURE_CELL="));
    if environment.iter().any(of_cell) {
        config_json["annotations"][format!("org.crun-capture.fake.{annotation}")] = value.into();
        std::fs::write(config, config_json.to_string()).expect("the bundle can be written");
    }
}

pub(crate) fn check(fault: &Fault) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let program = directory.path().join(format!("{PREFIX}{}={}", fault.annotation, fault.value));
    symlink(std::env::current_exe()?, &program)?;
    // A cell that never ends gets a short deadline. Any other cell may be slow, as a debug build on a busy machine is.
    let hangs = matches!(fault.says, Says::Broken(names) if names.contains(&"deadline_hit"));
    let output = support::crun_capture()
        // This runs without --quick: at full size a paced script takes longer than the harness waits for a workload
        // that outlives its capturer.
        .args(["compare", "--export-json", "-", "--strategy", fault.strategy])
        .args(["--deadline", if hangs { "3" } else { "60" }])
        .args(["--filter", &format!("faulty/{}/{}", fault.strategy, fault.cell)])
        .args(["--runtime", &format!("faulty={}", program.display())])
        .arg("--output")
        .arg(directory.path().join("run"))
        .output()?;
    let export: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let cell = &export["cells"][0];
    let broken: Vec<&str> = cell["broken"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (right, code) = match fault.says {
        Says::Broken(names) => (broken == names, 100),
        Says::BrokenOneOf(lists) => (lists.contains(&broken.as_slice()), 100),
        Says::AtLeast(finding, least) => {
            (broken.is_empty() && cell["findings"][finding].as_u64().is_some_and(|value| value >= least), 0)
        }
    };
    if right && output.status.code() == Some(code) {
        return Ok(());
    }
    Err(format!("exit code {:?}, broken {broken:?}: {cell:#}", output.status.code()).into())
}
