//! Faults that are planted in a capturer or in a runtime must change a verdict: the finding that is made for a fault
//! must catch it.
//!
//! This program has three roles. With `--fault NAME` it is a capturer that keeps the protocol except for one fault.
//! Called by the name of a runtime, it is a runtime with a fault (`runtime.rs`). Called by `cargo test`, it runs the
//! harness on both, on the fake and on real crun. A missing runtime shows as ignored.

mod capturer;
mod runtime;
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;

/// A fault, the cell in which it is looked for, the finding that must catch it, and the verdict. None: nothing may be
/// caught.
struct Planted {
    fault: &'static str,
    cell: &'static str,
    caught_by: Option<&'static str>,
    verdict: &'static str,
    /// The capabilities that the capturer declares.
    declares: &'static [&'static str],
    /// The runtimes on which it is tried.
    on: &'static [&'static str],
}

/// What the capturer of these tests can do, except for its fault.
const HONEST: &[&str] = &["live", "apart", "file", "exact-bytes"];

const EVERYWHERE: &[&str] = &["fake", "crun"];

const fn sound(cell: &'static str) -> Planted {
    Planted { fault: "none", cell, caught_by: None, verdict: "pass", declares: HONEST, on: EVERYWHERE }
}

const fn planted(fault: &'static str, cell: &'static str, caught_by: &'static str) -> Planted {
    Planted { fault, cell, caught_by: Some(caught_by), verdict: "fail", declares: HONEST, on: EVERYWHERE }
}

/// The fault is a false declaration. It is caught in the cells that try what is declared.
const fn boasts(
    fault: &'static str,
    what: &'static [&'static str],
    cell: &'static str,
    caught_by: &'static str,
) -> Planted {
    Planted { fault, cell, caught_by: Some(caught_by), verdict: "fail", declares: what, on: EVERYWHERE }
}

/// A capturer that declares nothing has every duty all the same.
const fn undeclared(fault: &'static str, cell: &'static str, caught_by: &'static str) -> Planted {
    boasts(fault, &[], cell, caught_by)
}

/// A loss in a case that tries what the capturer does not declare, and nothing else.
const fn cannot(fault: &'static str, cell: &'static str) -> Planted {
    Planted { fault, cell, caught_by: None, verdict: "cannot", declares: &[], on: EVERYWHERE }
}

