//! Follows a container of real crun with the library: live lines with their offsets, a deadline, and the outcome.
//!
//! ```sh
//! cargo build --bins && cargo run --example follow_crun                       # a bundle made for the occasion
//! cargo run --example follow_crun -- crun run --bundle DIR ID                  # your own
//! ```
//!
//! The program writes the files itself, out.log and err.log in the current directory where the command is yours: kill this process
//! while it runs, and no byte is lost. The offset after the last line that you have seen is where `crun-capture capture --strategy
//! follow --stdout-path out.log --stderr-path err.log --resume OUT,ERR` goes on.

use crun_capture::bundle::Rootfs;
use crun_capture::process::Family;
use crun_capture::runtime::{self, Programs, Stage};
use crun_capture::scratch::Scratch;
use crun_capture::script::{End, Lines, Script, Step};
use crun_capture_reactor::strategy::Follow;
use crun_capture_reactor::{Command, Delivery, Event, Reactor, Sink, Stream};
use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// A consumer of one's own.
struct Print;

impl Sink for Print {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        let (origin, offset) = (delivery.origin.word(), delivery.offset.unwrap_or(0));
        let line = String::from_utf8_lossy(delivery.bytes);
        writeln!(io::stdout(), "{origin} {offset:>6} {} {}", delivery.ending.word(), line.escape_debug())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let Some((program, arguments)) = words.split_first() {
        return follow(&Command::new(program).args(arguments).stdout_path("out.log").stderr_path("err.log"));
    }
    // The programs of this crate lie beside the examples' folder.
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).ok_or("no folder")?;
    let scratch = Scratch::create()?;
    Family::adopt_orphans()?;
    let family = scratch.family();
    let programs = Programs::beside(&folder.join("crun-capture"), scratch.disk())?;
    let crun = runtime::ALL.iter().copied().find(|one| one.name() == "crun").ok_or("crun is not known")?;
    let found = runtime::find(crun, None, None, &programs, &family).map_err(|unusable| unusable.reason)?;
    let rootfs = Rootfs::create(scratch.disk().join("rootfs"), &programs.emit)?;
    let lines = Lines { interval_ns: 100_000_000, ..Lines::fast(&Stream::BOTH, 10, 60) };
    let script = Script::new(1, End::Exit(7)).then(Step::Lines(lines));
    let stage = Stage::prepare(&found, scratch.parents(), &family, &rootfs, &script)?;
    let followed = follow(&stage.command(&found));
    stage.remove(&found)?;
    drop(rootfs);
    scratch.close()?;
    followed
}

fn follow(command: &Command) -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let id = reactor.start(&Follow, command, Print)?;
    // More commands could be started here; one loop drives them all.
    let mut asked = false;
    loop {
        match reactor.next(Some(Duration::from_secs(60)))? {
            Event::Ended(ended) => {
                let outcome = ended.outcome?;
                let (exit, truncated, errors) = (outcome.exit, outcome.truncated, outcome.errors);
                writeln!(io::stderr(), "{exit:?}, truncated: {truncated}, errors: {errors:?}")?;
                return Ok(());
            }
            // It is asked to end once, and what it writes until then is captured too.
            Event::TimedOut if !asked => {
                asked = true;
                reactor.stop(id, Duration::from_secs(2));
            }
            _ => {}
        }
    }
}
