//! 10, 100 and 1,000 containers at once, captured by one process on one thread. Each container waits until all exist,
//! and then writes 200 lines over 5 s, and the same number in a burst.
//!
//! The benchmark prints a table and writes `scale.json` beside the programs. For each run it has `containers, runtime,
//! strategy, lines, lost_lines, threads, user_memory_bytes_per_container` (the growth of the resident set per started
//! container), `pipe_bytes_per_container` (the memory that the kernel may use), `max_rss_bytes, cpu_ns_a_line,
//! latency_ns{p50,p99,max}, wall_ns`. `cargo test` runs it with a few short containers.

use crun_capture::bundle::Rootfs;
use crun_capture::capturer::status_field;
use crun_capture::process::Family;
use crun_capture::runtime::{self, Found, Programs, Stage};
use crun_capture::scratch::Scratch;
use crun_capture::script::{End, Lines, Script, Step, line};
use crun_capture::strategy::{self, Capability};
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Command, Delivery, Event, Reactor, Sink, Stream};
use hdrhistogram::Histogram;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const SEED: u64 = 7;

/// Whether this measures. If not, cargo test runs everything once.
fn measures() -> bool {
    std::env::args().any(|word| word == "--bench")
}

/// The gate at which every container waits until all exist.
const GATE: &str = "all-are-there";

/// The script of one container: lines over 5 s, and then the same number at once.
fn script() -> Script {
    let (lines, interval_ns) = if measures() { (200, 25_000_000) } else { (10, 1_000_000) };
    let paced = Lines { interval_ns, ..Lines::fast(&Stream::BOTH, lines, 99) };
    let burst = Lines::fast(&Stream::BOTH, lines, 99);
    let waits = Step::Wait { gate: GATE.to_owned() };
    Script::new(SEED, End::Exit(0)).then(waits).then(Step::Lines(paced)).then(Step::Lines(burst))
}

/// The data that all containers share: the latencies of the paced lines.
struct Shared {
    latencies: Mutex<Histogram<u64>>,
    paced_lines: u64,
}

/// The consumer of one container. The reactor owns it, and whoever started it reads its counts.
struct Consumer<'a>(&'a Counts<'a>);

/// What the consumer of one container has received.
struct Counts<'a> {
    shared: &'a Shared,
    lines: AtomicU64,
    /// For each stream, the sequence number of its last line plus one.
    after: [AtomicU64; 2],
    out_of_order: AtomicU64,
}

impl Sink for Consumer<'_> {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        let (Some(stamped), Some(stream)) = (line::decode(delivery.bytes, SEED), delivery.origin.stream()) else {
            return Ok(());
        };
        self.0.lines.fetch_add(1, Ordering::Relaxed);
        let after = self.0.after[stream.index()].swap(stamped.sequence + 1, Ordering::Relaxed);
        self.0.out_of_order.fetch_add(u64::from(stamped.sequence < after), Ordering::Relaxed);
        if stamped.sequence < self.0.shared.paced_lines {
            let latency = delivery.at_ns.saturating_sub(stamped.stamp_ns);
            self.0.shared.latencies.lock().unwrap().saturating_record(latency);
        }
        Ok(())
    }
}

struct Setup<'a> {
    found: &'a Found,
    rootfs: &'a Rootfs,
    scratch: &'a Scratch,
    family: &'a Family,
}

/// The longest interval between two looks at the memory.
const SAMPLE: std::time::Duration = std::time::Duration::from_millis(100);

fn resident_bytes() -> u64 {
    status_field("self", "RssAnon").unwrap_or(0) * 1024
}

/// The bytes that all pipes of this process may hold. This is the kernel's memory, not ours.
fn pipe_bytes() -> u64 {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let is_pipe = |to: std::path::PathBuf| to.to_string_lossy().starts_with("pipe:");
    let pipes = descriptors.filter(|one| std::fs::read_link(one.path()).is_ok_and(is_pipe));
    let sizes = pipes.filter_map(|one| {
        let pipe = std::fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(one.path()).ok()?;
        rustix::pipe::fcntl_getpipe_size(&pipe).ok()
    });
    sizes.map(|size| size as u64).sum()
}

