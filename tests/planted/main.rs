//! Faults that are planted into a capturer, or into a runtime, turn a verdict: each one must be caught by the finding made
//! for it.
//!
//! This program is all three: called with `--fault NAME`, it is a capturer that keeps the protocol but for one fault; called
//! by the name of a runtime, it is one with a fault (`runtime.rs`); called by `cargo test`, it runs the harness on them, on
//! the fake and on real crun. A missing runtime shows as ignored.

mod capturer;
mod runtime;
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

/// A fault, where it is looked for, and the finding that must catch it. None: nothing may be caught.
struct Planted {
    fault: &'static str,
    cell: &'static str,
    caught_by: Option<&'static str>,
}

const fn planted(fault: &'static str, cell: &'static str, caught_by: &'static str) -> Planted {
    Planted { fault, cell, caught_by: Some(caught_by) }
}

const ALL: &[Planted] = &[
    Planted { fault: "none", cell: "interleave/in-turn", caught_by: None },
    Planted { fault: "none", cell: "exit-status/code-7", caught_by: None },
    Planted { fault: "none", cell: "paced/1ms", caught_by: None },
    Planted { fault: "none", cell: "long-line/1048576", caught_by: None },
    Planted { fault: "none", cell: "bytes/crlf", caught_by: None },
    planted("lost", "interleave/in-turn", "lost_bytes"),
    planted("swapped", "interleave/in-turn", "stream_inversions"),
    planted("altered", "interleave/in-turn", "altered_lines"),
    planted("duplicated", "interleave/in-turn", "duplicated_lines"),
    planted("made-up", "interleave/in-turn", "foreign_lines"),
    planted("mislabelled", "interleave/in-turn", "misattributed_lines"),
    planted("merged", "interleave/in-turn", "unattributed_lines"),
    planted("reordered", "interleave/in-turn", "cross_inversion_rate"),
    planted("status", "exit-status/code-7", "exit_reported"),
    planted("late", "paced/1ms", "delivered_before_exit_fraction"),
    planted("hang", "interleave/in-turn", "deadline_hit"),
    planted("leak", "interleave/in-turn", "left_behind"),
    planted("babble", "interleave/in-turn", "protocol_error"),
    planted("file-cut", "interleave/in-turn", "file_lost_bytes"),
    planted("file-altered", "interleave/in-turn", "file_altered_lines"),
    planted("newline", "bytes/no-final-newline", "wrong_endings"),
    planted("killed", "interleave/in-turn", "exit_reported"),
    planted("idle", "interleave/in-turn", "workload_started"),
    planted("file-missing", "interleave/in-turn", "file_lost_bytes"),
    planted("file-fifo", "interleave/in-turn", "protocol_error"),
    planted("flood", "interleave/in-turn", "deadline_hit"),
    planted("stamps", "interleave/in-turn", "protocol_error"),
];

fn main() -> ExitCode {
    if let Some(fault) = runtime::of_name() {
        return runtime::run(&fault);
    }
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    if words.first().is_some_and(|word| word == "--fault") {
        return capturer::run(&words[1..]);
    }
    let mut trials = Vec::new();
    for (runtime, usable) in support::usable(&["fake", "crun"]) {
        for planted in ALL {
            let name = format!("{runtime}::{}::{}", planted.fault, planted.cell);
            trials.push(Trial::test(name, move || check(runtime, planted)).with_ignored_flag(!usable));
        }
    }
    for fault in runtime::ALL {
        let name = format!("runtime::{}::{}", fault.annotation, fault.cell);
        trials.push(Trial::test(name, move || runtime::check(fault)));
    }
    // Each trial runs a harness with containers of its own, and a hang waits for its deadline.
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(4);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn check(runtime: &str, planted: &Planted) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let declaration = directory.path().join("capturer.toml");
    let own = std::env::current_exe()?;
    let capabilities = match planted.fault {
        // Two readers cannot keep the order, and it is only declared where its loss is to be seen.
        "reordered" => r#"["live", "apart", "file", "order", "exact-bytes"]"#,
        _ => r#"["live", "apart", "file", "exact-bytes"]"#,
    };
    let program = [own.to_str().ok_or("the path of this program is not UTF-8")?, "--fault", planted.fault];
    std::fs::write(
        &declaration,
        format!("name = \"planted\"\nprogram = {program:?}\ncapabilities = {capabilities}\n"),
    )?;
    let result = run(runtime, planted.cell, &declaration, directory.path())?;
    let caught: Vec<&str> = result["broken"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match planted.caught_by {
        None if result["verdict"] == "pass" && caught.is_empty() => Ok(()),
        None => Err(format!("a sound capturer was found to break {caught:?}: {result:#}").into()),
        Some(finding) if result["verdict"] == "fail" && caught.contains(&finding) => Ok(()),
        Some(finding) => Err(format!("{finding} did not catch it, but {caught:?}: {result:#}").into()),
    }
}

/// The one cell of the comparison, as JSON; the exit code must say whether it was unexpected.
fn run(runtime: &str, cell: &str, declaration: &Path, directory: &Path) -> Result<Value, Failed> {
    let output = support::crun_capture()
        .args(["compare", "--quick", "--export-json", "-", "--runtime", runtime])
        .args(["--filter", &format!("{runtime}/planted/{cell}")])
        .arg("--capturer")
        .arg(declaration)
        .arg("--output")
        .arg(directory.join("run"))
        .output()?;
    let export: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let cells = export["cells"].as_array().cloned().unwrap_or_default();
    let [result] = cells.as_slice() else { return Err(format!("{} cells", cells.len()).into()) };
    let unexpected = result["verdict"] != "pass";
    if output.status.code() != Some(if unexpected { 100 } else { 0 }) {
        return Err(format!("exit code {:?} for {result:#}", output.status.code()).into());
    }
    Ok(result.clone())
}
