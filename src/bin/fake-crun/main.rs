//! A stand-in for the OCI runtime crun, for hosts without it. It has the commands, flags, messages and exit codes of
//! crun 1.8.1, and above all treats descriptors like crun: a container writes to the caller's own stdout and stderr.

#![no_main]

mod args;
mod bundle;
mod environment;
mod failure;
mod fault;
mod hooks;
mod init;
mod job;
mod keeper;
mod launch;
mod list;
mod mode;
mod mounts;
mod program;
mod run;
mod state;
mod streams;
mod terminal;
mod verbs;
mod wait;

use std::ffi::OsString;
use std::io::{self, Write};

use args::Global;
use failure::{Failure, Outcome};

// Like crun, it must see which standard descriptors its caller has closed, and must die of SIGPIPE.
crun_capture::sys::c_main!(start);

fn start(words: &[OsString]) -> u8 {
    let words: Vec<String> = words.iter().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    match words.first().map(String::as_str) {
        Some(init::VERB) => return init::main(&words[1..]),
        Some(keeper::VERB) => return keeper::main(&words[1..]),
        _ => {}
    }
    let (global, rest) = match args::global(&words) {
        Ok(parsed) => parsed,
        Err(failure) => return failure.report(None),
    };
    let call = match prepare(&global, rest) {
        Ok(call) => call,
        Err(failure) => return failure.report(None),
    };
    let log = match global.open_log() {
        Ok(log) => log,
        Err(failure) => return failure.report(None),
    };
    // The log has taken the place of the first closed descriptor. The others stay closed.
    let _held = streams::closed();
    call().unwrap_or_else(|failure| failure.report(log.as_ref()))
}

/// What remains to be done once the log is open.
type Call<'a> = Box<dyn FnOnce() -> Outcome + 'a>;

/// Does what crun does before it opens its log. It takes the command from the first word after the global flags, and
/// reads the flags of that command and, for a container, its configuration. A failure here is reported on stderr only,
/// and the log is not even created.
fn prepare<'a>(global: &'a Global, words: &'a [String]) -> Result<Call<'a>, Failure> {
    if global.version {
        return Ok(Box::new(version));
    }
    let Some((verb, rest)) = words.split_first() else {
        return Err(Failure::new("please specify a command"));
    };
    match verb.as_str() {
        "create" | "run" => {
            let job = job::prepare(global, verb, rest)?;
            Ok(Box::new(move || job.run()))
        }
        "start" => verbs::start(global, rest),
        "state" => verbs::state(global, rest),
        "kill" => verbs::kill(global, rest),
        "delete" => verbs::delete(global, rest),
        "list" => list::list(global, rest),
        unknown => Err(Failure::new(format!("unknown command {unknown}"))),
    }
}

/// Prints the version, and whether containers get namespaces here. It tries that for real.
fn version() -> Outcome {
    let mode = mode::enter(true).name();
    let text = format!("fake-crun version {}\nmode: {mode}\n", env!("CARGO_PKG_VERSION"));
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::io("write", &error))?;
    Ok(0)
}
