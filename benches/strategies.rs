//! All strategies on a plain child: the throughput of 100-byte lines in 64 KiB writes, and the latency of one line at a
//! time.
//!
//! The floors are measured in the same run: `redirect` writes to a file and reads nothing, and `read` is a blocking
//! read(2) loop that counts the lines. Compare the medians of one run only with each other.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use crun_capture::bundle;
use crun_capture::script::{End, Lines, Script, Step, line};
use crun_capture::sink::count::Count;
use crun_capture::strategy::{self, Strategy};
use crun_capture::text;
use crun_capture_reactor::clock::now_ns;
use crun_capture_reactor::{Command, Delivery, Sink, Stream};
use std::hint::black_box;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

const EMIT: &str = env!("CARGO_BIN_EXE_crun-capture-emit");
const SEED: u64 = 7;

/// Whether criterion measures. If not, cargo test runs everything once.
fn measures() -> bool {
    std::env::args().any(|word| word == "--bench")
}

/// An exchange directory for this script, on tmpfs if there is one, so that no disk is measured.
fn exchange_of(script: &Script) -> (TempDir, PathBuf) {
    let shm = Path::new("/dev/shm");
    let parent = if shm.is_dir() { shm.to_owned() } else { std::env::temp_dir() };
    let directory = tempfile::tempdir_in(parent).unwrap();
    let exchange = directory.path().join("exchange");
    bundle::make_exchange(&exchange, script).unwrap();
    (directory, exchange)
}

fn lines(count: u64, length_bytes: usize, per_write: u64, interval_ns: u64) -> Script {
    let step = Step::Lines(Lines { per_write, interval_ns, ..Lines::fast(&[Stream::Stdout], count, length_bytes) });
    Script::new(SEED, End::Exit(0)).then(step)
}

fn command(directory: &TempDir, exchange: &Path) -> Command {
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| directory.path().join(name));
    Command::new(EMIT).arg(exchange).stdout_path(stdout).stderr_path(stderr)
}

fn throughput(criterion: &mut Criterion) {
    let writes = if measures() { 1_000 } else { 2 };
    let mut group = criterion.benchmark_group("throughput");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    let (directory, exchange) = exchange_of(&lines(655 * writes, 99, 655, 0));
    group.throughput(Throughput::Bytes(65_500 * writes));
    let emit = || std::process::Command::new(EMIT).arg(&exchange).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    group.bench_function("floor/read", |bencher| {
        bencher.iter(|| {
            let mut child = emit().unwrap();
            let mut stdout = child.stdout.take().unwrap();
            let (mut buffer, mut count) = (vec![0; 64 << 10], 0);
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                count += memchr::memchr_iter(b'\n', &buffer[..read]).count();
            }
            child.wait().unwrap();
            black_box(count)
        });
    });
    group.bench_function("floor/redirect", |bencher| {
        bencher.iter(|| {
            let file = std::fs::File::create(directory.path().join("stdout")).unwrap();
            std::process::Command::new(EMIT).arg(&exchange).stdout(file).status().unwrap()
        });
    });
    for strategy in strategies() {
        // A strategy that syncs each line gets a hundredth of the lines. Its rate stays comparable.
        let few = lines(655 * (writes / 100).max(1), 99, 655, 0);
        let (own, exchange) = if strategy.needs().syncs_each_line {
            exchange_of(&few)
        } else {
            exchange_of(&lines(655 * writes, 99, 655, 0))
        };
        let bytes = if strategy.needs().syncs_each_line { 65_500 * (writes / 100).max(1) } else { 65_500 * writes };
        group.throughput(Throughput::Bytes(bytes));
        let command = command(&own, &exchange);
        group.bench_function(BenchmarkId::new("strategy", strategy.name()), |bencher| {
            bencher.iter(|| strategy.capture(&command, &mut Count::new(None)).unwrap());
        });
    }
    group.finish();
}

/// The strategies that capture by themselves. With a strategy that passes descriptors on, the benchmark would measure
/// their reader, as the floor does.
fn strategies() -> impl Iterator<Item = &'static dyn Strategy> {
    strategy::ALL.iter().copied().filter(|strategy| !strategy.needs().needs_reader)
}

/// The latency of every line: its receipt minus its stamp.
#[derive(Default)]
struct Latencies(Vec<u64>);

impl Sink for Latencies {
    fn deliver(&mut self, delivery: &Delivery<'_>) -> io::Result<()> {
        if let Some(stamped) = line::decode(delivery.bytes, SEED) {
            self.0.push(delivery.at_ns.saturating_sub(stamped.stamp_ns));
        }
        Ok(())
    }
}

/// Measures the latency. Each sample is the median of one run. Lines that are delivered after the exit show the length
/// of the run.
fn latency(criterion: &mut Criterion) {
    let count = if measures() { 500 } else { 5 };
    let script = lines(count, 99, 1, 200_000);
    let (directory, exchange) = exchange_of(&script);
    let mut group = criterion.benchmark_group("latency");
    group.sample_size(10).measurement_time(Duration::from_secs(2));
    let emit = || std::process::Command::new(EMIT).arg(&exchange).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    group.bench_function("floor/read", |bencher| {
        bencher.iter_custom(|runs| {
            (0..runs)
                .map(|_| {
                    let mut child = emit().unwrap();
                    let mut stdout = child.stdout.take().unwrap();
                    let (mut buffer, mut values) = (vec![0; 64 << 10], Vec::new());
                    while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                        let at_ns = now_ns();
                        let lines =
                            buffer[..read].split(|&byte| byte == b'\n').filter_map(|line| line::decode(line, SEED));
                        values.extend(lines.map(|line| at_ns.saturating_sub(line.stamp_ns)));
                    }
                    child.wait().unwrap();
                    text::median(values).map_or(Duration::ZERO, Duration::from_nanos)
                })
                .sum()
        });
    });
    let command = command(&directory, &exchange);
    for strategy in strategies() {
        group.bench_function(BenchmarkId::new("strategy", strategy.name()), |bencher| {
            bencher.iter_custom(|runs| {
                (0..runs)
                    .map(|_| {
                        let mut sink = Latencies::default();
                        strategy.capture(&command, &mut sink).unwrap();
                        text::median(sink.0).map_or(Duration::ZERO, Duration::from_nanos)
                    })
                    .sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, throughput, latency);
criterion_main!(benches);
