//! A stand-in for the OCI runtime crun where none is installed: the commands, flags, messages and exit codes of
//! crun 1.8.1, and above all its way with descriptors: a container writes to the caller's own stdout and stderr.

mod args;
mod bundle;
mod failure;
mod init;
mod mode;
mod mounts;
mod program;
mod run;
mod state;
mod verbs;
mod wait;

use std::io::{self, Write};
use std::process::ExitCode;

use args::Global;
use failure::{Failure, Outcome};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    if words.first().is_some_and(|word| word == init::VERB) {
        return ExitCode::from(init::main(&words[1..]));
    }
    let (global, rest) = match args::global(&words) {
        Ok(parsed) => parsed,
        Err(failure) => return ExitCode::from(failure.report(None)),
    };
    let call = match prepare(&global, rest) {
        Ok(call) => call,
        Err(failure) => return ExitCode::from(failure.report(None)),
    };
    let log = match global.open_log() {
        Ok(log) => log,
        Err(failure) => return ExitCode::from(failure.report(None)),
    };
    match call() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => ExitCode::from(failure.report(log.as_ref())),
    }
}

/// What is left to do once the log is open.
type Call<'a> = Box<dyn FnOnce() -> Outcome + 'a>;

/// What crun does before it opens its log: it tells the command from the first word after the global flags, and for a
/// container it reads the configuration. What fails here is said on stderr only, and the log is not even created.
fn prepare<'a>(global: &'a Global, words: &'a [String]) -> Result<Call<'a>, Failure> {
    if global.version {
        return Ok(Box::new(version));
    }
    let Some((verb, rest)) = words.split_first() else {
        return Err(Failure::new("please specify a command"));
    };
    let verb_of_state = match verb.as_str() {
        "create" | "run" => {
            let job = run::prepare(global, verb, rest)?;
            return Ok(Box::new(move || job.run()));
        }
        "start" => verbs::start,
        "state" => verbs::state,
        "kill" => verbs::kill,
        "delete" => verbs::delete,
        "list" => verbs::list,
        unknown => return Err(Failure::new(format!("unknown command {unknown}"))),
    };
    Ok(Box::new(move || verb_of_state(global, rest)))
}

/// Says the version and, after really trying it, whether containers get namespaces here.
fn version() -> Outcome {
    let mode = mode::enter(true).name();
    let text = format!("fake-crun version {}\nmode: {mode}\n", env!("CARGO_PKG_VERSION"));
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::io("write", &error))?;
    Ok(0)
}
