//! The strategies on the reactor, each compared with its floor in the same run. A floor is what plain system calls can
//! do.
//!
//! Every sample is a pair, the floor and then the strategy, so that a machine that slows down slows both. The median of
//! the ratios counts. The writer is this program again: it only writes one prepared buffer, or one stamped line at a
//! time. Files are on tmpfs. All contenders use the same sink, which counts the lines and adds up their bytes. Only
//! `redirect` has none, because nobody reads there.
//!
//! `cargo bench --bench limits` prints the table. `-- latency` or `-- throughput` prints a part of it.

mod floor;
mod work;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput, criterion_group, measurement::WallTime};
use std::time::Duration;
use work::{Latencies, MemoryDirectory, Placement, Tally, Work};

/// Whether criterion measures. If not, cargo test runs everything once.
fn measures() -> bool {
    std::env::args().any(|word| word == "--bench")
}

/// One strategy against one floor.
struct Pair {
    strategy: &'static str,
    floor: &'static str,
    /// The wanted ratio: at least this for throughput, at most this for latency.
    wanted: f64,
}

const fn pair(strategy: &'static str, floor: &'static str, wanted: f64) -> Pair {
    Pair { strategy, floor, wanted }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn settle(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_millis(1));
}

/// Measures how much faster a contender is than its floor or its rival, in bytes per second.
fn throughput(criterion: &mut Criterion, title: &str, work: Work, pairs: &[Pair]) {
    let memory = MemoryDirectory::new();
    let mut group = criterion.benchmark_group(title);
    settle(&mut group);
    group.throughput(Throughput::Bytes(work.bytes()));
    let mut rows = Vec::new();
    for pair in pairs {
        let (mut ratios, mut rates, mut floors) = (Vec::new(), Vec::new(), Vec::new());
        group.bench_function(format!("{}/{}", pair.strategy, pair.floor), |bencher| {
            bencher.iter_custom(|runs| {
                (0..runs)
                    .map(|_| {
                        let floor = floor::run(pair.floor, &work, &memory, None, &mut Tally::default());
                        let mut tally = Tally::default();
                        let own = work::capture(pair.strategy, &work, &memory, None, &mut tally);
                        assert_eq!(tally.bytes(), work.bytes(), "{} delivers every byte", pair.strategy);
                        ratios.push(floor.as_secs_f64() / own.as_secs_f64());
                        rates.push(work.bytes() as f64 / own.as_secs_f64() / 1e9);
                        floors.push(work.bytes() as f64 / floor.as_secs_f64() / 1e9);
                        own
                    })
                    .sum()
            });
        });
        if !ratios.is_empty() {
            let (own, floor, ratio) = (median(&mut rates), median(&mut floors), median(&mut ratios));
            rows.push(format!(
                "{:<10} {own:>6.2} GB/s   {:<12} {floor:>6.2} GB/s   ratio {ratio:>5.2}   wanted {:.2} {}",
                pair.strategy,
                pair.floor,
                pair.wanted,
                if ratio >= pair.wanted { "" } else { "  NOT REACHED" }
            ));
        }
    }
    group.finish();
    table(title, &rows);
}

/// Measures which pipe size is the fastest: runs the floors with each size in turn.
fn pipe_size(criterion: &mut Criterion, work: Work) {
    const TITLE: &str = "pipe size, 100-byte lines in 64 KiB writes";
    const SIZES: [&str; 5] = ["64", "128", "256", "512", "1024"];
    let memory = MemoryDirectory::new();
    let mut group = criterion.benchmark_group(TITLE);
    settle(&mut group);
    let mut rows = Vec::new();
    for floor in ["read", "tee-splice"] {
        let mut rates: [Vec<f64>; SIZES.len()] = Default::default();
        group.bench_function(floor, |bencher| {
            bencher.iter_custom(|runs| {
                let mut all = Duration::ZERO;
                for _ in 0..runs {
                    for (size, rates) in SIZES.iter().zip(&mut rates) {
                        let name = format!("{floor}@{size}");
                        let took = floor::run(&name, &work, &memory, None, &mut Tally::default());
                        rates.push(work.bytes() as f64 / took.as_secs_f64() / 1e9);
                        all += took;
                    }
                }
                all / SIZES.len() as u32
            });
        });
        if rates.iter().all(|rates| !rates.is_empty()) {
            let each = SIZES.iter().zip(&mut rates).map(|(size, rates)| format!("{size} KiB {:.2}", median(rates)));
            rows.push(format!("{floor:<12} GB/s with {}", each.collect::<Vec<_>>().join(", ")));
        }
    }
    group.finish();
    table(TITLE, &rows);
}

