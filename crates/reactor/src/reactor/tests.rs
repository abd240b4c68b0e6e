//! The reactor with real commands, and with a kernel that interrupts, refuses and does half.

use super::*;
use crate::sink::Memory;
use crate::strategy::{Capability, Follow, Lines, Pty, Sequenced, Splice, Strategy};
use crate::stream::{Delivered, Delivery, Ending, Origin};
use crate::sys::faults::{self, Call, Fault};
use proptest::prelude::*;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// All that read what the command writes.
const ALL: [&dyn Strategy; 5] = [&Lines, &Splice, &Follow, &Sequenced, &Pty];

fn reactive() -> impl Iterator<Item = (&'static str, &'static dyn Reactive)> {
    ALL.iter().filter_map(|strategy| Some((strategy.name(), strategy.reactive()?)))
}

fn shell(script: &str, directory: &Path) -> Command {
    Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(directory)
        .stdout_path(directory.join("stdout"))
        .stderr_path(directory.join("stderr"))
}

/// The bytes of one stream, put together again; a terminal's are both.
fn bytes(deliveries: &[Delivered], origin: Origin) -> Vec<u8> {
    let of_origin = deliveries.iter().filter(|one| one.origin == origin || one.origin == Origin::Merged);
    of_origin.flat_map(|one| [&one.bytes, one.ending.terminator()].concat()).collect()
}

/// The capture that ends next.
#[track_caller]
fn ended(reactor: &mut Reactor<'_>) -> Ended {
    match reactor.next(None).unwrap() {
        Event::Ended(ended) => ended,
        other => panic!("{other:?}"),
    }
}

const NUMBERS: &str = "i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i + 1)); done; printf 'no end'; exit 7";

fn numbers() -> Vec<u8> {
    let lines: String = (0..2000).map(|number| format!("line {number}\n")).collect();
    [lines.as_bytes(), b"no end"].concat()
}

/// Whatever the kernel does to single calls, the bytes and the files are whole.
fn check_under(plan: impl Fn(&str, usize, Call) -> Option<Fault> + Clone + 'static) {
    for (name, strategy) in reactive() {
        let directory = tempfile::tempdir().unwrap();
        let mut sink = Memory::default();
        let (plan, mut count) = (plan.clone(), 0);
        let counted = move |call| {
            count += 1;
            plan(name, count, call)
        };
        let outcome =
            faults::with(counted, || capture(strategy, &shell(NUMBERS, directory.path()), &mut sink)).unwrap();
        assert_eq!((outcome.exit, outcome.truncated), (Exit::Code(7), false), "{name}: {:?}", outcome.errors);
        let deliveries = sink.take();
        assert!(bytes(&deliveries, Origin::Stdout) == numbers(), "{name} delivers other bytes");
        if let Ok(file) = fs::read(directory.path().join("stdout")) {
            assert!(file == numbers(), "{name} has other bytes in its file");
        }
    }
}

#[test]
fn interrupted_calls_are_made_again() {
    // pipe2(2) is not interrupted.
    check_under(|_, count, call| (count % 2 == 0 && call != Call::Pipe).then_some(Fault::Fails(Errno::INTR)));
}

#[test]
fn calls_that_would_block_are_waited_for() {
    check_under(|name, count, call| {
        let may = match call {
            Call::Tee | Call::Receive | Call::Splice => true,
            // A copy that was teed is there, and a file never makes anybody wait.
            Call::Read => !matches!(name, "splice" | "follow"),
            Call::Write | Call::EpollWait | Call::Pipe => false,
        };
        (count % 5 == 0 && may).then_some(Fault::Fails(Errno::AGAIN))
    });
}

