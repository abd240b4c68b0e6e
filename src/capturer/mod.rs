//! Capturers: programs that keep the capturer protocol, the built-in strategies among them.

mod cost;
mod declaration;
pub mod protocol;
mod summary;

pub use cost::{Cost, status_field};
pub use declaration::{DeclarationError, read as read_declaration};
pub use summary::{SCHEMA_VERSION, Summary};

use crate::strategy::{Capabilities, Needs, Strategy};
use std::ffi::OsString;
use std::path::Path;

/// A program that captures, and what it declares.
#[derive(Clone, Debug)]
pub struct Capturer {
    /// What it is called: in ids the part after the runtime.
    pub name: String,
    /// What is run; `--` and the command to capture follow.
    pub program: Vec<OsString>,
    /// What it says that it can do.
    pub declares: Capabilities,
    /// What it needs of its surroundings.
    pub needs: Needs,
    /// The built-in strategy that it is.
    pub built_in: Option<&'static str>,
}

impl Capturer {
    /// A built-in strategy, reached through the program at `crun_capture`.
    pub fn built_in(strategy: &dyn Strategy, crun_capture: &Path) -> Capturer {
        Capturer {
            name: strategy.name().to_owned(),
            program: vec![crun_capture.into(), "capture".into(), "--strategy".into(), strategy.name().into()],
            declares: strategy.declares(),
            needs: strategy.needs(),
            built_in: Some(strategy.name()),
        }
    }
}