fn latency(criterion: &mut Criterion, title: &str, placement: Placement, pairs: &[Pair]) {
    let work = Work::paced(if measures() { 5_000 } else { 5 });
    let memory = MemoryDirectory::new();
    let mut group = criterion.benchmark_group(title);
    settle(&mut group);
    let mut rows = Vec::new();
    for pair in pairs {
        let (mut ratios, mut own_p50, mut own_p99, mut floor_p50, mut floor_p99) =
            (vec![], vec![], vec![], vec![], vec![]);
        group.bench_function(format!("{}/{}", pair.strategy, pair.floor), |bencher| {
            bencher.iter_custom(|runs| {
                (0..runs)
                    .map(|_| {
                        let mut sink = Latencies::new(&work);
                        floor::run(pair.floor, &work, &memory, Some(placement), &mut sink);
                        let (floor, tail) = sink.p50_p99();
                        floor_p50.push(floor);
                        floor_p99.push(tail);
                        let mut sink = Latencies::new(&work);
                        work::capture(pair.strategy, &work, &memory, Some(placement), &mut sink);
                        let (own, tail) = sink.p50_p99();
                        own_p50.push(own);
                        own_p99.push(tail);
                        ratios.push(own / floor);
                        Duration::from_nanos(own as u64)
                    })
                    .sum()
            });
        });
        if !ratios.is_empty() {
            let us = |values: &mut [f64]| median(values) / 1e3;
            let ratio = median(&mut ratios);
            rows.push(format!(
                "{:<10} p50 {:>6.1} us p99 {:>6.1}   {:<14} p50 {:>6.1} us p99 {:>6.1}   ratio {ratio:>5.2}   wanted {:.2} {}",
                pair.strategy,
                us(&mut own_p50),
                us(&mut own_p99),
                pair.floor,
                us(&mut floor_p50),
                us(&mut floor_p99),
                pair.wanted,
                if ratio <= pair.wanted { "" } else { "  NOT REACHED" }
            ));
        }
    }
    group.finish();
    table(title, &rows);
}

/// Measures the peak memory of a capturer, however much passes through it: 1 GiB, and also 16 GiB if no file keeps
/// them.
fn memory() {
    const GIB: u64 = 1 << 30;
    let mut rows = Vec::new();
    for (strategy, sizes) in
        [("lines", &[GIB, 16 * GIB][..]), ("sequenced", &[GIB, 16 * GIB]), ("splice", &[GIB]), ("follow", &[GIB])]
    {
        for &bytes in sizes {
            let memory = MemoryDirectory::new();
            let command = Work::fast(bytes, 64 << 10).command(&memory, None);
            let mut capture = std::process::Command::new(env!("CARGO_BIN_EXE_crun-capture"));
            capture.args(["capture", "--strategy", strategy, "--live", "none", "--summary", "-"]);
            if strategy == "splice" || strategy == "follow" {
                capture.arg("--stdout-path").arg(memory.path("stdout")).arg("--stderr-path").arg(memory.path("stderr"));
            }
            let output = capture.arg("--").arg(&command.program).args(&command.arguments).output().unwrap();
            let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(summary["stdout"]["bytes"], bytes, "{strategy} delivers every byte");
            let rss = summary["max_rss_bytes"].as_f64().unwrap() / f64::from(1 << 20);
            let verdict = if rss <= 6.0 { "" } else { "  NOT REACHED" };
            rows.push(format!(
                "{strategy:<10} {:>3} GiB through it: {rss:.1} MiB at most   wanted 6.0{verdict}",
                bytes / GIB
            ));
        }
    }
    table("memory of the capturer", &rows);
}

#[expect(clippy::print_stderr, reason = "a benchmark talks to whoever runs it")]
fn table(title: &str, rows: &[String]) {
    if measures() {
        eprintln!("\n{title}");
        rows.iter().for_each(|row| eprintln!("  {row}"));
        eprintln!();
    }
}

fn all(criterion: &mut Criterion) {
    let large = Work::fast(if measures() { 512 << 20 } else { 1 << 20 }, 64 << 10);
    throughput(
        criterion,
        "throughput, 100-byte lines in 64 KiB writes",
        large,
        &[
            pair("lines", "read", 0.9),
            pair("splice", "tee-splice", 0.9),
            pair("splice", "read-write", 0.9),
            pair("follow", "redirect", 0.8),
            pair("sequenced", "recvmmsg", 0.9),
            pair("sequenced", "epoll-recvmmsg", 0.9),
            pair("lines", "tokio-lines", 2.5),
            pair("lines", "threads", 2.5),
            pair("splice", "threads-file", 2.5),
            pair("splice", "tokio-file", 2.5),
        ],
    );
    pipe_size(criterion, large);
    let small = Work::fast(if measures() { 64 << 20 } else { 1 << 16 }, 100);
    throughput(
        criterion,
        "throughput, one write a line",
        small,
        &[
            pair("lines", "read", 1.0),
            pair("lines", "epoll-read", 1.0),
            pair("splice", "tee-splice", 1.0),
            pair("splice", "epoll-tee-splice", 1.0),
            pair("sequenced", "recvmmsg", 1.0),
            pair("sequenced", "epoll-recvmmsg", 1.0),
            pair("follow", "inotify-read", 1.0),
        ],
    );
    latency(
        criterion,
        "latency, pinned apart",
        Placement::Apart,
        &[
            pair("lines", "read", 1.3),
            pair("splice", "read", 1.3),
            pair("sequenced", "read", 1.3),
            pair("follow", "read", 2.0),
        ],
    );
    latency(
        criterion,
        "latency, on one CPU",
        Placement::Same,
        &[
            pair("lines", "epoll-read", 1.5),
            pair("splice", "tee-read", 1.5),
            pair("sequenced", "recvmmsg", 1.5),
            pair("follow", "inotify-read", 1.5),
        ],
    );
}

criterion_group!(benches, all);

fn main() {
    if work::is_writer() {
        return work::write();
    }
    benches();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if measures() && (words.is_empty() || words.iter().any(|word| word == "memory")) {
        memory();
    }
    Criterion::default().configure_from_args().final_summary();
}
