//! The strategy `sequenced`: two datagram sockets in the place of pipes, and one receiver.

use super::{Capabilities, Capability, Strategy, private_directory};
use crate::clock::now_ns;
use crate::command::{CaptureError, Command};
use crate::outcome::Outcome;
use crate::reactor::{self, Begun, Output, Port, Reactive, Shared, Source, Taken};
use crate::sink::Sink;
use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, send, socket_with, sockopt,
};
use rustix::process::Pid;
use std::io;

/// How many batches of datagrams are received before the other captures have their turn. The next batch is often there
/// by the time the last one is delivered.
const BATCHES_MAX: usize = 16;

/// Captures through two datagram sockets: the exact order of the writes across both streams, and which stream each
/// belongs to.
///
/// # What the command gets
///
/// Its fd 1 and 2 are two sockets (AF_UNIX, SOCK_DGRAM). Each has an address of its own, and both are connected to one
/// receiver. The kernel queues what both write in one order, and says with each datagram who sent it.
///
/// The addresses are random names of 128 bits, in a directory of mode 0700. They are unlinked before the command
/// starts, so that nobody else can send. A datagram from anybody else is dropped.
///
/// # What it can do
///
/// It declares `order`, and with it `apart`: each write(2) is a datagram, and the deliveries come in the order of the
/// writes. When the other stream writes in the middle of a line, the part before that is delivered first, with the
/// ending [`Partial`](crate::Ending::Partial). It delivers while the command runs, and keeps every byte that the
/// sockets take.
///
/// # What it cannot do, and why
///
/// Not every program can write to a socket. Know your program before you take this.
///
/// - It does not declare `reopen`, because open(2) of /dev/stdout fails with ENXIO on a socket.
/// - It does not declare `any-write`, because a write over the send buffer (212,960 bytes by default) fails with
///   EMSGSIZE.
/// - It does not declare `any-program`. Node.js writes nothing to such a stdout. dd with large blocks and Python with
///   large writes fail.
/// - It does not declare `free-flow`, because the receiver's queue takes 11 datagrams by default (one more than
///   net.unix.max_dgram_qlen), and then the writer waits.
/// - It does not declare `survives-death`, because a write fails with ECONNREFUSED once there is no receiver.
/// - It does not declare `file` and `independent-sinks`, because it writes no file.
///
/// # How it ends
///
/// Sockets of this kind have no end of file. So before a sender is connected to the receiver, a probe is connected to
/// the sender, and fills the sender's queue, which nobody reads. The probe becomes writable when the last holder of the
/// sender has closed it. The capture ends when that is so for both senders, or at the drain deadline.
///
/// # What it costs
///
/// Each capture takes four descriptors: the receiver, two probes and a pidfd.
pub struct Sequenced;

impl Strategy for Sequenced {
    fn name(&self) -> &'static str {
        "sequenced"
    }

    fn summary(&self) -> &'static str {
        "two datagram sockets and one receiver: exact order and exact origin, at once; not for every program"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyLine, Apart, BoundedMemory, ExactBytes, Live, Order, PromptDespiteGrandchild, Prompts};
        Capabilities::of(&[Live, Prompts, Apart, Order, ExactBytes, AnyLine, BoundedMemory, PromptDespiteGrandchild])
    }

    fn reactive(&self) -> Option<&dyn Reactive> {
        Some(self)
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        reactor::capture(self, command, sink)
    }
}

impl Reactive for Sequenced {
    fn begin(&self, command: &Command, _large: bool) -> Result<Begun, CaptureError> {
        let (receiver, [stdout, stderr]) = Receiver::new().map_err(CaptureError::Descriptors)?;
        let child = command.start(stdout, stderr)?;
        Ok(Begun::new(Pid::from_child(&child), vec![Box::new(receiver)]))
    }
}

struct Receiver {
    socket: OwnedFd,
    /// The addresses of the senders, in the form in which the kernel gives them.
    senders: [Vec<u8>; 2],
    probes: [OwnedFd; 2],
    /// Whether anybody still holds each sender.
    held: [bool; 2],
    largest_bytes: usize,
}

