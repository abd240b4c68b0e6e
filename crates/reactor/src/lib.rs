//! Captures the stdout and stderr of commands: any number of them, on one thread.
//!
//! This example is a small driver. One thread captures; other threads order captures through a channel and receive the
//! lines through another.
//!
//! ```
#![doc = include_str!("../examples/thread.rs")]
//! ```
//!
//! # Which strategy
//!
//! A strategy decides what the command gets as its fd 1 and 2. [`Reactor::start`] takes any of these:
//!
//! | strategy | the command writes to | take it when |
//! |---|---|---|
//! | [`Lines`](strategy::Lines) | two pipes | you want every line, as it comes, and nothing else |
//! | [`Splice`](strategy::Splice) | two pipes | you also want the bytes in files; they never enter this process on their way there |
//! | [`Follow`](strategy::Follow) | two files | the command must outlive your process, and a slow consumer must not stall it |
//! | [`Passthrough`](strategy::Passthrough) | your own FIFOs | somebody else reads them, as Nomad's logmon does |
//! | [`Sequenced`](strategy::Sequenced) | two sockets | you need the exact order across both streams, and know the program: not every program can write to a socket |
//! | [`Pty`](strategy::Pty) | a terminal | the program holds back its output unless it sees a terminal |
//!
//! Each declares what it can do; [`strategy`] has the table of all, and each strategy's own page says why it cannot do the
//! rest.
//!
//! # Containers
//!
//! `crun run --bundle DIR ID` in the foreground hands its own fd 1 and 2 to the container, so everything here holds for
//! containers, too. Its exit is the container's: a code, or 128 + n when signal n has ended the container.
//!
//! `crun run --detach` is different: the command ends at once, the container runs on and holds the streams, and the
//! capture ends 2 s later ([`DRAIN`]) with most of the output missing. Run the container in the foreground.
//! runc in the foreground copies the streams itself, so `Sequenced` and `Pty` do not reach its container.
//!
//! # What may block
//!
//! [`Reactor::next`] waits in epoll_pwait2(2), and runs your sinks. A sink that blocks holds up every capture of its
//! reactor: the pipes fill, and their commands wait in write(2). Under `follow` the commands write on.
//! [`Reactor::start`] forks, and waits where the strategy says so: at most 2 s for the reader of a FIFO
//! (`passthrough`); under `pty`, which runs `crun create` and `crun start` in place of `crun run`, at most 10 s for each.
//! When a container with a terminal ends, `next` runs `crun delete` and waits at most 10 s for it. While `start` or `next`
//! waits, the other captures of the reactor wait too.
//!
//! # What is kept in memory
//!
//! For each stream, the part of a line that has no line feed yet: at most 64 KiB. A longer line comes in pieces with
//! the ending [`Partial`](Ending::Partial). So does an unterminated line after 20 ms without another byte, since it may
//! be a prompt. The reactor itself has one read buffer of 256 KiB for all captures, `splice` one pipe beside it, and
//! `sequenced` room for 11 datagrams. Everything else waits in the kernel: in the pipe, or in the file.
//!
//! # How a capture ends
//!
//! A capture has ended when the reactor has waited for its command and the streams are at their end. The reactor calls
//! waitid(2) for its own commands only; do not wait for them elsewhere, for example with waitpid(-1). A child of the command
//! may hold the streams open for ever; then the capture ends 2 s ([`DRAIN`]) after the exit, and its outcome says
//! `truncated`. A driver looks at `truncated` and `errors` as well as at the exit.
//!
//! When your process dies, a command under `follow` writes on into its files. Keep the offset of each [`Delivery`] where it
//! survives you, and [`Follow::resume_in`](strategy::Follow::resume_in) goes on from there.
//!
//! # Errors
//!
//! [`Reactor::start`] fails when the command does not start. What goes wrong later stands in the [`Outcome`], beside
//! everything that the sink has received. After an error of a sink that sink receives nothing more, and its streams are read
//! on, so that the command does not block. [`Reactor::next`] fails only when the epoll set itself does.
//!
//! # Descriptors and signals
//!
//! A capture takes two to five descriptors, so 1,000 captures need a higher limit than the usual 1,024
//! (RLIMIT_NOFILE). At the limit `start` fails with [`CaptureError::Descriptors`], and everything that runs goes on.
//!
//! This crate installs no signal handlers. Under `splice` this process writes your files: a file over RLIMIT_FSIZE then
//! sends it SIGXFSZ, and a FIFO without a reader SIGPIPE. Ignore or handle both, and the write's error is reported. (The
//! `main` of a Rust program ignores SIGPIPE already; a library in a program of another language does not.)
//!
//! Under `pty` this process becomes a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER) and stays one.
//!
//! # In an event loop of your own
//!
//! [`Reactor`] has a descriptor ([`AsFd`](std::os::fd::AsFd), [`AsRawFd`](std::os::fd::AsRawFd)) and a
//! [`next_deadline`](Reactor::next_deadline). Wait for both, then call [`next`](Reactor::next) with a timeout of zero
//! until it returns [`TimedOut`](Event::TimedOut) or [`Idle`](Event::Idle). `examples/tokio_loop.rs` and
//! `examples/mio_loop.rs` are such loops.
//!
//! # Features
//!
//! Without features the crate has 14 others below it. `serde` makes streams, endings, exits, capabilities and needs
//! serializable. `schemars` gives capabilities a JSON schema, too.

pub mod clock;
mod stream;

mod sys;

mod command;
mod outcome;
mod sink;

mod reactor;

pub mod strategy;

pub use command::{CaptureError, Command, Stdin};
pub use outcome::{Exit, Outcome};
pub use reactor::{DRAIN, Ended, Event, Framer, Reactor, Waker};
pub use sink::{Memory, Sink};
pub use stream::{CaptureId, Delivered, Delivery, Ending, Origin, Stream, lines};
