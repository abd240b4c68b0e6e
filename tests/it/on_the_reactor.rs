//! The strategies of the reactor's crate: the table of its documentation, and what every one of them does.

use crun_capture::strategy::ALL;
use crun_capture_reactor::strategy::{Capability, Strategy};
use crun_capture_reactor::{Command, Exit, Memory};
use std::fs;
use std::path::Path;

/// The page of the strategies, and the table in it.
const PAGE: &str = "crates/reactor/src/strategy";

/// The strategies that have a file in the reactor's crate, in the order of the list.
fn on_the_reactor() -> Vec<&'static dyn Strategy> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let has_file = |name: &str| folder.join(name.replace('-', "_")).with_extension("rs").exists();
    let found: Vec<_> = ALL.iter().copied().filter(|strategy| has_file(strategy.name())).collect();
    assert!(!found.is_empty(), "no file in {} has the name of a strategy", folder.display());
    found
}

#[test]
fn each_tells_a_signal_from_a_code() {
    for strategy in on_the_reactor() {
        let command = Command::new("sh").args(["-c", "kill -TERM $$"]);
        let outcome = strategy.capture(&command, &mut Memory::default()).unwrap();
        assert_eq!(outcome.exit, Exit::Signal(15), "{}", strategy.name());
    }
}

#[test]
fn the_table_in_the_documentation_is_what_they_declare() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE).join("mod.rs");
    let text = fs::read_to_string(&page).unwrap();
    let strategies = on_the_reactor();
    for capability in Capability::ALL {
        let has: Vec<_> =
            strategies.iter().map(|one| if one.declares().has(capability) { "yes" } else { "" }).collect();
        let row = format!("//! | {} | {} |\n", capability.name(), has.join(" | "));
        assert!(text.contains(&row), "the table in {} needs the row\n{row}", page.display());
    }
}