impl Receiver {
    /// Makes the receiver and the two senders.
    fn new() -> io::Result<(Receiver, [OwnedFd; 2])> {
        let directory = private_directory(&std::env::temp_dir())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(directory.path(), flags, Mode::empty()).inspect_err(|_| {
            // At the descriptor limit it cannot be opened to be removed either; rmdir(2) needs none.
            let _tried = std::fs::remove_dir(directory.path());
        })?;
        let socket = |flags| socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags | SocketFlags::CLOEXEC, None);
        // The path starts at the descriptor of the directory, because an address has room for 108 bytes, and the
        // directory of temporary files may be deep.
        let name = || format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let path = |name: &str| format!("/proc/self/fd/{}/{name}", opened.as_raw_fd());
        let names: [String; 3] = std::array::from_fn(|_| name());
        let address = |at: usize| SocketAddrUnix::new(path(&names[at]));
        let receiver = socket(SocketFlags::NONBLOCK)?;
        bind(&receiver, &address(2)?)?;
        let mut largest_bytes = 0;
        let mut pair = |at: usize| -> io::Result<(OwnedFd, OwnedFd)> {
            // The command's own socket. It blocks, so the command waits where there is no room.
            let sender = socket(SocketFlags::empty())?;
            bind(&sender, &address(at)?)?;
            let probe = socket(SocketFlags::NONBLOCK)?;
            connect(&probe, &address(at)?)?;
            // This comes before the sender is connected: from then on only the receiver may send to it (EPERM).
            while send(&probe, b"", SendFlags::empty()).map_or_else(retried, |_| Ok(true))? {}
            connect(&sender, &address(2)?)?;
            largest_bytes = largest_bytes.max(sockopt::socket_send_buffer_size(&sender)?);
            Ok((sender, probe))
        };
        let ((stdout, stdout_probe), (stderr, stderr_probe)) = (pair(0)?, pair(1)?);
        for name in &names {
            rustix::fs::unlinkat(&opened, name, AtFlags::empty())?;
        }
        let receiver = Receiver {
            socket: receiver,
            senders: [path(&names[0]).into_bytes(), path(&names[1]).into_bytes()],
            probes: [stdout_probe, stderr_probe],
            held: [true; 2],
            largest_bytes,
        };
        Ok((receiver, [stdout, stderr]))
    }

    /// Checks whether the last holder of a sender has closed it.
    fn ask_probe(&mut self, at: usize) {
        if matches!(send(&self.probes[at], b"", SendFlags::empty()), Err(Errno::CONNREFUSED)) {
            self.held[at] = false;
        }
    }
}

/// Whether to send again after an error: yes after EINTR, no once the queue is full (EAGAIN).
fn retried(errno: Errno) -> io::Result<bool> {
    match errno {
        Errno::AGAIN => Ok(false),
        Errno::INTR => Ok(true),
        errno => Err(errno.into()),
    }
}

