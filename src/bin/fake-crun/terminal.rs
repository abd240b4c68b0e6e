//! Terminals of containers: the init makes one in the container's own devpts, and passes it to whoever listens on
//! `--console-socket`.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{CWD, Gid, Mode, OFlags, Uid};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::pty::OpenptFlags;

use crate::bundle::Bundle;
use crate::failure::{Failure, reason};

/// The size of sun_path in unix(7), with its terminating zero.
const ADDRESS_BYTES: usize = 108;

/// Connects to the socket at `path`.
pub(crate) fn connect(path: &str) -> Result<UnixStream, Failure> {
    let failed = |what: &str, error| Failure::new(format!("open console socket: {what} `{path}`: {}", reason(&error)));
    if path.len() < ADDRESS_BYTES {
        return UnixStream::connect(path).map_err(|error| failed("connect socket to", error));
    }
    // A longer path is reached through a descriptor of the socket file.
    let opened = rustix::fs::openat(CWD, Path::new(path), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    let opened = opened.map_err(|error| failed("error opening", error.into()))?;
    let short = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&opened));
    UnixStream::connect(short).map_err(|error| failed("connect socket to", error))
}

/// Makes a terminal and sends its master. The other end becomes this process's controlling terminal and its three
/// streams.
pub(crate) fn adopt(bundle: &Bundle, socket: &OwnedFd) -> Result<(), Failure> {
    let failed = |what: &'static str| move |error: rustix::io::Errno| Failure::io(what, &error.into());
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).map_err(failed("open /dev/ptmx"))?;
    rustix::pty::unlockpt(&master).map_err(failed("unlock the terminal"))?;
    let name = rustix::pty::ptsname(&master, Vec::new()).map_err(failed("ptsname"))?;
    let opened = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let slave = opened.map_err(failed("open the terminal"))?;
    // A failure does not matter here, as for the streams.
    let _ = rustix::fs::fchown(&slave, Some(Uid::from_raw(bundle.uid)), Some(Gid::from_raw(bundle.gid)));
    rustix::process::ioctl_tiocsctty(&slave).map_err(failed("ioctl TIOCSCTTY"))?;
    for result in
        [rustix::stdio::dup2_stdin(&slave), rustix::stdio::dup2_stdout(&slave), rustix::stdio::dup2_stderr(&slave)]
    {
        result.map_err(failed("dup terminal"))?;
    }
    send(socket, &master).map_err(|error| Failure::io("send the terminal", &error))
}

/// Sends the master, with the one byte that crun sends beside it. A message cannot consist of descriptors only.
fn send(socket: &OwnedFd, master: &OwnedFd) -> io::Result<()> {
    let descriptors = [master.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(socket, &[IoSlice::new(b" ")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}
