//! A capturer that is sound except for one planted fault. It shares the codec of the protocol with the library, but has
//! its own reader.

use crun_capture::capturer::Cost;
use crun_capture::capturer::Summary;
use crun_capture::capturer::protocol::Assignment;
use crun_capture::sink::count::Tally;
use crun_capture::sink::frame::{encode, encode_outcome};
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Delivered, Ending, Origin, Stream, lines};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::thread;

/// Prints a message on the capturer's own stderr. The capturer dies if nobody can read it.
#[expect(clippy::print_stderr, reason = "the fault itself")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// The deliveries. They can be held back, for the faults that need more than one.
struct Deliveries {
    kept: Vec<Delivered>,
    live: File,
    /// What the capturer has lost of stdout.
    lost_bytes: u64,
}

pub(crate) fn run(words: &[OsString]) -> ExitCode {
    let fault = words[0].to_str().expect("a fault has a plain name");
    let assignment = Assignment::from_environment().expect("the environment is sound").expect("the harness runs this");
    let command = words.iter().skip_while(|word| *word != "--").skip(1).collect::<Vec<_>>();
    // A cell that measures cost passes no live descriptor.
    let null = || File::options().write(true).open("/dev/null").expect("there is one");
    let counts = assignment.live.is_none();
    let mut live = assignment.live.unwrap_or_else(null);
    match fault {
        "idle" => return ExitCode::SUCCESS,
        "frees-first" => drop(std::hint::black_box(vec![1_u8; 64 << 20])),
        "spawns" => drop(thread::spawn(|| {
            loop {
                let burns = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done";
                drop(Command::new("sh").args(["-c", burns]).stdin(Stdio::null()).status());
            }
        })),
        "flood" => loop {
            live.write_all(&b"stdout lf - 1\nx".repeat(1 << 12)).expect("the harness reads");
        },
        _ => {}
    }
    let deliveries = Mutex::new(Deliveries { kept: Vec::new(), live, lost_bytes: 0 });
    let mut prepared = Command::new(command[0]);
    prepared.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (mut reader, writer) = std::io::pipe().expect("there are descriptors");
    match fault {
        "nonblock" => {
            rustix::io::ioctl_fionbio(&writer, true).expect("a pipe can");
            prepared.stdout(writer);
        }
        // A socket cannot be opened again.
        "socket" => {
            let (own, theirs) = UnixStream::pair().expect("there are descriptors");
            reader = OwnedFd::from(own).into();
            prepared.stdout(OwnedFd::from(theirs));
        }
        // This socket takes only whole messages, and no large ones.
        "messages" => {
            let (own, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .expect("there are descriptors");
            reader = own.into();
            prepared.stdout(theirs);
        }
        _ => {}
    }
    let mut child = prepared.spawn().expect("the command starts");
    // `prepared` holds the other ends of what the child was given.
    drop(prepared);
    let stdout: OwnedFd = child.stdout.take().map_or_else(|| reader.into(), OwnedFd::from);
    let stdout = File::from(stdout);
    let stderr = child.stderr.take().expect("piped");
    let paths = [assignment.stdout_file, assignment.stderr_file].map(|path| path.expect("given"));
    let make = |path| match fault {
        "fifo-skip" => null(),
        // The fault: what was in the file before stays behind what is written now.
        "overwrites" => File::options().write(true).create(true).truncate(false).open(path).expect("opened"),
        _ => File::create(path).expect("made"),
    };
    let files = paths.clone().map(make);
    match fault {
        // The fault: the end of the program is taken for the end of its output.
        "exit-first" => drop(child.wait()),
        "one-stream-first" => {
            read(fault, Stream::Stdout, stdout, &files[0], &deliveries);
            read(fault, Stream::Stderr, stderr, &files[1], &deliveries);
        }
        "busy" => read_busily([stdout.into(), stderr.into()]),
        _ => thread::scope(|scope| {
            let deliveries = &deliveries;
            scope.spawn(|| read(fault, Stream::Stdout, stdout, &files[0], deliveries));
            scope.spawn(|| read(fault, Stream::Stderr, stderr, &files[1], deliveries));
        }),
    }
    let status = child.wait().expect("it can be waited for");
    if fault.starts_with("file-missing") || fault == "file-fifo" {
        paths.iter().for_each(|path| std::fs::remove_file(path).expect("it was made"));
    }
    if fault == "file-fifo" {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &paths[0], mode).expect("the folder is there");
    }
    let mut deliveries = deliveries.into_inner().expect("no reader panics");
    plant(fault, &mut deliveries.kept);
    flush(&mut deliveries);
    if let Some(path) = assignment.summary_file.filter(|_| counts && fault != "no-account") {
        let max_rss_bytes = Some(Cost::of_this_process().max_rss_bytes);
        let tally = |stream: Stream| Tally {
            bytes: written(&paths[stream.index()]).0,
            lines: written(&paths[stream.index()]).1,
            lost_bytes: Some(0),
        };
        let (mut stdout, mut stderr) = (tally(Stream::Stdout), tally(Stream::Stderr));
        if fault == "swaps-counts" {
            std::mem::swap(&mut stdout, &mut stderr);
        }
        let summary = Summary { max_rss_bytes, stdout, stderr, ..Summary::default() };
        std::fs::write(path, serde_json::to_vec(&summary).expect("it is JSON")).expect("it can be written");
    }
    match fault {
        "babble" => deliveries.live.write_all(b"this is no frame\n").expect("the harness reads"),
        "apologises" | "cries-wolf" => account(&mut deliveries.live, None, true),
        "tells-a-little" => account_of(
            &mut deliveries.live,
            &Summary { stdout: Tally { lost_bytes: Some(100), ..Tally::default() }, ..Summary::default() },
        ),
        "tells-another-code" => {
            account_of(&mut deliveries.live, &Summary { exit_code: Some(3), ..Summary::default() });
        }
        "leaves-beside" => drop(File::create(paths[0].with_extension("idx")).expect("made")),
        "told-right" => account(&mut deliveries.live, Some(deliveries.lost_bytes), true),
        "told-wrong" => account(&mut deliveries.live, Some(deliveries.lost_bytes - 1), true),
        // The same name each time, as a lock or a cache has.
        "leaves-a-file" => drop(File::create("capture.lock").expect("made")),
        // Only if it is not there yet.
        "leaves-once" => drop(File::options().write(true).create_new(true).open("capture.cache")),
        "leaves-at-home" => {
            let home = std::env::var_os("HOME").expect("the harness has one");
            drop(File::create(std::path::Path::new(&home).join(".capture-cache")).expect("made"));
        }
        // Without the mark of its cell, and in a session of its own.
        "hides" => {
            let mut hidden = Command::new("setsid");
            hidden.args(["sleep", "1000"]).env_clear().stdin(Stdio::null());
            drop(hidden.stdout(Stdio::null()).stderr(Stdio::null()).spawn());
        }
        // The fault: a new file in the place of the one that was there, as editors make it.
        "replaces" | "gives-away" => {
            let new = paths[0].with_extension("new");
            // With the same mode.
            std::fs::copy(&paths[0], &new).expect("copied");
            if fault == "replaces" {
                let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
                std::fs::set_permissions(&new, private).expect("set");
            }
            std::fs::rename(&new, &paths[0]).expect("renamed");
        }
        "litters" => drop(File::create(std::env::temp_dir().join("capture.lock")).expect("made")),
        "slow-end" => thread::sleep(std::time::Duration::from_millis(1_700)),
        "hang" => thread::park(),
        "chatterbox" => (0..2_000).for_each(|_| say("resource temporarily unavailable, and so on and so forth")),
        "talkative" => say("the container has ended"),
        "leak" => drop(Command::new("sleep").arg("1000").stdout(Stdio::null()).stderr(Stdio::null()).spawn()),
        "killed" => {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).expect("one may kill oneself");
        }
        _ => {}
    }
    if fault == "dies-of-it" {
        let signal = status.code().unwrap_or(0) - 128;
        if let Some(signal) = rustix::process::Signal::from_named_raw(signal) {
            rustix::process::kill_process(rustix::process::getpid(), signal).expect("one may kill oneself");
        }
    }
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(if fault == "status" { 0 } else { code as u8 })
}