const ALL: &[Planted] = &[
    sound("interleave/in-turn"),
    sound("exit-status/code-7"),
    sound("paced/1ms"),
    sound("long-line/1048576"),
    sound("bytes/crlf"),
    sound("framing/one-at-a-time"),
    sound("grandchild/brief"),
    sound("kernel/idle"),
    sound("throughput/64k-writes"),
    planted("lost", "interleave/in-turn", "lost_bytes"),
    planted("swapped", "interleave/in-turn", "stream_inversions"),
    planted("altered", "interleave/in-turn", "altered_lines"),
    planted("duplicated", "interleave/in-turn", "duplicated_lines"),
    planted("made-up", "interleave/in-turn", "foreign_lines"),
    planted("mislabelled", "interleave/in-turn", "misattributed_lines"),
    planted("merged", "interleave/in-turn", "unattributed_lines"),
    // Two readers cannot keep the order, so it is declared only where its loss must be seen.
    boasts("reordered", &["live", "apart", "file", "order"], "interleave/in-turn", "cross_inversion_rate"),
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
    planted("flood", "interleave/in-turn", "workload_started"),
    planted("stamps", "interleave/in-turn", "impossible_stamps"),
    planted("backdates", "paced/1ms", "impossible_stamps"),
    planted("backdates-little", "paced/1ms", "delivered_before_exit_fraction"),
    // A capturer that declares nothing still has the duties of every capturer.
    Planted { declares: &[], ..sound("interleave/in-turn") },
    boasts("mute", &[], "interleave/in-turn", "lost_bytes"),
    planted("exit-first", "late-reader/ended", "lost_bytes"),
    planted("exit-first", "short-life/one-line", "lost_bytes"),
    planted("one-stream-first", "flood/stderr-first", "deadline_hit"),
    boasts("none", &["prompts"], "framing/prompt", "prompt_held"),
    boasts("blocks", &["free-flow"], "flow/stops", "workload_stalled_ns"),
    boasts("none", &["survives-death"], "death/capturer-killed", "workload_survived"),
    boasts("hoards", &["bounded-memory"], "memory/24-mb", "memory_growth_bytes"),
    Planted { on: &["bare"], ..undeclared("none", "grandchild/silent", "deadline_hit") },
    Planted { on: &["bare"], ..undeclared("none", "grandchild/chatty", "deadline_hit") },
    boasts("hoards", &["bounded-memory"], "flow/never-reads-much", "memory_growth_bytes"),
    boasts("apologises", &["any-line"], "long-line/65537", "lost_bytes"),
    boasts("apologises", &["any-write"], "descriptors/write-4-mib", "lost_bytes"),
    boasts("messages", &["any-write"], "descriptors/write-4-mib", "refused_bytes"),
    // To say that everything is lost excuses nothing.
    undeclared("apologises", "interleave/in-turn", "lost_bytes"),
    undeclared("apologises", "exit-status/code-7", "lost_bytes"),
    cannot("apologises", "long-line/65537"),
    cannot("apologises", "descriptors/write-4-mib"),
    cannot("messages", "descriptors/write-4-mib"),
    cannot("messages", "burst/write-1-mib"),
    cannot("messages", "long-line/1048576"),
    cannot("socket", "descriptors/reopened"),
    planted("told-wrong", "interleave/in-turn", "told_wrong_bytes"),
    planted("told-right", "interleave/in-turn", "lost_bytes"),
    planted("cries-wolf", "interleave/in-turn", "false_alarm"),
    planted("cries-wolf", "grandchild/brief", "false_alarm"),
    undeclared("cries-wolf", "exit-status/code-7", "false_alarm"),
    // Its own channel refuses what the program writes.
    undeclared("closes-early", "flood/stdout-first", "refused_bytes"),
    undeclared("swapped", "interleave/in-turn", "stream_inversions"),
    undeclared("altered", "interleave/in-turn", "altered_lines"),
    undeclared("altered", "long-line/65535", "altered_lines"),
    undeclared("duplicated", "interleave/in-turn", "duplicated_lines"),
    undeclared("made-up", "interleave/in-turn", "foreign_lines"),
    undeclared("mislabelled", "interleave/in-turn", "misattributed_lines"),
    undeclared("status", "exit-status/code-7", "exit_reported"),
    undeclared("hang", "descriptors/write-4-mib", "deadline_hit"),
    undeclared("leak", "programs/sh-reopens", "left_behind"),
    undeclared("leak", "grandchild/brief", "left_behind"),
    planted("half-live", "paced/1ms", "delivered_before_exit_fraction"),
    undeclared("dies-of-it", "exit-status/signal-term", "exit_reported"),
    planted("swaps-counts", "throughput/64k-writes", "lost_bytes"),
    undeclared("babble", "interleave/in-turn", "protocol_error"),
    // Lines are kept back until there are more of them, or until the next one comes.
    planted("holds-4k", "framing/one-at-a-time", "held_lines"),
    planted("holds-one", "framing/one-at-a-time", "held_lines"),
    planted("late", "framing/one-at-a-time", "held_lines"),
    planted("perbyte", "framing/byte-at-a-time", "deliveries"),
    planted("busy", "kernel/idle", "waited_cpu_ns"),
    planted("no-account", "throughput/64k-writes", "protocol_error"),
    planted("slow-end", "exit-status/code-7", "exit_latency_ns"),
    planted("fifo-skip", "files/fifo-with-reader", "lost_bytes"),
    planted("log-each", "files/disk-full-lines", "diagnostics_bytes"),
    planted("chatterbox", "interleave/in-turn", "diagnostics_bytes"),
    planted("litters", "interleave/in-turn", "left_behind"),
    // Where the harness gave it nothing.
    planted("leaves-a-file", "leftovers/elsewhere", "left_behind"),
    planted("leaves-at-home", "leftovers/elsewhere", "left_behind"),
    // What is new in one of two runs only may be another program's.
    Planted { verdict: "not-measured", ..planted("leaves-once", "leftovers/elsewhere", "left_behind") },
    planted("hides", "leftovers/elsewhere", "left_behind"),
    sound("leftovers/elsewhere"),
    sound("memory/24-mb"),
    planted("replaces", "files/continued", "file_owner_changed"),
    planted("gives-away", "files/continued", "file_owner_changed"),
    planted("leaves-beside", "interleave/in-turn", "left_behind"),
    // Busy children that it waits for are its own work.
    planted("spawns", "kernel/idle", "waited_cpu_ns"),
    // A large peak before the gate hides nothing.
    boasts("frees-first", &["bounded-memory"], "memory/24-mb", "memory_growth_bytes"),
    planted("tells-a-little", "interleave/in-turn", "told_wrong_bytes"),
    planted("tells-another-code", "exit-status/code-7", "protocol_error"),
    planted("overwrites", "files/continued", "file_altered_lines"),
    planted("file-newline", "bytes/no-final-newline", "file_altered_lines"),
    planted("no-0xff", "bytes/every-byte", "duplicated_lines"),
    sound("bytes/every-byte"),
    sound("bytes/edges"),
    sound("files/continued"),
    planted("talkative", "descriptors/own-stderr-dead", "exit_reported"),
    planted("silent-disk", "files/disk-full", "file_loss_told"),
    planted("nonblock", "descriptors/blocking", "exit_reported"),
    boasts("socket", &["reopen"], "descriptors/reopened", "refused_bytes"),
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
    for (runtime, usable) in support::usable(&["fake", "crun", "bare"], &[]) {
        for planted in ALL.iter().filter(|planted| planted.on.contains(&runtime)) {
            let name = format!("{runtime}::{}::{}", planted.fault, planted.cell);
            // Only root can give the file to somebody else, who then loses it.
            let possible = usable && (planted.fault != "gives-away" || crun_capture::machine::is_root());
            trials.push(Trial::test(name, move || check(runtime, planted)).with_ignored_flag(!possible));
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

/// How often a cell is run at most, if the machine is too busy.
const ATTEMPTS: u32 = 5;

fn check(runtime: &str, planted: &Planted) -> Result<(), Failed> {
    // The harness takes no notice of this name, so trials beside each other do not look like noise.
    let directory = tempfile::Builder::new().prefix("crun-capture-planted-").tempdir()?;
    let declaration = directory.path().join("capturer.toml");
    let own = std::env::current_exe()?;
    let program = [own.to_str().ok_or("the path of this program is not UTF-8")?, "--fault", planted.fault];
    std::fs::write(
        &declaration,
        format!("name = \"planted\"\nprogram = {program:?}\ncapabilities = {:?}\n", planted.declares),
    )?;
    let mut result = Value::Null;
    // Other programs may have been at work. The harness says so, and then its result says nothing of the fault.
    for attempt in 0..ATTEMPTS {
        let own = directory.path().join(attempt.to_string());
        std::fs::create_dir(&own)?;
        result = run(runtime, planted.cell, &declaration, &own)?;
        if result["verdict"] != "not-measured" || planted.verdict == "not-measured" {
            break;
        }
    }
    let caught: Vec<&str> = result["broken"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    match planted.caught_by {
        None if result["verdict"] == planted.verdict && caught.is_empty() => Ok(()),
        None => Err(format!("{caught:?} is broken, in place of {}: {result:#}", planted.verdict).into()),
        Some(finding) if result["verdict"] == planted.verdict && caught.contains(&finding) => Ok(()),
        Some(finding) => Err(format!("{finding} did not catch it, but {caught:?}: {result:#}").into()),
    }
}

/// Runs one cell and returns its result as JSON. The exit code must say whether the result was unexpected.
fn run(runtime: &str, cell: &str, declaration: &Path, directory: &Path) -> Result<Value, Failed> {
    std::fs::create_dir(directory.join("home"))?;
    let output = support::crun_capture()
        .args(["compare", "--quick", "--export-json", "-", "--runtime", runtime])
        .args(["--filter", &format!("{runtime}/planted/{cell}")])
        .arg("--capturer")
        .arg(declaration)
        .arg("--output")
        .arg(directory.join("run"))
        // What a capturer leaves there goes with the directory.
        .current_dir(directory)
        .env("HOME", directory.join("home"))
        .output()?;
    let export: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let all = export["cells"].as_array().cloned().unwrap_or_default();
    let cells: Vec<Value> = all.into_iter().filter(|cell| cell["strategy"] != "control").collect();
    // A crowd has several cells.
    let failed = cells.iter().find(|cell| cell["verdict"] != "pass");
    let result = failed.or(cells.first()).ok_or("no cell was run")?;
    let code = match result["verdict"].as_str() {
        Some("fail") => 100,
        Some("not-measured") => 5,
        _ => 0,
    };
    if output.status.code() != Some(code) {
        return Err(format!("exit code {:?} for {result:#}", output.status.code()).into());
    }
    Ok(result.clone())
}
