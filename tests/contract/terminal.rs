//! The other end of `--console-socket`. It receives the terminal and what is written to it.

use crun_capture::process::readable;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use std::fs::File;
use std::io::{self, IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

/// A socket to which a runtime sends the master of a terminal.
pub(crate) struct Console {
    listener: UnixListener,
}

impl Console {
    /// Makes the socket.
    pub(crate) fn listen(path: &Path) -> io::Result<Console> {
        Ok(Console { listener: UnixListener::bind(path)? })
    }

    /// What came with the terminal, and everything written to it until its last user has gone.
    pub(crate) fn receive(&self, within: Duration) -> io::Result<String> {
        if !readable(self.listener.as_fd(), within) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "nobody connects to the console socket"));
        }
        let (connection, _) = self.listener.accept()?;
        let mut bytes = [0; 256];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = rustix::net::recvmsg(&connection, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let received: Vec<OwnedFd> = ancillary
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        let name = String::from_utf8_lossy(&bytes[..message.bytes]).trim_end_matches('\0').to_owned();
        let mut text = format!("came with the word {name:?}\n");
        for master in received {
            let terminal = if rustix::termios::isatty(&master) { "a terminal" } else { "no terminal" };
            text += &format!("{terminal}, on which was written:\n{}", read_to_end(master, within)?);
        }
        Ok(text)
    }
}

/// Reads a terminal to its end. The end is EIO: the last user of the terminal has closed it.
fn read_to_end(master: OwnedFd, within: Duration) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut file = File::from(master);
    let mut piece = [0; 4096];
    while readable(file.as_fd(), within) {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.raw_os_error() == Some(libc::EIO) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&bytes).replace('\r', "<CR>"))
}
