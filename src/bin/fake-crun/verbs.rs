//! The commands about a container that exists: `start`, `state`, `kill`, `delete` and `list`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;

use crun_capture::sys;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags};

use crate::args::{self, Global};
use crate::failure::{Failure, Outcome, reason};
use crate::state::{self, Status};

/// Lets a created container go.
pub(crate) fn start(global: &Global, words: &[String]) -> Outcome {
    let parsed = args::parse("start", &[], words)?;
    let id = parsed.id("start", 1)?;
    let stopped = || Failure::new(format!("container `{id}` is not running"));
    if !state::read(global, id)?.alive() {
        return Err(stopped());
    }
    let path = state::fifo(global, id);
    // Without a reader the opening must fail, not wait for one.
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

/// Prints what is known of a container.
pub(crate) fn state(global: &Global, words: &[String]) -> Outcome {
    let parsed = args::parse("state", &[], words)?;
    let id = parsed.id("state", 1)?;
    let status = state::read(global, id)?;
    let word = status.word(global, id);
    let text = format!(
        "{{\n    \"ociVersion\": \"1.0.0\",\n    \"id\": {},\n    \"pid\": {},\n    \"status\": \"{word}\",\n    \
         \"bundle\": {},\n    \"rootfs\": {},\n    \"created\": {},\n    \"systemd-scope\": \"\",\n    \
         \"owner\": {}\n}}\n\n",
        quoted(id),
        shown_pid(&status, word),
        quoted(&status.bundle),
        quoted(&status.rootfs),
        quoted(&status.created),
        quoted(&status.owner),
    );
    print(&text)
}

/// Sends a signal to the init of a container.
pub(crate) fn kill(global: &Global, words: &[String]) -> Outcome {
    let parsed = args::parse("kill", &[("all", Some('a'), false), ("regex", Some('r'), false)], words)?;
    let id = parsed.id("kill", 2)?;
    let signal = parsed.operands.get(1).map_or(libc::SIGTERM, |name| signal_number(name));
    let status = state::read(global, id)?;
    if !status.alive() {
        return if parsed.has("all") { Ok(0) } else { Err(Failure::new("kill container: No such process")) };
    }
    sys::kill(status.pid, signal).map_err(|error| Failure::io("send signal to pidfd", &error))?;
    Ok(0)
}

/// The number of a signal given by name or number; as with crun, anything else is 0.
fn signal_number(given: &str) -> i32 {
    let name = given.strip_prefix("SIG").unwrap_or(given);
    let full = format!("SIG{name}");
    let named = (1..32).find(|number| signal_hook::low_level::signal_name(*number) == Some(full.as_str()));
    let digits = given.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(given.len());
    named.or_else(|| given[..digits].parse().ok()).unwrap_or(0)
}

/// Forgets a container that does not run, or with `-f` any.
pub(crate) fn delete(global: &Global, words: &[String]) -> Outcome {
    let parsed = args::parse("delete", &[("force", Some('f'), false), ("regex", Some('r'), false)], words)?;
    let (id, force) = (parsed.id("delete", 1)?, parsed.has("force"));
    let directory = state::directory(global, id);
    let status = match state::read(global, id) {
        Ok(status) => status,
        Err(_) if force && !directory.exists() => return Ok(0),
        // Whoever made the directory died before the container was: there is only the directory to remove.
        Err(_) if force => return state::remove(global, id).map(|()| 0),
        Err(_) if !directory.exists() => {
            let text = format!("cannot open directory '{}': No such file or directory", directory.display());
            print_error(&text);
            return state::read(global, id).map(|_| 0);
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

/// crun says two things of an ID it does not know; this is the first.
fn print_error(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Kills the init, if it lives, and waits until it is dead.
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

/// Prints all containers of the root directory.
pub(crate) fn list(global: &Global, words: &[String]) -> Outcome {
    let parsed = args::parse("list", &[("format", Some('f'), true), ("quiet", Some('q'), false)], words)?;
    parsed.at_most("list", 0)?;
    let json = match parsed.value("format").unwrap_or("table") {
        "table" => false,
        "json" => true,
        other => return Err(Failure::new(format!("crun: invalid format `{other}`"))),
    };
    let entries = fs::read_dir(&global.root).into_iter().flatten().flatten();
    let ids = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let known: Vec<(String, Status)> =
        ids.filter_map(|id| Some((id.clone(), state::read(global, &id).ok()?))).collect();
    let width = known.iter().map(|(id, _)| id.len()).max().unwrap_or(0).max(4);
    let rows: Vec<String> =
        known.iter().map(|(id, status)| row(global, (id, width), status, json, parsed.has("quiet"))).collect();
    if json {
        return print(&format!("[\n{}\n]\n", rows.join(",\n")));
    }
    let (name, pid) = ("NAME", "PID");
    let head = format!("{name:<width$} {pid:<9} STATUS   {:<39} {:<30} OWNER\n", "BUNDLE PATH", "CREATED");
    let head = if parsed.has("quiet") { String::new() } else { head };
    print(&format!("{head}{}", rows.iter().map(|row| format!("{row}\n")).collect::<String>()))
}

/// One container of the list.
fn row(global: &Global, (id, width): (&str, usize), status: &Status, json: bool, quiet: bool) -> String {
    let word = status.word(global, id);
    let pid = shown_pid(status, word);
    let (bundle, created, owner) = (&status.bundle, &status.created, &status.owner);
    if json {
        let indent = "        ";
        return format!(
            "    {{\n{indent}\"id\": {},\n{indent}\"pid\": {pid},\n{indent}\"status\": \"{word}\",\n\
             {indent}\"bundle\": {},\n{indent}\"created\": {},\n{indent}\"owner\": {}\n    }}",
            quoted(id),
            quoted(bundle),
            quoted(created),
            quoted(owner)
        );
    }
    if quiet {
        return id.to_owned();
    }
    format!("{id:<width$} {pid:<9} {word:<8} {bundle:<39} {created:<30} {owner}")
}

fn shown_pid(status: &Status, word: &str) -> i32 {
    if word == "stopped" { 0 } else { status.pid }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn print(text: &str) -> Outcome {
    io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::io("write", &error))?;
    Ok(0)
}
