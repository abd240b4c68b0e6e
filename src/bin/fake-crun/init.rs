//! The init process of a container: it makes the surroundings, waits for `start` if it has to, and becomes the
//! workload.

use std::convert::Infallible;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crun_capture::sys::{self, Disposition, UnshareFlags};
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, Gid, Mode as Bits, OFlags, Uid};
use serde::{Deserialize, Serialize};

use crate::bundle::{self, Bundle};
use crate::failure::{Failure, reason};
use crate::fault::Faults;
use crate::mode::Mode;
use crate::program::{exec, find};
use crate::{environment, mounts, streams, terminal};

/// The command with which this program starts itself as an init.
pub(crate) const VERB: &str = "--init-of-a-container";

/// The orders of the front process to the init. Descriptors are given by number. All of them are above those that the
/// container keeps.
#[derive(Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The configuration file, relative to the bundle.
    pub(crate) config: String,
    pub(crate) mode: Mode,
    /// The descriptor for complaints, until the front has let go.
    pub(crate) complaints: i32,
    /// The descriptor on which the front's signal to go on arrives.
    pub(crate) go: i32,
    /// The first descriptor that the container does not get.
    pub(crate) kept: u32,
    /// Whether some of the kept descriptors come by LISTEN_FDS.
    pub(crate) activated: bool,
    /// Whether messages that come too late for the log are JSON.
    pub(crate) json: bool,
    /// The FIFO at which the init waits for `start`, after `create`.
    pub(crate) fifo: Option<PathBuf>,
    /// The socket that gets the master of the terminal.
    pub(crate) console: Option<i32>,
}

/// Becomes the workload. Returns only if that fails. Until the init may start, its complaints go to the front process.
pub(crate) fn main(words: &[String]) -> u8 {
    let closed = streams::closed();
    let orders = words.first().and_then(|words| serde_json::from_str::<Orders>(words).ok());
    let Some(orders) = orders else {
        return Failure::new("the init process is not to be called by hand").report(None);
    };
    // The pipes are opened again to get descriptors that are not inherited.
    let front = open_anew(orders.complaints, File::options().write(true));
    let (mut complaints, mut go) = match (front, open_anew(orders.go, File::options().read(true))) {
        (Ok(complaints), Ok(go)) => (Some(complaints), go),
        (Err(error), _) | (_, Err(error)) => return Failure::io("open the front's pipes", &error).report(None),
    };
    // The front may be killed at any time, and the container must live on.
    let _ = sys::set_disposition(libc::SIGPIPE, Disposition::Ignore);
    let failure = match become_workload(&orders, &closed, &mut complaints, &mut go) {
        Ok(never) => match never {},
        Err(failure) => failure,
    };
    match complaints {
        Some(mut file) => {
            // The front may be gone.
            let _ = file.write_all(failure.text().as_bytes());
            1
        }
        None => failure.report_without_log(orders.json),
    }
}

fn open_anew(descriptor: i32, how: &OpenOptions) -> io::Result<File> {
    how.open(format!("/proc/self/fd/{descriptor}"))
}

fn become_workload(
    orders: &Orders,
    closed: &[usize],
    complaints: &mut Option<File>,
    go: &mut File,
) -> Result<Infallible, Failure> {
    let failed = |error: io::Error| Failure::io("prepare the init process", &error);
    let console = orders.console.map(sys::adopt_descriptor).transpose().map_err(failed)?;
    sys::close_on_exec_from(orders.kept).map_err(failed)?;
    // The process may lead its session already. Nothing depends on it.
    let _ = rustix::process::setsid();
    let mut bundle = bundle::load(&orders.config)?;
    let fifo = orders.fifo.as_ref().map(|path| File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path));
    let fifo = fifo.transpose().map_err(failed)?;
    streams::refuse_closed(closed)?;
    let (program, root) = match orders.mode {
        Mode::Namespaces => (enter(&bundle)?, PathBuf::from("/")),
        Mode::Plain => stay_outside(&mut bundle)?,
    };
    if let Some(socket) = &console {
        terminal::adopt(&bundle, socket)?;
    }
    rustix::process::umask(Bits::from_raw_mode(0o022));
    // If the pipe ends without a byte, the front has died before the container was recorded.
    go.read_exact(&mut [0]).map_err(failed)?;
    // From here on the front only waits for the end of this process. If the front is gone already, nothing is lost.
    if let Some(mut front) = complaints.take() {
        let _ = front.write_all(&[0]);
    }
    if let Some(fifo) = fifo {
        await_start(&fifo).map_err(failed)?;
    }
    sys::set_disposition(libc::SIGPIPE, Disposition::Default).map_err(failed)?;
    misbehave(&bundle.faults);
    let environment = environment::of(&bundle, &root, orders.activated);
    Err(exec(&bundle, program.as_deref(), &environment, orders.mode))
}

/// Applies the faults of the last moment. None of them can fail, because the container needs nothing of them.
fn misbehave(faults: &Faults) {
    if let Some(delay) = faults.slow_start {
        std::thread::sleep(delay);
    }
    if let Some(line) = &faults.warn {
        crate::failure::say(line);
    }
    if faults.nonblock {
        for stream in [rustix::stdio::stdout(), rustix::stdio::stderr()] {
            let _ = rustix::fs::fcntl_getfl(stream)
                .and_then(|flags| rustix::fs::fcntl_setfl(stream, flags | OFlags::NONBLOCK));
        }
    }
}

/// Waits for `start`. The FIFO becomes readable only when `start` has opened it and written to it.
fn await_start(fifo: &File) -> io::Result<()> {
    let mut watched = [PollFd::new(fifo, PollFlags::IN)];
    while rustix::event::poll(&mut watched, None) == Err(rustix::io::Errno::INTR) {}
    Ok(())
}

/// Makes the remaining namespaces and the mounts, changes the root, and returns the program to run.
fn enter(bundle: &Bundle) -> Result<Option<PathBuf>, Failure> {
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

/// Gives the streams to the container's user, as crun does. Devices stay as they are, and failures do not matter.
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

/// Replaces the container's paths by those of the host, because the container has no root of its own. Returns the
/// program and the root directory.
fn stay_outside(bundle: &mut Bundle) -> Result<(Option<PathBuf>, PathBuf), Failure> {
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
    for argument in bundle.args.iter_mut().flatten().skip(1) {
        *argument = outside(argument).unwrap_or_else(|| argument.clone());
    }
    for entry in &mut bundle.env {
        let moved = entry.split_once('=').and_then(|(name, value)| Some(format!("{name}={}", outside(value)?)));
        *entry = moved.unwrap_or_else(|| entry.clone());
    }
    Ok((program, root))
}

fn change_directory(path: &Path, shown: &str) -> Result<(), Failure> {
    std::env::set_current_dir(path).map_err(|error| Failure::new(format!("chdir `{shown}`: {}", reason(&error))))
}
