//! The system calls that the captures make, and the only unsafe code of this crate.
//!
//! Each function is one system call with its preconditions met. In tests each call can be made to fail (`faults`).
#![expect(unsafe_code, reason = "this module is the one place for it")]

use faults::Call;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

pub(crate) mod faults;

/// pipe2(2) with O_CLOEXEC and these flags. Returns the read end and the write end.
pub(crate) fn pipe(flags: rustix::pipe::PipeFlags) -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    faults::limit(Call::Pipe, 1)?;
    rustix::pipe::pipe_with(flags | rustix::pipe::PipeFlags::CLOEXEC)
}

/// read(2).
pub(crate) fn read(descriptor: impl AsFd, buffer: &mut [u8]) -> rustix::io::Result<usize> {
    let length = faults::limit(Call::Read, buffer.len())?;
    rustix::io::read(descriptor, &mut buffer[..length])
}

/// pread(2).
pub(crate) fn read_at(descriptor: impl AsFd, buffer: &mut [u8], offset: u64) -> rustix::io::Result<usize> {
    let length = faults::limit(Call::Read, buffer.len())?;
    rustix::io::pread(descriptor, &mut buffer[..length], offset)
}

/// write(2).
pub(crate) fn write(descriptor: impl AsFd, bytes: &[u8]) -> rustix::io::Result<usize> {
    let length = faults::limit(Call::Write, bytes.len())?;
    rustix::io::write(descriptor, &bytes[..length])
}

/// tee(2), without blocking.
pub(crate) fn tee(from: impl AsFd, into: impl AsFd, length: usize) -> rustix::io::Result<usize> {
    let length = faults::limit(Call::Tee, length)?;
    rustix::pipe::tee(from, into, length, rustix::pipe::SpliceFlags::NONBLOCK)
}

/// splice(2) from a pipe to the place where `into` stands, without blocking on the pipe.
pub(crate) fn splice(from: impl AsFd, into: impl AsFd, length: usize) -> rustix::io::Result<usize> {
    let length = faults::limit(Call::Splice, length)?;
    rustix::pipe::splice(from, None, into, None, length, rustix::pipe::SpliceFlags::NONBLOCK)
}

/// epoll_pwait2(2).
pub(crate) fn epoll_wait(
    epoll: impl AsFd,
    events: &mut [rustix::event::epoll::Event],
    timeout: Option<&rustix::event::Timespec>,
) -> rustix::io::Result<usize> {
    let most = faults::limit(Call::EpollWait, events.len())?;
    rustix::event::epoll::wait(epoll, &mut events[..most], timeout)
}

/// From linux/fcntl.h. libc does not have it for every C library.
const F_SETSIG: libc::c_int = 10;