impl Source for Receiver {
    fn ports(&self) -> Vec<Port<'_>> {
        // Edge-triggered, because a probe stays writable from then on.
        let gone = EventFlags::OUT | EventFlags::ET;
        vec![(self.socket.as_fd(), EventFlags::IN), (self.probes[0].as_fd(), gone), (self.probes[1].as_fd(), gone)]
    }

    fn take(&mut self, port: Option<usize>, shared: &mut Shared, output: &mut Output<'_>) -> Taken {
        match port {
            Some(probe @ 1..=2) => self.ask_probe(probe - 1),
            Some(_) => {}
            None => [0, 1].into_iter().for_each(|at| self.ask_probe(at)),
        }
        let messages = shared.messages(self.largest_bytes);
        let mut taken = Taken::Nothing;
        for _ in 0..BATCHES_MAX {
            match messages.receive(&self.socket) {
                Ok(_) => {
                    let at_ns = now_ns();
                    for message in messages.iter() {
                        let Some(at) = self.senders.iter().position(|sender| sender == message.sender) else {
                            continue;
                        };
                        // An empty write is not an end, and there is nothing to deliver.
                        output.push_in_order(at, message.bytes, at_ns);
                        if message.cut {
                            let most = message.bytes.len();
                            output.lost(at, format_args!("a write of more than {most} bytes was cut (MSG_TRUNC)"));
                        }
                    }
                    taken = Taken::Some;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.held == [false, false] => return Taken::End,
                Err(Errno::AGAIN) => return taken,
                Err(errno) => {
                    (0..2).for_each(|at| output.lost(at, format_args!("recvmmsg: {errno}")));
                    return Taken::End;
                }
            }
        }
        Taken::More
    }

    fn cut(&mut self, _at: usize, shared: &mut Shared, output: &mut Output<'_>) {
        if !self.take_last(shared, output) {
            (0..2).filter(|&at| self.held[at]).for_each(|at| output.still_held(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reactor::framers;
    use crate::sink::Memory;
    use crate::stream::{CaptureId, Delivered, Ending, Origin};
    use std::os::unix::fs::PermissionsExt;

    /// What is delivered of what `write` sends, which errors are reported, and whether the capture has ended by then.
    fn receive(
        change: impl FnOnce(&mut Receiver),
        write: impl FnOnce([OwnedFd; 2]),
    ) -> (Vec<Delivered>, Vec<String>, bool) {
        let (mut receiver, senders) = Receiver::new().unwrap();
        change(&mut receiver);
        write(senders);
        let sink = Memory::default();
        let mut output = Output::new(CaptureId::ALONE, Box::new(sink.clone()), framers());
        let mut shared = Shared::default();
        let taken = receiver.take(None, &mut shared, &mut output);
        output.end();
        let errors = output.errors.clone();
        drop(output);
        (sink.take(), errors, taken == Taken::End)
    }

    fn put(sender: &OwnedFd, bytes: &[u8]) {
        assert_eq!(rustix::io::write(sender, bytes), Ok(bytes.len()));
    }

    #[test]
    fn an_empty_datagram_is_no_end_and_the_end_is_that_of_both_senders() {
        let write = |[stdout, stderr]: [OwnedFd; 2]| {
            send(&stdout, b"", SendFlags::empty()).unwrap();
            put(&stderr, b"e\n");
            send(&stderr, b"", SendFlags::empty()).unwrap();
            put(&stdout, b"o\n");
        };
        let (deliveries, errors, ended) = receive(|_| {}, write);
        let got: Vec<_> = deliveries.iter().map(|one| (one.origin, one.bytes.as_slice())).collect();
        let wanted: [(Origin, &[u8]); 2] = [(Origin::Stderr, b"e"), (Origin::Stdout, b"o")];
        assert_eq!((got.as_slice(), errors.len(), ended), (wanted.as_slice(), 0, true));
        let mut held = None;
        let (_, _, ended) = receive(
            |_| {},
            |[stdout, stderr]| {
                drop(stdout);
                held = Some(stderr);
            },
        );
        assert!(!ended, "one of them is still held");
    }

    #[test]
    fn what_is_cut_is_told_and_what_a_stranger_sends_is_dropped() {
        let (deliveries, errors, _) = receive(|it| it.largest_bytes = 8, |[stdout, _]| put(&stdout, b"0123456789\n"));
        assert_eq!((deliveries[0].bytes.as_slice(), deliveries[0].ending), (b"01234567".as_slice(), Ending::None));
        assert!(errors[0].starts_with("stdout: ") && errors[0].contains("MSG_TRUNC"), "{errors:?}");
        let stranger = |it: &mut Receiver| it.senders[1] = b"another".to_vec();
        let (deliveries, errors, _) = receive(stranger, |[stdout, stderr]| {
            put(&stderr, b"who is this\n");
            put(&stdout, b"o\n");
        });
        assert_eq!((deliveries.len(), deliveries[0].bytes.as_slice(), errors.len()), (1, b"o".as_slice(), 0));
    }

    /// Checks what the documentation says of the queue: the writer of one more datagram would wait.
    #[test]
    fn the_queue_takes_so_many_datagrams_and_one_write_over_the_send_buffer_is_refused() {
        let (receiver, [stdout, _stderr]) = Receiver::new().unwrap();
        let text = std::fs::read_to_string("/proc/sys/net/unix/max_dgram_qlen").unwrap();
        let most: usize = text.trim().parse().unwrap();
        rustix::io::ioctl_fionbio(&stdout, true).unwrap();
        let sent = (0..).take_while(|_| send(&stdout, b"x", SendFlags::empty()).is_ok()).count();
        assert_eq!(sent, most + 1);
        let too_large = vec![0; receiver.largest_bytes + 1];
        rustix::io::ioctl_fionbio(&stdout, false).unwrap();
        assert_eq!(rustix::io::write(&stdout, &too_large), Err(Errno::MSGSIZE));
    }

    #[test]
    fn nobody_else_may_come_to_the_sockets() {
        let mode = private_directory(&std::env::temp_dir()).unwrap().path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