#[test]
fn short_reads_and_short_writes_are_gone_on_with() {
    check_under(|_, count, call| match call {
        Call::Read | Call::Write | Call::Tee | Call::Splice => Some(Fault::Short(1 + count % 113)),
        Call::Receive => Some(Fault::Short(1)),
        Call::EpollWait | Call::Pipe => None,
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any bytes in any pieces, on both streams, through every state machine, by a kernel that does what it likes: what comes out
    /// equals what went in, and where the order is declared it is the order, too.
    #[test]
    fn what_comes_out_equals_what_went_in(
        pieces in prop::collection::vec(
            (any::<bool>(), prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 1..3_000)),
            1..12,
        ),
        seed in any::<u64>(),
    ) {
        for (name, strategy) in reactive() {
            let directory = tempfile::tempdir().unwrap();
            let whole: Vec<u8> = pieces.iter().flat_map(|(_, piece)| piece.iter().copied()).collect();
            fs::write(directory.path().join("in"), &whole).unwrap();
            let write = |(to_stderr, piece): &(bool, Vec<u8>)| {
                let to = if *to_stderr { "1>&2 " } else { "" };
                format!("dd bs={} count=1 <&3 {to}2>/dev/null; ", piece.len())
            };
            let script: String = pieces.iter().map(write).collect();
            let (mut sink, mut random) = (Memory::default(), fastrand::Rng::with_seed(seed));
            let plan = move |call| match call {
                Call::Pipe => None,
                _ => match random.u8(0..4) {
                    0 => Some(Fault::Fails(Errno::INTR)),
                    1 => Some(Fault::Short(random.usize(1..2_000))),
                    _ => None,
                },
            };
            let command = shell(&format!("exec 3<\"$1/in\"; {script}"), directory.path());
            let outcome = faults::with(plan, || capture(strategy, &command, &mut sink)).unwrap();
            prop_assert_eq!((outcome.exit, outcome.truncated), (Exit::Code(0), false), "{}: {:?}", name, outcome.errors);
            let deliveries = sink.take();
            let declares = ALL.iter().find(|one| one.name() == name).unwrap().declares();
            if declares.has(Capability::Order) {
                let all: Vec<u8> = deliveries.iter().flat_map(|one| [&one.bytes, one.ending.terminator()].concat()).collect();
                prop_assert!(all == whole, "{} has another order, or other bytes", name);
            }
            if declares.has(Capability::Apart) {
                for (to_stderr, origin) in [(false, Origin::Stdout), (true, Origin::Stderr)] {
                    let of_stream = pieces.iter().filter(|(stderr, _)| *stderr == to_stderr);
                    let wanted: Vec<u8> = of_stream.flat_map(|(_, piece)| piece.iter().copied()).collect();
                    prop_assert!(bytes(&deliveries, origin) == wanted, "{} delivers other bytes of {:?}", name, origin);
                }
            }
        }
    }
}

#[test]
fn a_file_that_does_not_take_splice_is_written() {
    let splice = Splice;
    let directory = tempfile::tempdir().unwrap();
    let mut sink = Memory::default();
    let refuse = |call| (call == Call::Splice).then_some(Fault::Fails(Errno::INVAL));
    let command = shell(NUMBERS, directory.path());
    let outcome = faults::with(refuse, || splice.capture(&command, &mut sink)).unwrap();
    assert_eq!((outcome.truncated, outcome.errors.len()), (false, 0), "{:?}", outcome.errors);
    assert!(outcome.notes[0].contains("EINVAL"), "{:?}", outcome.notes);
    assert!(bytes(&sink.take(), Origin::Stdout) == numbers());
    assert!(fs::read(directory.path().join("stdout")).unwrap() == numbers());
}

#[test]
fn a_file_that_fails_does_not_stop_the_stream_and_the_reverse() {
    let splice = Splice;
    for errno in [Errno::NOSPC, Errno::FBIG, Errno::IO] {
        let directory = tempfile::tempdir().unwrap();
        let mut sink = Memory::default();
        let mut splices = 0;
        let full = move |call| {
            splices += usize::from(call == Call::Splice);
            // All that is written may come at once: so the first takes a part of it.
            let fault = if splices == 1 { Fault::Short(100) } else { Fault::Fails(errno) };
            (call == Call::Splice).then_some(fault)
        };
        let command = shell(NUMBERS, directory.path());
        let outcome = faults::with(full, || splice.capture(&command, &mut sink)).unwrap();
        assert!(outcome.truncated && outcome.errors[0].contains("the file is given up"), "{:?}", outcome.errors);
        assert!(bytes(&sink.take(), Origin::Stdout) == numbers());
        assert!(numbers().starts_with(&fs::read(directory.path().join("stdout")).unwrap()));
    }
    struct Gone(usize);
    impl Sink for Gone {
        fn deliver(&mut self, _: &Delivery<'_>) -> io::Result<()> {
            self.0 += 1;
            if self.0 <= 5 { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        }
    }
    for (name, strategy) in reactive() {
        let directory = tempfile::tempdir().unwrap();
        let mut gone = Gone(0);
        let outcome = capture(strategy, &shell(NUMBERS, directory.path()), &mut gone).unwrap();
        assert_eq!((outcome.exit, outcome.truncated), (Exit::Code(7), true), "{name}");
        assert_eq!(outcome.errors.len(), 1, "{name}: {:?}", outcome.errors);
        assert!(outcome.errors[0].starts_with("consumer: "), "{name}: {:?}", outcome.errors);
        assert_eq!(gone.0, 6, "{name}: nothing more is delivered");
        if let Ok(file) = fs::read(directory.path().join("stdout")) {
            assert!(file == numbers(), "{name} has other bytes in its file");
        }
    }
}

/// A FIFO in the place of stdout's file, and its reader, which has read nothing yet.
fn full_fifo(directory: &Path) -> OwnedFd {
    let fifo = directory.join("stdout");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let reader = rustix::fs::open(&fifo, flags, rustix::fs::Mode::empty()).unwrap();
    rustix::io::ioctl_fionbio(&reader, false).unwrap();
    reader
}

/// More than the FIFO has room for, and less than the pipe.
const ZEROS: &str = "head -c 300000 /dev/zero";

/// Whose reader does not read: it is waited for, and then given up.
#[test]
fn a_full_pipe_in_the_place_of_the_file_does_not_stop_the_stream() {
    let splice = Splice;
    let directory = tempfile::tempdir().unwrap();
    let reader = full_fifo(directory.path());
    let mut sink = Memory::default();
    let outcome = splice.capture(&shell(ZEROS, directory.path()), &mut sink).unwrap();
    assert_eq!((outcome.exit, outcome.truncated), (Exit::Code(0), true));
    assert!(outcome.errors[0].contains("the file is given up"), "{:?}", outcome.errors);
    assert_eq!(bytes(&sink.take(), Origin::Stdout), vec![0; 300_000]);
    drop(reader);
}

/// Whose reader is slow: no other capture waits for it, and it gets everything.
#[test]
fn a_full_pipe_in_the_place_of_the_file_holds_up_nobody_else() {
    let (splice, lines) = (Splice, Lines);
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let reader = full_fifo(directory.path());
    let (sink, other_sink) = (Memory::default(), Memory::default());
    let mut reactor = Reactor::new().unwrap();
    let full = reactor.start(&splice, &shell(ZEROS, directory.path()), sink.clone()).unwrap();
    while sink.count() == 0 {
        assert!(matches!(reactor.next(Some(Duration::from_millis(1))).unwrap(), Event::TimedOut));
    }
    let quick = shell("echo other; exit 4", other.path());
    let quick = reactor.start(&lines, &quick, other_sink).unwrap();
    assert_eq!(ended(&mut reactor).id, quick);
    let reading = std::thread::spawn(move || {
        let mut whole = Vec::new();
        io::Read::read_to_end(&mut fs::File::from(reader), &mut whole).unwrap();
        whole
    });
    let ended = ended(&mut reactor);
    let outcome = ended.outcome.unwrap();
    assert_eq!((ended.id, outcome.truncated), (full, false), "{:?}", outcome.errors);
    assert_eq!(reading.join().unwrap(), vec![0; 300_000]);
}

/// Whose consumer is gone, too: what comes goes on to it.
#[test]
fn a_pipe_in_the_place_of_the_file_gets_everything_without_a_consumer() {
    struct Gone;
    impl Sink for Gone {
        fn deliver(&mut self, _: &Delivery<'_>) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let splice = Splice;
    let directory = tempfile::tempdir().unwrap();
    let reader = full_fifo(directory.path());
    // Without a writer of its own the reader would be at the end before the capture opens the FIFO.
    let writer = fs::File::options().write(true).open(directory.path().join("stdout")).unwrap();
    let reading = std::thread::spawn(move || {
        let mut whole = Vec::new();
        io::Read::read_to_end(&mut fs::File::from(reader), &mut whole).unwrap();
        whole
    });
    let outcome = splice.capture(&shell(&ZEROS.replace("300000", "3000000"), directory.path()), &mut Gone).unwrap();
    drop(writer);
    assert_eq!(outcome.errors.len(), 1, "{:?}", outcome.errors);
    assert_eq!(reading.join().unwrap(), vec![0; 3_000_000]);
}

#[test]
fn at_the_descriptor_limit_the_start_fails_and_what_runs_goes_on() {
    for (name, strategy) in reactive() {
        let directory = tempfile::tempdir().unwrap();
        let other = directory.path().join("other");
        fs::create_dir(&other).unwrap();
        let (sink, refused) = (Memory::default(), Memory::default());
        let mut reactor = Reactor::new().unwrap();
        reactor.start(strategy, &shell(NUMBERS, directory.path()), sink.clone()).unwrap();
        if name == "lines" || name == "splice" {
            let full = |call| (call == Call::Pipe).then_some(Fault::Fails(Errno::MFILE));
            let started = faults::with(full, || reactor.start(strategy, &shell(NUMBERS, &other), refused.clone()));
            assert!(matches!(started, Err(CaptureError::Descriptors(_))), "{name}");
        }
        let missing = Command::new("no-such-program-anywhere");
        assert!(matches!(reactor.start(strategy, &missing, refused), Err(CaptureError::Start { .. })), "{name}");
        assert_eq!(reactor.running(), 1);
        assert_eq!(ended(&mut reactor).outcome.unwrap().exit, Exit::Code(7));
        assert_eq!((reactor.running(), matches!(reactor.next(None).unwrap(), Event::Idle)), (0, true));
        drop(reactor);
        assert!(bytes(&sink.take(), Origin::Stdout) == numbers());
    }
}

#[test]
fn a_crowd_in_one_reactor_is_kept_apart() {
    let directory = tempfile::tempdir().unwrap();
    let sinks: Vec<Memory> = (0..60).map(|_| Memory::default()).collect();
    let mut reactor = Reactor::new().unwrap();
    let mut wanted = HashMap::new();
    let strategies: Vec<_> = reactive().collect();
    for (number, sink) in sinks.iter().enumerate() {
        let folder = directory.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        let script = format!("for i in 1 2 3 4 5; do echo {number} $i; done; exit {number}");
        let (name, strategy) = strategies[number % strategies.len()];
        wanted.insert(reactor.start(strategy, &shell(&script, &folder), sink.clone()).unwrap(), (number, name));
    }
    while let Event::Ended(ended) = reactor.next(None).unwrap() {
        let (number, name) = wanted.remove(&ended.id).unwrap();
        assert_eq!(ended.outcome.unwrap().exit, Exit::Code(number as i32), "{name}");
    }
    assert!(wanted.is_empty());
    drop(reactor);
    for (number, sink) in sinks.into_iter().enumerate() {
        let lines: String = (1..=5).map(|line| format!("{number} {line}\n")).collect();
        assert_eq!(bytes(&sink.take(), Origin::Stdout), lines.as_bytes());
    }
}

/// The events of a capture that has ended, or of the one before in its place, are nobody's.
#[test]
fn stale_tokens_are_nobodys() {
    let directory = tempfile::tempdir().unwrap();
    let (first_sink, second_sink) = (Memory::default(), Memory::default());
    let mut reactor = Reactor::new().unwrap();
    let (_, lines) = reactive().next().unwrap();
    let first = reactor.start(lines, &shell("exit 1", directory.path()), first_sink).unwrap();
    assert_eq!(ended(&mut reactor).id, first);
    let second =
        reactor.start(lines, &shell("read x < \"$1/gate\"; echo b; exit 2", directory.path()), second_sink.clone());
    let second = second.unwrap();
    assert_ne!(first, second);
    for what in [0x00, 0x10, PIDFD, ANY_PORT] {
        reactor.dispatch(first.0 & !0xff | u64::from(what));
    }
    reactor.tick(first.0);
    reactor.stop(first, Duration::ZERO);
    assert_eq!(reactor.running(), 1);
    // There is no such gate, so the shell says so and goes on.
    assert_eq!(ended(&mut reactor).outcome.unwrap().exit, Exit::Code(2));
    drop(reactor);
    assert_eq!(bytes(&second_sink.take(), Origin::Stdout), b"b\n");
}

#[test]
fn one_is_stopped_and_the_other_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("gate"), rustix::fs::Mode::RWXU).unwrap();
    let (_, lines) = reactive().next().unwrap();
    for (script, exit) in [
        ("echo up; read x < \"$1/gate\"", Exit::Signal(15)),
        ("trap '' TERM; echo up; read x < \"$1/gate\"", Exit::Signal(9)),
    ] {
        let (stubborn, other) = (Memory::default(), Memory::default());
        let mut reactor = Reactor::new().unwrap();
        let stopped = reactor.start(lines, &shell(script, directory.path()), stubborn.clone()).unwrap();
        let goes_on = reactor.start(lines, &shell("echo other", directory.path()), other).unwrap();
        assert_eq!(ended(&mut reactor).id, goes_on);
        // It has set its trap when its line is there.
        while stubborn.count() == 0 {
            reactor.next(Some(Duration::from_millis(1))).unwrap();
        }
        assert!(reactor.pid(stopped).is_some_and(|pid| pid > 1), "its command runs");
        reactor.stop(stopped, Duration::from_millis(50));
        // It does not put the SIGKILL off.
        reactor.stop(stopped, Duration::from_secs(3600));
        let ended = ended(&mut reactor);
        assert_eq!((ended.id, ended.outcome.unwrap().exit), (stopped, exit));
        assert_eq!((reactor.pid(stopped), reactor.next_deadline()), (None, None));
    }
}

/// Each stream would write over the other.
#[test]
fn one_file_for_both_streams_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let both = directory.path().join("both");
    let command = |path: &Path| Command::new("true").stdout_path(path).stderr_path(path);
    for (name, strategy) in [("splice", &Splice as &dyn Strategy), ("follow", &Follow)] {
        let refused = strategy.capture(&command(&both), &mut Memory::default()).unwrap_err();
        assert!(refused.to_string().contains("a file each"), "{name}: {refused}");
    }
    let outcome = Splice.capture(&command(Path::new("/dev/null")), &mut Memory::default()).unwrap();
    assert_eq!(outcome.exit, Exit::Code(0), "a device may take both");
}

/// The drain deadline counts from the exit, and not from the last byte.
#[test]
fn a_child_that_holds_the_streams_does_not_hold_the_capture() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RWXU).unwrap();
    let sinks: Vec<Memory> = reactive().map(|_| Memory::default()).collect();
    let mut reactor = Reactor::new().unwrap();
    for ((name, strategy), sink) in reactive().zip(&sinks) {
        let folder = directory.path().join(name);
        fs::create_dir(&folder).unwrap();
        let command = shell("echo before; read x < \"$1/../gate\" & exit 3", &folder);
        reactor.start(strategy, &command, sink.clone()).unwrap();
    }
    while let Event::Ended(ended) = reactor.next(Some(DRAIN * 4)).unwrap() {
        let outcome = ended.outcome.unwrap();
        assert_eq!((outcome.exit, outcome.truncated), (Exit::Code(3), true), "{:?}", outcome.errors);
        assert!(outcome.errors.iter().all(|error| error.contains("something holds it")), "{:?}", outcome.errors);
        assert!(now_ns() - outcome.exit_at_ns >= DRAIN.as_nanos() as u64);
    }
    assert_eq!(reactor.running(), 0, "every capture has ended");
    // Lets the children go.
    drop(fs::File::options().read(true).write(true).open(&gate).unwrap());
    drop(reactor);
    for sink in sinks {
        assert_eq!(bytes(&sink.take(), Origin::Stdout), b"before\n");
    }
}

