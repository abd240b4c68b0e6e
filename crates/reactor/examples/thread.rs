//! Many captures on a thread of their own. Other threads start them and receive the lines through channels.

use crun_capture_reactor::strategy::Lines;
use crun_capture_reactor::{CaptureId, Command, Delivery, Event, Exit, Reactor, Sink};
use std::error::Error;
use std::sync::mpsc::{Sender, channel};
use std::{io, thread};

/// What the thread of the reactor tells.
#[derive(Debug, PartialEq)]
enum News {
    Line(CaptureId, String),
    Ended(CaptureId, Exit),
    Failed(String),
}

/// A sink that sends every line to a channel. Each capture gets a sink of its own.
struct ToChannel(Sender<News>);

impl Sink for ToChannel {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        let line = String::from_utf8_lossy(delivery.bytes).into_owned();
        self.0.send(News::Line(delivery.capture, line)).map_err(io::Error::other)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut reactor = Reactor::new()?;
    let waker = reactor.waker()?;
    let (orders, inbox) = channel::<Command>();
    let (news, told) = channel();

    let captures = thread::spawn(move || -> io::Result<()> {
        loop {
            match reactor.next(None)? {
                Event::Woken => {
                    for command in inbox.try_iter() {
                        if let Err(error) = reactor.start(&Lines, &command, ToChannel(news.clone())) {
                            let _nobody_listens = news.send(News::Failed(error.to_string()));
                        }
                    }
                }
                Event::Ended(ended) => {
                    let _nobody_listens = news.send(match ended.outcome {
                        Ok(outcome) => News::Ended(ended.id, outcome.exit),
                        Err(error) => News::Failed(error.to_string()),
                    });
                }
                // Every capture has ended, and the last waker is gone.
                Event::Idle => return Ok(()),
                _ => {}
            }
        }
    });

    // Send the order first, then wake the thread. The command could be `crun run --bundle DIR ID`.
    for name in ["a", "b", "c"] {
        orders.send(Command::new("sh").args(["-c", "echo hello from $0; exit 3", name]))?;
        waker.wake();
    }
    drop(waker);

    let told: Vec<News> = told.iter().collect();
    captures.join().expect("the thread does not panic")?;
    let ends = told.iter().filter(|news| matches!(news, News::Ended(_, Exit::Code(3))));
    assert_eq!((told.len(), ends.count()), (6, 3), "{told:?}");
    Ok(())
}
