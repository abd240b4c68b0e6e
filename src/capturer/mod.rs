//! Capturers: programs that keep the capturer protocol. The built-in strategies are among them.

mod cost;
mod declaration;
pub mod protocol;
mod summary;

pub use cost::{Cost, status_field};
pub use declaration::{DeclarationError, read as read_declaration};
pub use summary::{SCHEMA_VERSION, Summary};

use crate::strategy::{self, Capabilities, Needs, Strategy};
use std::ffi::OsString;
use std::path::Path;

/// A program that captures, and what it declares.
#[derive(Clone, Debug)]
pub struct Capturer {
    /// The capturer's name: in ids, the part after the runtime.
    pub name: String,
    /// The command line. `--` and the command to capture follow it.
    pub program: Vec<OsString>,
    /// The capabilities that it declares.
    pub declares: Capabilities,
    /// What it needs from its surroundings.
    pub needs: Needs,
    /// The name of the built-in strategy. None: it is a capturer of the user.
    pub built_in: Option<&'static str>,
    /// Whether it is the control: the least that a capturer can do, which only measures what measuring costs.
    pub control: bool,
}

impl Capturer {
    /// Makes a capturer of a built-in strategy, which is reached through the program at `crun_capture`.
    pub fn built_in(strategy: &dyn Strategy, crun_capture: &Path) -> Capturer {
        Capturer {
            name: strategy.name().to_owned(),
            program: vec![crun_capture.into(), "capture".into(), "--strategy".into(), strategy.name().into()],
            declares: strategy.declares(),
            needs: strategy.needs(),
            built_in: Some(strategy.name()),
            control: false,
        }
    }

    /// Makes the control, which is reached in the same way.
    pub fn control(crun_capture: &Path) -> Capturer {
        Capturer { control: true, ..Capturer::built_in(strategy::control(), crun_capture) }
    }
}
