//! A run of all claims comes to the recorded verdicts and to those in SPIKE.md. This test is alone in its target,
//! because some verdicts are about time, and cargo runs the targets one after another.

use assert_cmd::Command;
use crun_capture::claim::{self, Verdict};
use crun_capture::report::ClaimsExport;
use std::path::Path;

fn kept() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("SPIKE.md")).unwrap()
}

/// The verdict of a claim in SPIKE.md's table.
fn verdict_in(kept: &str, id: &str) -> Option<String> {
    let row = kept.lines().find(|line| line.starts_with(&format!("| [{id}](")))?;
    Some(row.split('|').nth(2)?.trim().replace(' ', "_"))
}

/// The run is on crun if that works, or else on the fake.
#[test]
fn a_run_comes_to_the_verdicts_on_record_and_so_does_the_report_in_the_repository() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_crun-capture"));
    command.args(["claims", "--quick", "--format", "json"]).current_dir(directory.path());
    let ended = command.assert().success();
    let export: ClaimsExport = serde_json::from_slice(&ended.get_output().stdout).unwrap();
    let kept = kept();
    assert_eq!(export.claims.len(), claim::all().count());
    for tried in &export.claims {
        assert_eq!(verdict_in(&kept, &tried.id).as_deref(), tried.recorded.map(Verdict::word), "{}", tried.id);
        assert!(kept.contains(&format!("> {}\n", tried.says)), "SPIKE.md has the words of {}", tried.id);
        assert!(kept.contains(&format!("crun-capture claims {}\n", tried.id)), "and the command");
        assert!(!tried.evidence.is_empty() || tried.verdict == Verdict::NotMeasured, "{}", tried.id);
    }
    let not_measured: Vec<_> =
        export.claims.iter().filter(|tried| tried.verdict == Verdict::NotMeasured).map(|tried| &*tried.id).collect();
    // Without Go there is no compiler to ask. If TMPDIR is in memory there is no disk.
    let optional = ["arch/code-compiles", "finding/3-write-each-line"];
    assert!(not_measured.iter().all(|id| optional.contains(id)), "{not_measured:?}");
}
