//! `claims`: the verdicts of a run, the recorded ones, and SPIKE.md.

use crate::run::Run;
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

/// On crun where that works, else on the fake.
#[test]
fn a_run_comes_to_the_verdicts_on_record_and_so_does_the_report_in_the_repository() {
    let ended = Run::new(["claims", "--quick", "--format", "json"]).exits(0);
    let export: ClaimsExport = serde_json::from_str(&ended.stdout).unwrap();
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
    // Without Go there is no compiler to ask; where TMPDIR is memory there is no disk.
    let optional = ["arch/code-compiles", "finding/3-write-each-line"];
    assert!(not_measured.iter().all(|id| optional.contains(id)), "{not_measured:?}");
}

#[test]
fn some_of_them_run_only_what_they_need() {
    let ended = Run::new(["claims", "table/combined/separation", "--quick", "--runtime", "fake"]).exits(0);
    assert!(ended.stdout.contains("confirmed    table/combined/separation"), "{}", ended.stdout);
    assert!(ended.stdout.contains("1 claims: 1 confirmed"), "{}", ended.stdout);
    assert!(ended.stdout.contains("crun-capture claims table/combined/separation --runtime fake --quick"));
    Run::new(["claims", "table/conbined"]).exits(2).says("table/combined");
}

#[test]
fn markdown_is_the_report_of_the_spike() {
    let claims = ["table/file/file", "finding/4-kill"];
    let ended = Run::new(["claims", "--quick", "--runtime", "fake", "--format", "markdown"]).with(claims).exits(0);
    assert!(ended.stdout.starts_with("# Spike 1: crun stdout/stderr capture"), "{}", ended.stdout);
    assert!(ended.stdout.contains("| [finding/4-kill](#finding4-kill) | refuted |"), "{}", ended.stdout);
}