/// Whether somebody has the file open for writing. The kernel then refuses a read lease (fcntl(2), F_SETLEASE). A lease
/// that it grants is given back at once. `file` must be open for reading only.
///
/// # Errors
/// EACCES: the file is another user's, and CAP_LEASE is missing. EINVAL: its file system has no leases.
pub(crate) fn is_held_for_writing(file: &File) -> io::Result<bool> {
    let call = |command: libc::c_int, argument: libc::c_int| {
        // SAFETY: these commands take an integer and touch no memory.
        let done = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
        if done < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // Somebody who opens the file for writing while the lease is held breaks it, and that sends a signal to this
    // process. SIGURG is ignored by default.
    call(F_SETSIG, libc::SIGURG)?;
    match call(libc::F_SETLEASE, libc::F_RDLCK) {
        Ok(()) => call(libc::F_SETLEASE, libc::F_UNLCK).map(|()| false),
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Room for a batch of datagrams with the addresses of their senders (recvmmsg(2)).
///
/// By default the kernel keeps 11 at most for one receiver (unix(7), net.unix.max_dgram_qlen), so room for more would
/// not be filled.
pub(crate) struct Messages {
    bytes: Vec<u8>,
    bytes_each: usize,
    names: Vec<libc::sockaddr_un>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    received: usize,
}

// SAFETY: the pointers lead to memory that this structure owns alone, so it may be used from whichever thread has it.
unsafe impl Send for Messages {}

/// One datagram.
pub(crate) struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether there was more of it, which is lost (MSG_TRUNC).
    pub(crate) cut: bool,
    /// The path of its sender, as it was bound.
    pub(crate) sender: &'a [u8],
}

impl Messages {
    const COUNT: usize = 11;

    /// Room for datagrams of at most `bytes_each` bytes.
    pub(crate) fn new(bytes_each: usize) -> Messages {
        let name = libc::sockaddr_un { sun_family: 0, sun_path: [0; 108] };
        // SAFETY: an all-zero mmsghdr is valid: no name, no vectors, no control data.
        let header = || unsafe { std::mem::zeroed::<libc::mmsghdr>() };
        let mut messages = Messages {
            bytes: vec![0; bytes_each * Messages::COUNT],
            bytes_each,
            names: vec![name; Messages::COUNT],
            vectors: vec![libc::iovec { iov_base: std::ptr::null_mut(), iov_len: bytes_each }; Messages::COUNT],
            headers: (0..Messages::COUNT).map(|_| header()).collect(),
            received: 0,
        };
        // None of the vectors grows again, so these pointers are valid while `messages` lives, wherever it is moved to.
        let chunks = messages.bytes.chunks_exact_mut(bytes_each);
        for (((header, vector), name), chunk) in
            messages.headers.iter_mut().zip(&mut messages.vectors).zip(&mut messages.names).zip(chunks)
        {
            vector.iov_base = chunk.as_mut_ptr().cast();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = std::ptr::from_mut(name).cast();
        }
        messages
    }

    /// How long a datagram may be, in bytes.
    pub(crate) fn bytes_each(&self) -> usize {
        self.bytes_each
    }

    /// Takes what is there, without blocking. Returns how many datagrams came.
    pub(crate) fn receive(&mut self, socket: impl AsFd) -> rustix::io::Result<usize> {
        self.received = 0;
        let most = faults::limit(Call::Receive, Messages::COUNT)?;
        for header in &mut self.headers[..most] {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_un>() as libc::socklen_t;
        }
        let socket = socket.as_fd().as_raw_fd();
        let flags = libc::MSG_DONTWAIT;
        // SAFETY: each header points to a vector, a name and bytes of this structure, of the lengths that it says.
        let count = unsafe {
            libc::recvmmsg(socket, self.headers.as_mut_ptr(), most as libc::c_uint, flags, std::ptr::null_mut())
        };
        if count < 0 {
            return Err(rustix::io::Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(rustix::io::Errno::IO));
        }
        self.received = count as usize;
        Ok(self.received)
    }

    /// The datagrams of the last `receive`, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        (0..self.received).map(|at| {
            let header = &self.headers[at];
            let length = (header.msg_len as usize).min(self.bytes_each);
            let start = at * self.bytes_each;
            let path = OsStr::from_bytes(self.sender_bytes(at));
            Message {
                bytes: &self.bytes[start..start + length],
                cut: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
                sender: path.as_bytes(),
            }
        })
    }

    /// The path in the address of the sender of message `at`, up to its null byte.
    fn sender_bytes(&self, at: usize) -> &[u8] {
        let known = (self.headers[at].msg_hdr.msg_namelen as usize).saturating_sub(size_of::<libc::sa_family_t>());
        let path = &self.names[at].sun_path;
        // SAFETY: c_char and u8 have the same size and alignment, and every value is one of both.
        let path = unsafe { std::slice::from_raw_parts(path.as_ptr().cast::<u8>(), path.len()) };
        let path = &path[..known.min(path.len())];
        &path[..memchr::memchr(0, path).unwrap_or(path.len())]
    }
}
