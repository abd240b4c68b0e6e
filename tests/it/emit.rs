//! The workload plays its script, and records in its journal what the kernel accepted.

use crun_capture::bundle;
use crun_capture::process::readable;
use crun_capture::script::journal::Journal;
use crun_capture::script::{Buffering, Data, End, Lines, Script, Sigpipe, Step, Surroundings, line};
use crun_capture_reactor::Stream;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const EMIT: &str = env!("CARGO_BIN_EXE_crun-capture-emit");

fn site(script: &Script) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    bundle::make_exchange(&directory.path().join("exchange"), script).unwrap();
    directory
}

fn play(script: &Script) -> (Output, Journal) {
    let directory = site(script);
    let exchange = directory.path().join("exchange");
    let output = Command::new(EMIT).arg(&exchange).output().unwrap();
    (output, Journal::read(&exchange.join("journal")).unwrap().expect("a journal is kept"))
}

fn write(stream: Stream, bytes: &[u8], piece_bytes: Option<usize>) -> Step {
    Step::Write { stream, data: Data::bytes(bytes), piece_bytes }
}

fn lines(count: u64, per_write: u64, interval_ns: u64) -> Step {
    Step::Lines(Lines { per_write, interval_ns, ..Lines::fast(&Stream::BOTH, count, 100) })
}

#[test]
fn it_is_static() {
    assert!(bundle::is_static(Path::new(EMIT)).unwrap());
}

#[test]
fn every_byte_is_written_and_journalled() {
    let script = Script::new(5, End::Exit(42))
        .then(write(Stream::Stdout, b"a\0\xffb", None))
        .then(write(Stream::Stderr, b"one", Some(1)))
        .then(Step::Write {
            stream: Stream::Stdout,
            data: Data::Fill { byte: b'x', length_bytes: 100_000 },
            piece_bytes: None,
        });
    let (output, journal) = play(&script);
    assert_eq!(output.status.code(), Some(42));
    assert_eq!(output.stdout, [b"a\0\xffb".to_vec(), vec![b'x'; 100_000]].concat());
    assert_eq!(output.stderr, b"one");
    let accepted =
        |stream| journal.writes.iter().filter(|write| write.stream == stream).map(|write| write.accepted).sum::<u64>();
    assert_eq!((accepted(Stream::Stdout), accepted(Stream::Stderr)), (100_004, 3));
    assert_eq!(journal.writes.iter().filter(|write| write.stream == Stream::Stderr).count(), 3, "a byte at a time");
    assert!(journal.writes.iter().all(|write| write.errno == 0 && write.after_ns >= write.before_ns));
    assert!(journal.started_ns <= journal.writes[0].before_ns && journal.ended_ns > 0);
}

#[test]
fn stamped_lines_carry_the_time_of_their_write_and_keep_the_pace() {
    let (output, journal) = play(&Script::new(5, End::Exit(0)).then(lines(20, 1, 2_000_000)));
    let stamps: Vec<_> =
        output.stdout.split(|&byte| byte == b'\n').filter_map(|bytes| line::decode(bytes, 5)).collect();
    assert_eq!(stamps.len(), 10);
    for stamp in &stamps {
        assert_eq!(stamp.stamp_ns, journal.writes[stamp.sequence as usize].before_ns);
        assert!(stamp.stamp_ns >= stamp.due_ns, "never early");
    }
    assert!(stamps.windows(2).all(|pair| pair[1].due_ns - pair[0].due_ns == 4_000_000), "paced by the absolute clock");
}

#[test]
fn a_block_is_one_write() {
    let (output, journal) = play(&Script::new(5, End::Exit(0)).then(lines(10, 5, 0)));
    assert_eq!(journal.writes.iter().map(|write| write.accepted).collect::<Vec<_>>(), [505, 505]);
    assert_eq!((output.stdout.len(), output.stderr.len()), (505, 505));
}

