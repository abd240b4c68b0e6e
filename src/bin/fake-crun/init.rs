//! The init process of a container: it makes the surroundings, waits for the start if told to, and becomes the workload.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crun_capture::sys::{self, UnshareFlags};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Gid, Mode as Bits, Uid};

use crate::bundle::{self, Bundle};
use crate::failure::{Failure, reason};
use crate::mode::Mode;
use crate::mounts;
use crate::program::{exec, find};

/// The command by which this program calls itself.
pub(crate) const VERB: &str = "--init-of-a-container";

/// Becomes the workload; returns only if that fails. Until it may start, complaints go to the process in front.
pub(crate) fn main(words: &[String]) -> u8 {
    let [config, mode, complaints, kept, go, fifo @ ..] = words else {
        return Failure::new("the init process is not to be called by hand").report(None);
    };
    // Opening it anew gives a descriptor that is not handed on.
    let mut complaints = match File::options().write(true).open(format!("/proc/self/fd/{complaints}")) {
        Ok(file) => Some(file),
        Err(error) => return Failure::io("open the front's pipe", &error).report(None),
    };
    let mut go = match File::open(format!("/proc/self/fd/{go}")) {
        Ok(file) => file,
        Err(error) => return Failure::io("open the front's second pipe", &error).report(None),
    };
    let fifo = fifo.first().map(PathBuf::from);
    let failure = match become_workload(config, Mode::from_name(mode), kept, fifo.as_deref(), &mut complaints, &mut go)
    {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    match complaints {
        Some(mut file) => {
            // The front may be gone.
            let _ = file.write_all(failure.text().as_bytes());
            1
        }
        None => failure.report(None),
    }
}

fn become_workload(
    config: &str,
    mode: Mode,
    kept: &str,
    fifo: Option<&Path>,
    complaints: &mut Option<File>,
    go: &mut File,
) -> Result<std::convert::Infallible, Failure> {
    let failed = |error: io::Error| Failure::io("prepare the init process", &error);
    sys::close_on_exec_from(kept.parse().unwrap_or(3)).map_err(failed)?;
    // It may lead its session already; nothing depends on it.
    let _ = rustix::process::setsid();
    let mut bundle = bundle::load(config)?;
    let fifo = fifo.map(|path| File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path));
    let fifo = fifo.transpose().map_err(failed)?;
    let program = match mode {
        Mode::Namespaces => enter(&bundle)?,
        Mode::Plain => stay_outside(&mut bundle)?,
    };
    rustix::process::umask(Bits::from_raw_mode(0o022));
    // The end of the pipe without a byte: the front has died before the container was known.
    go.read_exact(&mut [0]).map_err(failed)?;
    if let Some(fifo) = fifo {
        // The front ends when it reads this; if it is gone already, nothing is lost.
        if let Some(mut front) = complaints.take() {
            let _ = front.write_all(&[0]);
        }
        await_start(&fifo).map_err(failed)?;
    }
    Err(exec(&bundle, &program, mode))
}

/// A FIFO becomes readable only when `start` has opened and written it.
fn await_start(fifo: &File) -> io::Result<()> {
    let mut watched = [PollFd::new(fifo, PollFlags::IN)];
    while rustix::event::poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
    Ok(())
}

/// Makes the remaining namespaces and the mounts, changes the root and returns the program to be run.
fn enter(bundle: &Bundle) -> Result<PathBuf, Failure> {
    chown_streams(bundle);
    let mut flags = UnshareFlags::empty();
    flags.set(UnshareFlags::NEWNS, bundle.has("mount"));
    flags.set(UnshareFlags::NEWIPC, bundle.has("ipc"));
    sys::unshare(flags).map_err(|error| Failure::io("unshare", &error))?;
    if let Some(name) = bundle.hostname.as_ref().filter(|_| bundle.has("uts")) {
        rustix::system::sethostname(name.as_bytes()).map_err(|error| Failure::io("sethostname", &error.into()))?;
    }
    mounts::make_all(bundle)?;
    let failed = |error: rustix::io::Errno| Failure::io("chroot", &error.into());
    rustix::process::chroot(&bundle.root).map_err(failed)?;
    rustix::process::chdir("/").map_err(failed)?;
    change_directory(Path::new(&bundle.cwd), &bundle.cwd)?;
    find(bundle, Path::new("/"))
}

/// Gives the container's user its streams, as crun does; devices are left alone and failures do not matter.
fn chown_streams(bundle: &Bundle) {
    let (user, group) = (Uid::from_raw(bundle.uid), Gid::from_raw(bundle.gid));
    let streams = (rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr());
    for stream in [streams.0, streams.1, streams.2] {
        let kind = rustix::fs::fstat(stream).map(|stat| FileType::from_raw_mode(stat.st_mode));
        if kind.is_ok_and(|kind| kind != FileType::CharacterDevice) {
            let _ = rustix::fs::fchown(stream, Some(user), Some(group));
        }
    }
}

/// The host's paths in place of the container's, for want of a root of its own.
fn stay_outside(bundle: &mut Bundle) -> Result<PathBuf, Failure> {
    let root = fs::canonicalize(&bundle.root).map_err(|error| Failure::io(&bundle.root, &error))?;
    let binds: Vec<(String, String)> = bundle
        .mounts
        .iter()
        .filter(|mount| mount.is_bind())
        .map(|mount| (mount.destination.clone(), mount.source.clone()))
        .collect();
    let outside = |path: &str| {
        binds.iter().find_map(|(destination, source)| {
            let rest = path.strip_prefix(destination.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{source}{rest}"))
        })
    };
    let directory = outside(&bundle.cwd).map_or_else(|| root.join(bundle.cwd.trim_start_matches('/')), PathBuf::from);
    change_directory(&directory, &bundle.cwd)?;
    let program = find(bundle, &root)?;
    for argument in bundle.args.iter_mut().skip(1) {
        *argument = outside(argument).unwrap_or_else(|| argument.clone());
    }
    for entry in &mut bundle.env {
        let moved = entry.split_once('=').and_then(|(name, value)| Some(format!("{name}={}", outside(value)?)));
        *entry = moved.unwrap_or_else(|| entry.clone());
    }
    Ok(program)
}

fn change_directory(path: &Path, shown: &str) -> Result<(), Failure> {
    std::env::set_current_dir(path).map_err(|error| Failure::new(format!("chdir `{shown}`: {}", reason(&error))))
}
