//! Golden recordings: the analysis finds in them what a person found by hand.

use crun_capture::analysis::{Findings, findings};
use crun_capture::recording::store;
use rstest::rstest;
use std::path::PathBuf;

/// With `UPDATE_GOLDEN=1` the test writes the findings instead. They must then be checked by hand.
#[rstest]
fn the_findings_are_those_that_were_checked_by_hand(#[files("fixtures/golden/*/facts.json")] facts: PathBuf) {
    let folder = facts.parent().unwrap();
    let found = findings(&store::read(folder).unwrap());
    let path = folder.join("findings.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&found).unwrap() + "\n").unwrap();
    }
    let checked: Findings = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(found, checked);
}