/// Another thread says what is to be done: it puts a message into a channel and wakes the reactor.
#[test]
fn another_thread_starts_stops_and_shuts_down() {
    let mut reactor = Reactor::new().unwrap();
    let waker = reactor.waker().unwrap();
    assert!(matches!(reactor.next(Some(Duration::ZERO)).unwrap(), Event::TimedOut), "a waker lives, so it is not idle");
    let (sender, receiver) = std::sync::mpsc::channel();
    let sink = Memory::default();
    let own_sink = sink.clone();
    // A reactor is Send, its captures included.
    let thread = std::thread::spawn(move || {
        let mut exits = Vec::new();
        loop {
            match reactor.next(None).unwrap() {
                Event::Woken => {
                    for script in receiver.try_iter() {
                        let command = Command::new("sh").args(["-c", script]);
                        reactor.start(&Lines, &command, own_sink.clone()).unwrap();
                    }
                }
                Event::Ended(ended) => exits.push(ended.outcome.unwrap().exit),
                Event::Idle => return exits,
                Event::TimedOut => unreachable!("there is no timeout"),
            }
        }
    });
    sender.send("echo a; exit 3").unwrap();
    waker.wake();
    let other = waker.clone();
    drop(waker);
    while sink.count() == 0 {
        std::thread::yield_now();
    }
    sender.send("echo b; exit 4").unwrap();
    other.wake();
    drop(other);
    // Nobody can wake it any more: it ends when its captures have.
    let mut exits = thread.join().unwrap();
    exits.sort_by_key(|exit| exit.shell_code());
    assert_eq!(exits, [Exit::Code(3), Exit::Code(4)]);
    assert_eq!(bytes(&sink.take(), Origin::Stdout), b"a\nb\n");
}