/// Gives the account as the last frame.
fn account(live: &mut File, lost_bytes: Option<u64>, truncated: bool) {
    let tally = |lost_bytes| Tally { lost_bytes, ..Tally::default() };
    let (stdout, stderr) = (tally(lost_bytes), tally(lost_bytes.map(|_| 0)));
    account_of(live, &Summary { stdout, stderr, truncated, ..Summary::default() });
}

fn account_of(live: &mut File, summary: &Summary) {
    let mut frame = Vec::new();
    encode_outcome(&serde_json::to_vec(summary).expect("it is JSON"), &mut frame);
    live.write_all(&frame).expect("the harness reads");
}

/// Reads line by line. A fault that needs all lines keeps them until the end.
fn read(fault: &str, stream: Stream, pipe: impl Read, mut file: &File, deliveries: &Mutex<Deliveries>) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    let mut written = 0;
    while reader.read_until(b'\n', &mut line).expect("a pipe can be read") > 0 {
        let at_ns = now_ns();
        written += 1;
        let altered = fault == "file-altered" && written == 3;
        match (fault, written) {
            ("file-cut", 3) => {}
            // The fault: errors of the disk are ignored.
            ("file-newline", _) if !line.ends_with(b"\n") => {
                file.write_all(&[&line[..], b"\n"].concat()).expect("a file can be written");
            }
            ("silent-disk", _) => drop(file.write_all(&line)),
            ("log-each", _) => {
                if file.write_all(&line).is_err() {
                    say("cannot write to the log file");
                }
            }
            _ if altered => file.write_all(&line.to_ascii_uppercase()).expect("a file can be written"),
            _ => file.write_all(&line).expect("a file can be written"),
        }
        if fault == "no-0xff" {
            line.iter_mut().filter(|byte| **byte == 0xff).for_each(|byte| *byte = b'?');
        }
        let (content, ending) = lines(&line).next().expect("a line is not empty");
        let ending = if fault == "newline" { Ending::Lf } else { ending };
        let delivered = Delivered::new(Origin::from(stream), content, ending, at_ns);
        let mut deliveries = deliveries.lock().expect("no reader panics");
        if fault == "holds-one" {
            flush(&mut deliveries);
        }
        if fault.starts_with("told") && stream == Stream::Stdout && written == 3 {
            deliveries.lost_bytes = line.len() as u64;
        } else {
            deliveries.kept.push(delivered);
        }
        // The fault: the first half is live, and the rest comes at the exit. 100 lines come in the quick case.
        if fault == "half-live" && stream == Stream::Stdout && written <= 27 {
            flush(&mut deliveries);
        }
        if fault == "holds-4k" && deliveries.kept.iter().map(|kept| kept.bytes.len()).sum::<usize>() >= 4_096 {
            flush(&mut deliveries);
        }
        // The fault: the capturer gives up a stream that the program still writes to.
        if fault == "closes-early" && written == 3 {
            return;
        }
        if matches!(
            fault,
            "none" | "hang" | "leak" | "status" | "newline" | "talkative" | "blocks" | "silent-disk" | "cries-wolf"
        ) {
            flush(&mut deliveries);
        }
        line.clear();
    }
}