#[test]
fn a_c_program_collects_4_kib_of_stdout_and_nothing_of_stderr() {
    let script = Script { buffering: Buffering::Auto, ..Script::new(5, End::Exit(0)) };
    let (output, journal) = play(&script.then(lines(100, 1, 0)));
    let of = |stream| -> Vec<u64> {
        journal.writes.iter().filter(|write| write.stream == stream).map(|write| write.accepted).collect()
    };
    assert_eq!(of(Stream::Stdout), [4096, 5050 - 4096]);
    assert_eq!(of(Stream::Stderr), [101; 50]);
    assert_eq!((output.stdout.len(), output.stderr.len()), (5050, 5050));
    let by_line = Script { buffering: Buffering::Line, ..Script::new(5, End::Exit(0)) };
    let (_, journal) = play(&by_line.then(write(Stream::Stdout, b"a\nb\nc", Some(2))));
    assert_eq!(journal.writes.iter().map(|write| write.accepted).collect::<Vec<_>>(), [2, 2, 1]);
}

#[test]
fn a_closed_stream_stays_closed_and_the_other_goes_on() {
    let script = Script::new(5, End::Exit(0))
        .then(write(Stream::Stdout, b"before", None))
        .then(Step::Close { stream: Stream::Stdout })
        .then(write(Stream::Stdout, b"after", None))
        .then(write(Stream::Stderr, b"still", None));
    let (output, journal) = play(&script);
    assert_eq!((output.stdout, output.stderr), (b"before".to_vec(), b"still".to_vec()));
    assert_eq!(journal.writes.len(), 2);
}

#[test]
fn it_dies_of_its_signal() {
    for number in [libc::SIGTERM, libc::SIGKILL, libc::SIGSEGV, libc::SIGABRT, libc::SIGINT] {
        assert_eq!(play(&Script::new(5, End::Signal(number))).0.status.signal(), Some(number));
    }
    assert_eq!(play(&Script::new(5, End::Abort)).0.status.signal(), Some(libc::SIGABRT));
}

#[test]
fn a_dead_reader_kills_it_or_is_journalled_as_the_script_says() {
    let broken = |sigpipe| {
        let script = Script { sigpipe, ..Script::new(5, End::Exit(3)) };
        let directory = site(&script.then(lines(4, 1, 0)));
        let exchange = directory.path().join("exchange");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Command::new(EMIT).arg(&exchange).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
        (child.wait().unwrap(), Journal::read(&exchange.join("journal")).unwrap().unwrap())
    };
    assert_eq!(broken(Sigpipe::Default).0.signal(), Some(libc::SIGPIPE));
    let (status, journal) = broken(Sigpipe::Ignore);
    assert_eq!(status.code(), Some(3));
    assert_eq!((journal.writes[0].errno, journal.writes[0].accepted), (libc::EPIPE, 0));
    assert_eq!(journal.writes.iter().map(|write| write.accepted).sum::<u64>(), 202, "stderr is whole");
}

#[test]
fn a_gate_holds_it_until_somebody_opens_and_closes_it() {
    let script = Script::new(5, End::Exit(0))
        .then(write(Stream::Stdout, b"1", None))
        .then(Step::Wait { gate: "go".into() })
        .then(write(Stream::Stdout, b"2", None));
    let directory = site(&script);
    let exchange = directory.path().join("exchange");
    let mut child = Command::new(EMIT).arg(&exchange).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut byte = [0];
    stdout.read_exact(&mut byte).unwrap();
    let held = Journal::read(&exchange.join("journal")).unwrap().unwrap();
    assert_eq!((held.writes.len(), held.ended_ns), (1, 0));
    drop(File::options().write(true).open(exchange.join("gate-go")).unwrap());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("2", Some(0)));
}

