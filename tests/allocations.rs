//! In steady state a capture allocates nothing, however many lines pass through it: counted, not measured.

use crun_capture::sink::Sink;
use crun_capture::sink::memory::Memory;
use crun_capture::strategy::{self, Command};
use crun_capture::stream::Delivery;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
struct Lines(AtomicU64);

impl Sink for Lines {
    fn deliver(&self, _: &Delivery<'_>) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Allocations of one capture of so many lines, in the thread of the reactor.
fn allocations(name: &str, lines: u64) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("yes 'a line that is neither short nor very long' | head -n {lines}");
    let command = Command {
        stdout_path: Some(directory.path().join("stdout")),
        stderr_path: Some(directory.path().join("stderr")),
        ..Command::new("sh", ["-c".to_owned(), script])
    };
    let sink = Lines::default();
    let counted = allocation_counter::measure(|| {
        strategy::find(name).unwrap().capture(&command, &sink).unwrap();
    });
    assert_eq!(sink.0.load(Ordering::Relaxed), lines, "{name}");
    counted.count_total
}

#[test]
fn more_lines_need_no_more_allocations() {
    for name in ["lines", "splice", "follow", "sequenced", "pty"] {
        let (few, many) = (allocations(name, 1_000), allocations(name, 200_000));
        // A buffer that grows to the longest line, and the heap of timers.
        assert!(many <= few + 50, "{name}: {few} for 1,000 lines, {many} for 200,000");
    }
}

/// A consumer that allocates a line is seen.
#[test]
fn what_allocates_a_line_is_counted() {
    let sink = Memory::default();
    let command = Command::new("sh", ["-c", "yes | head -n 1000"]);
    let counted = allocation_counter::measure(|| {
        strategy::find("lines").unwrap().capture(&command, &sink).unwrap();
    });
    assert!(counted.count_total >= 1_000, "{}", counted.count_total);
}