/// Reads in a busy loop, and discards what comes.
fn read_busily(pipes: [OwnedFd; 2]) {
    let mut open = pipes.map(Some);
    for pipe in open.iter().flatten() {
        rustix::io::ioctl_fionbio(pipe, true).expect("a pipe can");
    }
    while open.iter().any(Option::is_some) {
        for pipe in &mut open {
            let read = pipe.as_ref().map(|pipe| rustix::io::read(pipe, &mut [0; 4096]));
            if read == Some(Ok(0)) {
                *pipe = None;
            }
        }
    }
}

/// The numbers of bytes and lines of a file.
fn written(path: &std::path::Path) -> (u64, u64) {
    let bytes = std::fs::read(path).unwrap_or_default();
    (bytes.len() as u64, lines(&bytes).count() as u64)
}

fn plant(fault: &str, kept: &mut Vec<Delivered>) {
    let end_ns = now_ns();
    match fault {
        "lost" => drop(kept.pop()),
        "swapped" => {
            let places: Vec<usize> = (0..kept.len()).filter(|&at| kept[at].origin == Origin::Stdout).collect();
            kept.swap(places[4], places[5]);
        }
        "altered" => kept[3].bytes[60] ^= 1,
        "duplicated" => kept.push(kept[3].clone()),
        "made-up" => kept.insert(3, Delivered { bytes: b"hello".to_vec(), ..kept[3].clone() }),
        "mislabelled" => {
            kept[3].origin = if kept[3].origin == Origin::Stdout { Origin::Stderr } else { Origin::Stdout };
        }
        // Everything is read, and nothing is delivered.
        "mute" | "apologises" => kept.clear(),
        // One delivery per byte.
        "perbyte" => {
            let bytes = |whole: Delivered| {
                let pieces: Vec<Delivered> = whole
                    .bytes
                    .iter()
                    .map(|&byte| Delivered { bytes: vec![byte], ending: Ending::Partial, ..whole.clone() })
                    .collect();
                pieces.into_iter().chain([Delivered { bytes: Vec::new(), ..whole }])
            };
            *kept = std::mem::take(kept).into_iter().flat_map(bytes).collect();
        }
        "merged" => kept.iter_mut().for_each(|delivered| delivered.origin = Origin::Merged),
        "reordered" => kept.sort_by_key(|delivered| delivered.origin == Origin::Stderr),
        "stamps" => kept[3].at_ns = u64::MAX,
        // All is delivered at the exit, with stamps from before the writes.
        "backdates" => kept.iter_mut().for_each(|delivered| delivered.at_ns -= 10_000_000),
        "late" => kept.iter_mut().for_each(|delivered| delivered.at_ns = end_ns),
        _ => {}
    }
}

fn flush(deliveries: &mut Deliveries) {
    let mut frames = Vec::new();
    for delivered in deliveries.kept.drain(..) {
        encode(delivered.origin, delivered.ending, Some(delivered.at_ns), &delivered.bytes, &mut frames);
    }
    deliveries.live.write_all(&frames).expect("the harness reads");
}
