//! In the steady state a capture allocates nothing, however many lines pass through it. The allocations are counted,
//! not estimated.

use crun_capture::strategy::{self, Strategy};
use crun_capture_reactor::{Command, Delivery, Memory, Sink};
use std::io;

#[derive(Default)]
struct Lines(u64);

impl Sink for Lines {
    fn deliver(&mut self, _: &Delivery<'_>) -> io::Result<()> {
        self.0 += 1;
        Ok(())
    }
}

/// All strategies that run in a reactor and read what the command writes.
fn strategies() -> impl Iterator<Item = &'static dyn Strategy> {
    strategy::ALL.iter().copied().filter(|one| one.reactive().is_some() && !one.needs().needs_reader)
}

/// The allocations of one capture of this many lines, in the thread of the reactor.
fn allocations(strategy: &dyn Strategy, lines: u64) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let script = format!("yes 'a line that is neither short nor very long' | head -n {lines}");
    let command = Command::new("sh").args(["-c", &script]);
    let command = command.stdout_path(directory.path().join("stdout")).stderr_path(directory.path().join("stderr"));
    let mut sink = Lines::default();
    let counted = allocation_counter::measure(|| {
        strategy.capture(&command, &mut sink).unwrap();
    });
    assert_eq!(sink.0, lines, "{}", strategy.name());
    counted.count_total
}

#[test]
fn more_lines_need_no_more_allocations() {
    for strategy in strategies() {
        let (few, many) = (allocations(strategy, 1_000), allocations(strategy, 200_000));
        // The difference is a buffer that grows to the longest line, and the heap of timers.
        assert!(many <= few + 50, "{}: {few} for 1,000 lines, {many} for 200,000", strategy.name());
    }
}

/// A consumer that allocates for each line is noticed.
#[test]
fn what_allocates_a_line_is_counted() {
    let mut sink = Memory::default();
    let command = Command::new("sh").args(["-c", "yes | head -n 1000"]);
    let strategy = strategies().next().unwrap();
    let counted = allocation_counter::measure(|| {
        strategy.capture(&command, &mut sink).unwrap();
    });
    assert!(counted.count_total >= 1_000, "{}", counted.count_total);
}
