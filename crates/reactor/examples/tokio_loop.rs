//! Captures inside a tokio runtime. tokio waits for two things: the reactor's descriptor, and its next deadline.
#![expect(unsafe_code, reason = "tokio's AsyncFd asks for a promise about the descriptor")]

use crun_capture_reactor::strategy::Lines;
use crun_capture_reactor::{Command, Event, Exit, Memory, Reactor};
use std::error::Error;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    // SAFETY: a reactor owns its descriptor, and returns the same open one for as long as it lives.
    let mut reactor = unsafe { AsyncFd::register_with_interest(Reactor::new()?, Interest::READABLE) }?;
    let sink = Memory::default();
    for code in [0, 7] {
        let command = Command::new("sh").args(["-c", "printf 'your name? '; sleep 0.1; exit $0", &code.to_string()]);
        reactor.get_mut().start(&Lines, &command, sink.clone())?;
    }

    let mut exits = Vec::new();
    while reactor.get_ref().running() > 0 {
        let deadline = reactor.get_ref().next_deadline();
        let timer = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = reactor.readable_mut() => ready?.clear_ready(),
            () = timer => {}
        }
        // A timeout of zero: do everything that there is to do, and do not wait.
        while let Event::Ended(ended) = reactor.get_mut().next(Some(Duration::ZERO))? {
            exits.push(ended.outcome?.exit);
        }
    }

    exits.sort_by_key(|exit| exit.shell_code());
    assert_eq!(exits, [Exit::Code(0), Exit::Code(7)]);
    assert!(sink.take().iter().all(|delivered| delivered.bytes == b"your name? "), "a prompt needs no line feed");
    Ok(())
}

#[test]
fn it_runs() {
    main().unwrap();
}