#[test]
fn its_end_is_seen_on_the_fifo_that_it_holds_open() {
    let directory = site(&Script::new(5, End::Exit(0)).then(Step::Wait { gate: "go".into() }));
    let exchange = directory.path().join("exchange");
    // The read end exists before the workload, as under the harness.
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK;
    let alive = rustix::fs::open(exchange.join("alive"), flags, rustix::fs::Mode::empty()).unwrap();
    let mut child = Command::new(EMIT).arg(&exchange).spawn().unwrap();
    // Opening the gate blocks until the workload waits at it. By then the workload has opened the FIFO.
    let gate = File::options().write(true).open(exchange.join("gate-go")).unwrap();
    assert!(!readable(alive.as_fd(), Duration::ZERO), "it lives");
    drop(gate);
    assert!(readable(alive.as_fd(), Duration::from_secs(60)), "end of file when it has ended");
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_it_cannot_play_it_says() {
    let directory = tempfile::tempdir().unwrap();
    let run = |argument: &Path| Command::new(EMIT).arg(argument).output().unwrap();
    assert_eq!(Command::new(EMIT).output().unwrap().status.code(), Some(120));
    let missing = run(directory.path());
    assert_eq!(missing.status.code(), Some(121));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("script.json"));
    let short = Lines::fast(&[Stream::Stdout], 1, 5);
    let script = Script::new(1, End::Exit(0)).then(Step::Lines(short));
    std::fs::write(directory.path().join("script.json"), serde_json::to_vec(&script).unwrap()).unwrap();
    let refused = run(directory.path());
    assert_eq!(refused.status.code(), Some(121));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("step 0"));
}

#[test]
fn a_child_in_the_background_outlives_the_workload_and_holds_its_streams() {
    let later = vec![Step::Wait { gate: "go".into() }, write(Stream::Stdout, b"child", None)];
    let script = Script::new(1, End::Exit(3)).then(Step::Background { steps: later }).then(write(
        Stream::Stdout,
        b"parent ",
        None,
    ));
    let directory = site(&script);
    let exchange = directory.path().join("exchange");
    let mut child = Command::new(EMIT).arg(&exchange).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(3));
    drop(File::options().write(true).open(exchange.join("gate-go")).unwrap());
    let mut text = String::new();
    stdout.read_to_string(&mut text).unwrap();
    assert_eq!(text, "parent child");
    let journal = Journal::read(&exchange.join("journal")).unwrap().unwrap();
    assert_eq!(journal.writes.len(), 1, "the child's write is not in the journal");
}

#[test]
fn a_trapped_signal_is_told_and_survived() {
    let script = Script::new(1, End::Exit(0))
        .then(Step::Trap { signals: vec![libc::SIGTERM] })
        .then(Step::Wait { gate: "go".into() })
        .then(Step::AwaitSignal);
    let directory = site(&script);
    let exchange = directory.path().join("exchange");
    let child = Command::new(EMIT).arg(&exchange).stdout(Stdio::piped()).spawn().unwrap();
    let opened = File::options().write(true).open(exchange.join("gate-go")).unwrap();
    crun_capture::sys::kill(child.id() as i32, libc::SIGTERM).unwrap();
    drop(opened);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(0), b"signal 15\n".to_vec()));
}

#[test]
fn it_describes_what_it_was_given() {
    let script = Script::new(1, End::Exit(0))
        .then(Step::Describe { what: Surroundings::Descriptors })
        .then(Step::Describe { what: Surroundings::Environment })
        .then(Step::Describe { what: Surroundings::Identity });
    let directory = site(&script);
    let mut command = Command::new(EMIT);
    command.arg(directory.path().join("exchange")).current_dir("/").env_clear().env("A", "1").stdin(Stdio::null());
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // The open descriptors of whoever runs the tests show up here too.
    assert!(text.starts_with("0 device\n1 pipe\n2 pipe\n"), "{text}");
    assert!(text.contains("\nA=1\nuid ") && text.contains(" cwd / umask 0"), "{text}");
}