/// A wake that comes before the wait is not lost, and many of them are one event.
#[test]
fn a_wake_waits_for_the_reactor() {
    let mut reactor = Reactor::new().unwrap();
    let waker = reactor.waker().unwrap();
    (0..3).for_each(|_| waker.wake());
    assert!(matches!(reactor.next(None).unwrap(), Event::Woken));
    assert!(matches!(reactor.next(Some(Duration::ZERO)).unwrap(), Event::TimedOut));
    // Dropping the last one rings, and that is told before the reactor is idle: a message may have come with it.
    drop(waker);
    assert!(matches!(reactor.next(None).unwrap(), Event::Woken));
    assert!(matches!(reactor.next(None).unwrap(), Event::Idle));
}

/// The deadline is that of what the descriptor does not tell of: here a prompt, which is due 20 ms after it was read.
#[test]
fn a_loop_of_ones_own_knows_when_to_look() {
    let directory = tempfile::tempdir().unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("gate"), rustix::fs::Mode::RWXU).unwrap();
    let mut reactor = Reactor::new().unwrap();
    assert_eq!(reactor.next_deadline(), None);
    let sink = Memory::default();
    let command = shell("printf 'name? '; read x < \"$1/gate\"", directory.path());
    let id = reactor.start(&Lines, &command, sink.clone()).unwrap();
    while sink.count() == 0 {
        let timeout =
            reactor.next_deadline().map(|at| timespec(at.saturating_duration_since(Instant::now()).as_nanos() as u64));
        let mut polled = [rustix::event::PollFd::new(&reactor, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut polled, timeout.as_ref()).unwrap();
        while !matches!(reactor.next(Some(Duration::ZERO)).unwrap(), Event::TimedOut) {}
    }
    let deliveries = sink.take();
    assert_eq!((deliveries[0].bytes.as_slice(), deliveries[0].ending), (b"name? ".as_slice(), Ending::Partial));
    reactor.stop(id, Duration::ZERO);
    assert!(reactor.next_deadline().is_some(), "the grace period ends");
    assert_eq!(ended(&mut reactor).id, id);
}

/// One sink for many captures tells them apart by their ids, and each capture's own is dropped at its end.
#[test]
fn a_sink_knows_its_capture_and_is_dropped_with_it() {
    struct Ids {
        sender: std::sync::mpsc::Sender<(CaptureId, Vec<u8>)>,
        _alive: std::sync::Arc<()>,
    }
    impl Sink for Ids {
        fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
            self.sender.send((delivery.capture, delivery.bytes.to_vec())).map_err(io::Error::other)
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let alive = std::sync::Arc::new(());
    let mut reactor = Reactor::new().unwrap();
    let mut start = |word: &str| {
        let command = Command::new("echo").arg(word);
        reactor.start(&Lines, &command, Ids { sender: sender.clone(), _alive: alive.clone() }).unwrap()
    };
    let wanted = [(start("a"), b"a".to_vec()), (start("b"), b"b".to_vec())];
    for _ in 0..2 {
        ended(&mut reactor);
    }
    assert_eq!(std::sync::Arc::strong_count(&alive), 1, "no sink is kept");
    drop(sender);
    let mut got: Vec<_> = receiver.iter().collect();
    got.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(got, wanted);
}
