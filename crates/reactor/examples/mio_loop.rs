//! Captures inside an event loop of your own, here that of mio.

use crun_capture_reactor::strategy::Lines;
use crun_capture_reactor::{Command, Event, Memory, Reactor};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::error::Error;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const CAPTURES: Token = Token(0);

fn main() -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(16);
    let mut reactor = Reactor::new()?;
    poll.registry().register(&mut SourceFd(&reactor.as_raw_fd()), CAPTURES, Interest::READABLE)?;

    let sink = Memory::default();
    for _ in 0..10 {
        reactor.start(&Lines, &Command::new("sh").args(["-c", "echo out; echo err >&2"]), sink.clone())?;
    }

    let mut ended = 0;
    while reactor.running() > 0 {
        // Whatever else the loop waits for belongs in the same poll.
        let deadline = reactor.next_deadline();
        poll.poll(&mut events, deadline.map(|at| at.saturating_duration_since(Instant::now())))?;
        while let Event::Ended(capture) = reactor.next(Some(Duration::ZERO))? {
            ended += u32::from(capture.outcome?.errors.is_empty());
        }
    }

    assert_eq!((ended, sink.count()), (10, 20));
    Ok(())
}

#[test]
fn it_runs() {
    main().unwrap();
}