fn run(setup: &Setup<'_>, strategy_name: &str, containers: usize) -> Value {
    let strategy = strategy::find(strategy_name).unwrap();
    let script = script();
    let stage = || Stage::prepare(setup.found, setup.scratch.parents(), setup.family, setup.rootfs, &script).unwrap();
    let stages: Vec<Stage> = (0..containers).map(|_| stage()).collect();
    let commands: Vec<Command> = stages.iter().map(|stage| stage.command(setup.found)).collect();
    let lines: u64 = script.steps.iter().map(|step| if let Step::Lines(lines) = step { lines.count } else { 0 }).sum();
    let shared = Shared {
        latencies: Mutex::new(Histogram::new_with_bounds(1, 600_000_000_000, 3).unwrap()),
        paced_lines: lines / 2,
    };
    let consumers: Vec<Counts<'_>> = (0..containers)
        .map(|_| Counts {
            shared: &shared,
            lines: AtomicU64::new(0),
            after: Default::default(),
            out_of_order: AtomicU64::new(0),
        })
        .collect();
    // Memory that an earlier row has left in the heap would hide what this one takes.
    crun_capture::sys::give_memory_back();
    let (before_bytes, before_cpu) = (resident_bytes(), crun_capture::sys::own_cpu_ns());
    let mut reactor = Reactor::new().unwrap();
    for (command, consumer) in commands.iter().zip(&consumers) {
        reactor.start(strategy.reactive().unwrap(), command, Consumer(consumer)).unwrap();
        // The reactor serves the running containers while others are being started.
        let event = reactor.next(Some(std::time::Duration::ZERO)).unwrap();
        assert!(matches!(event, Event::TimedOut), "they wait at the gate: {event:?}");
    }
    // Opening a FIFO for reading and writing never blocks, and lets through whoever comes later (fifo(7)).
    let gates: Vec<std::fs::File> = stages
        .iter()
        .map(|stage| {
            let path = stage.exchange.join(format!("gate-{GATE}"));
            let mut gate = std::fs::File::options().read(true).write(true).open(path).unwrap();
            io::Write::write_all(&mut gate, b"g").unwrap();
            gate
        })
        .collect();
    let start_ns = now_ns();
    let mut grown = 0;
    let threads = status_field("self", "Threads");
    let pipes = pipe_bytes();
    loop {
        grown = grown.max(resident_bytes().saturating_sub(before_bytes));
        match reactor.next(Some(SAMPLE)).unwrap() {
            Event::Ended(one) => {
                let outcome = one.outcome.unwrap();
                assert!(outcome.errors.is_empty(), "{:?}", outcome.errors);
            }
            Event::Idle => break,
            _ => {}
        }
    }
    let wall_ns = now_ns() - start_ns;
    let after_cpu = crun_capture::sys::own_cpu_ns();
    drop((reactor, gates));
    let sum = |of: fn(&Counts<'_>) -> u64| consumers.iter().map(of).sum::<u64>();
    let delivered = sum(|consumer| consumer.lines.load(Ordering::Relaxed));
    let out_of_order = sum(|consumer| consumer.out_of_order.load(Ordering::Relaxed));
    let wanted = lines * containers as u64;
    assert_eq!((delivered, out_of_order), (wanted, 0), "{containers} under {strategy_name}: nothing lost, in order");
    stages.into_iter().for_each(|stage| stage.remove(setup.found).unwrap());
    let latencies = shared.latencies.into_inner().unwrap();
    let cpu_ns = after_cpu.0 + after_cpu.1 - before_cpu.0 - before_cpu.1;
    json!({
        "containers": containers,
        "runtime": setup.found.runtime.name(),
        "strategy": strategy_name,
        "lines": delivered,
        "lost_lines": wanted - delivered,
        "threads": threads,
        "user_memory_bytes_per_container": grown / containers as u64,
        "pipe_bytes_per_container": pipes / containers as u64,
        "max_rss_bytes": status_field("self", "VmHWM").unwrap_or(0) * 1024,
        "cpu_ns_a_line": cpu_ns / delivered,
        "latency_ns": {
            "p50": latencies.value_at_quantile(0.5),
            "p99": latencies.value_at_quantile(0.99),
            "max": latencies.max(),
        },
        "wall_ns": wall_ns,
    })
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to whoever runs it")]
fn main() {
    let program = Path::new(env!("CARGO_BIN_EXE_crun-capture"));
    // Each capture needs three descriptors.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: limit.maximum, ..limit }).unwrap();
    crun_capture::sys::keep_little_memory();
    Family::adopt_orphans().unwrap();
    let scratch = Scratch::create().unwrap();
    let family = scratch.family();
    let programs = Programs::beside(program, scratch.disk()).unwrap();
    let rootfs = Rootfs::create(scratch.disk().join("rootfs"), &programs.emit).unwrap();
    let mut results = Vec::new();
    println!(
        "runtime  strategy    containers   lines    lost  threads  KiB/container  pipes KiB  p50 us    p99 us  CPU ns/line  wall s"
    );
    for (name, sizes) in [("fake", &[10, 100, 1_000][..]), ("crun", &[100][..])] {
        let kind = runtime::ALL.iter().copied().find(|one| one.name() == name).unwrap();
        let found = match runtime::find(kind, None, None, &programs, &family) {
            Ok(found) => found,
            Err(unusable) => {
                eprintln!("{name} is skipped: {}", unusable.reason);
                continue;
            }
        };
        let setup = Setup { found: &found, rootfs: &rootfs, scratch: &scratch, family: &family };
        for strategy in
            strategy::ALL.iter().filter(|one| one.reactive().is_some() && one.declares().has(Capability::Apart))
        {
            if strategy.needs().needs_reader {
                continue;
            }
            for &containers in if measures() { sizes } else { &[3][..] } {
                // One strategy is measured at all sizes, the others at one size.
                if strategy.name() != "lines" && containers > 100 {
                    continue;
                }
                let one = run(&setup, strategy.name(), containers);
                let number = |name: &str| one[name].as_u64().unwrap_or(0);
                println!(
                    "{:<8} {:<11} {:>10} {:>7} {:>7} {:>8} {:>14.1} {:>10} {:>7.1} {:>9.1} {:>12} {:>7.1}",
                    name,
                    strategy.name(),
                    containers,
                    number("lines"),
                    number("lost_lines"),
                    number("threads"),
                    number("user_memory_bytes_per_container") as f64 / 1024.0,
                    number("pipe_bytes_per_container") / 1024,
                    one["latency_ns"]["p50"].as_f64().unwrap_or(0.0) / 1e3,
                    one["latency_ns"]["p99"].as_f64().unwrap_or(0.0) / 1e3,
                    number("cpu_ns_a_line"),
                    number("wall_ns") as f64 / 1e9
                );
                results.push(one);
            }
        }
    }
    if measures() {
        // The file goes beside the programs, wherever CARGO_TARGET_DIR has put them.
        let path = program.with_file_name("scale.json");
        std::fs::write(&path, serde_json::to_vec_pretty(&results).unwrap()).unwrap();
        println!("written: {}", path.display());
    }
    drop(rootfs);
    scratch.close().unwrap();
}
