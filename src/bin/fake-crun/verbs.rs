//! The commands for an existing container: `start`, `state`, `kill` and `delete`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use crun_capture::sys;
use regex_lite::Regex;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags};

use crate::Call;
use crate::args::{self, Global};
use crate::failure::{Failure, Outcome, reason};
use crate::state::{self, Status};

/// Starts a created container.
pub(crate) fn start<'a>(global: &'a Global, words: &'a [String]) -> Result<Call<'a>, Failure> {
    let parsed = args::parse("start", &[], words)?;
    let id = parsed.id("start", 1)?.to_owned();
    Ok(Box::new(move || start_one(global, &id)))
}

fn start_one(global: &Global, id: &str) -> Outcome {
    global.make_root();
    let stopped = || Failure::new(format!("container `{id}` is not running"));
    if !state::read(global, id)?.alive() {
        return Err(stopped());
    }
    let path = state::fifo(global, id);
    // If the FIFO has no reader, the open must fail and not wait for one.
    let opened = fs::File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&path);
    let mut fifo = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ENXIO) => stopped(),
        _ => Failure::new(format!("cannot open `{}`: {}", path.display(), reason(&error))),
    })?;
    let failed = |error: io::Error| Failure::io("start the container", &error);
    fs::remove_file(&path).map_err(failed)?;
    fifo.write_all(b"1").map_err(failed)?;
    Ok(0)
}

/// Prints the state of a container.
pub(crate) fn state<'a>(global: &'a Global, words: &'a [String]) -> Result<Call<'a>, Failure> {
    let parsed = args::parse("state", &[], words)?;
    let id = parsed.id("state", 1)?.to_owned();
    Ok(Box::new(move || {
        global.make_root();
        let status = state::read(global, &id)?;
        print(&status.json(global, &id))
    }))
}

/// Sends a signal to the init of a container, or of all containers whose ID matches.
pub(crate) fn kill<'a>(global: &'a Global, words: &'a [String]) -> Result<Call<'a>, Failure> {
    let parsed = args::parse("kill", &[("all", Some('a'), false), ("regex", Some('r'), false)], words)?;
    let id = parsed.id("kill", 2)?.to_owned();
    let signal = parsed.operands.get(1).map_or(libc::SIGTERM, |name| signal_number(name));
    let (all, regex) = (parsed.has("all"), parsed.has("regex"));
    Ok(Box::new(move || {
        global.make_root();
        if regex {
            each(global, &id, |id| kill_one(global, id, signal, all))
        } else {
            kill_one(global, &id, signal, all)
        }
    }))
}

fn kill_one(global: &Global, id: &str, signal: i32, all: bool) -> Outcome {
    let status = state::read(global, id)?;
    // All processes can only be reached through their cgroup. Without a cgroup there are none to reach.
    if all && (global.without_cgroup || !status.alive()) {
        return Ok(0);
    }
    if !status.alive() {
        return Err(Failure::new("kill container: No such process"));
    }
    sys::kill(status.pid, signal).map_err(|error| Failure::io("send signal to pidfd", &error))?;
    Ok(0)
}

/// Acts on every container whose ID matches. A failure is reported, but does not count as one.
fn each(global: &Global, pattern: &str, act: impl Fn(&str) -> Outcome) -> Outcome {
    let pattern = Regex::new(pattern).map_err(|error| Failure::new(format!("regex `{pattern}`: {error}")))?;
    for id in state::ids(global).into_iter().filter(|id| pattern.is_match(id)) {
        if let Err(failure) = act(&id) {
            failure.report(None);
        }
    }
    Ok(0)
}

/// The number of a signal that is given by name or number. As in crun, anything else is 0.
fn signal_number(given: &str) -> i32 {
    let name = given.strip_prefix("SIG").unwrap_or(given);
    let full = format!("SIG{name}");
    let named = (1..32).find(|number| signal_hook::low_level::signal_name(*number) == Some(full.as_str()));
    let digits = given.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(given.len());
    named.or_else(|| given[..digits].parse().ok()).unwrap_or(0)
}

/// Deletes a container that does not run, or with `-f` any container.
pub(crate) fn delete<'a>(global: &'a Global, words: &'a [String]) -> Result<Call<'a>, Failure> {
    let parsed = args::parse("delete", &[("force", Some('f'), false), ("regex", Some('r'), false)], words)?;
    let (id, force, regex) = (parsed.id("delete", 1)?.to_owned(), parsed.has("force"), parsed.has("regex"));
    Ok(Box::new(move || {
        global.make_root();
        if regex { each(global, &id, |id| delete_one(global, id, force)) } else { delete_one(global, &id, force) }
    }))
}

fn delete_one(global: &Global, id: &str, force: bool) -> Outcome {
    let directory = state::directory(global, id);
    let status = match state::read(global, id) {
        Ok(status) => status,
        Err(_) if force && !directory.exists() => return Ok(0),
        // The process that made the directory died before the container existed. Only the directory is left to remove.
        Err(_) if force => return state::remove(global, id).map(|()| 0),
        Err(_) if !directory.exists() => {
            let text = format!("cannot open directory '{}': No such file or directory", directory.display());
            return Err(Failure::new(text));
        }
        Err(failure) => return Err(failure),
    };
    if status.word(global, id) == "running" && !force {
        return Err(Failure::new(format!("the container `{id}` is not in `created` or `stopped` state")));
    }
    end(&status).map_err(|error| Failure::io("kill container", &error))?;
    state::remove(global, id)?;
    Ok(0)
}

/// Kills the init if it lives, and waits until it is dead.
fn end(status: &Status) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(status.pid).filter(|_| status.alive()) else {
        return Ok(());
    };
    let Ok(handle) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
        return Ok(());
    };
    rustix::process::pidfd_send_signal(&handle, rustix::process::Signal::KILL)?;
    let mut watched = [PollFd::new(&handle, PollFlags::IN)];
    while rustix::event::poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
    Ok(())
}

fn print(text: &str) -> Outcome {
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::io("write", &error))?;
    Ok(0)
}
