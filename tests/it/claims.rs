//! `claims` with arguments: some of the claims, and the report. The result of a whole run is tested in
//! `tests/claims.rs`.

use crate::run::Run;

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
