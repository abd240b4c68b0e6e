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
//! Each declares what it can do ([`Capability`](strategy::Capability)); its own page says why it cannot do the rest. A
//! command that runs a container, such as `crun run --bundle DIR ID`, hands its fd 1 and 2 to the container, so all of
//! this holds for containers too.
//!
//! # What may block
//!
//! [`Reactor::next`] waits in epoll_pwait2(2), and runs your sinks. A sink that blocks holds up every capture of its
//! reactor: the pipes fill, and their commands wait in write(2). Under `follow` the commands write on.
//! [`Reactor::start`] forks, and waits where the strategy says so: at most 2 s for the reader of a FIFO
//! (`passthrough`), at most 10 s for each verb of the runtime (`pty`). When a container with a terminal ends, `next`
//! waits for the runtime's `delete`.
//!
//! # What is kept in memory
//!
//! For each stream, the part of a line that has no line feed yet: at most 64 KiB. A longer line comes in pieces with
//! the ending [`Partial`](Ending::Partial). So does an unterminated line after 20 ms without another byte, since it may
//! be a prompt. Everything else waits in the kernel: in the pipe, or in the file.
//!
//! # How a capture ends
//!
//! A capture has ended when its command was waited for and its streams are at their end. A child of the command may
//! hold the streams open for ever; then the capture ends 2 s ([`DRAIN`]) after the exit, and its outcome says
//! `truncated`.
//!
//! # Errors
//!
//! [`Reactor::start`] fails when the command does not start. What goes wrong later stands in the [`Outcome`], beside
//! everything that was delivered. After an error of a sink that sink receives nothing more, and its streams are read
//! on, so that the command does not block. [`Reactor::next`] fails only when the epoll set itself does.
//!
//! # Descriptors and signals
//!
//! A capture takes three to five descriptors, so 1,000 captures need a higher limit than the usual 1,024
//! (RLIMIT_NOFILE). At the limit `start` fails with [`CaptureError::Descriptors`], and everything that runs goes on.
//!
//! This crate installs no signal handlers. Under `splice` this process writes your files: a file over RLIMIT_FSIZE then
//! sends it SIGXFSZ, and a FIFO without a reader SIGPIPE. Ignore or handle both, and the write's error is reported.
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
