//! The claim of the spike's section "Rate Limiting": a ticker before each line.

use super::{Claim, Judgement};
use crate::analysis::STALLED_NS;
use crate::text::time;

/// The name of the capturer with the ticker: a strategy with one extra option.
pub const TICKER: &str = "task-log-ticker";

/// The interval of the spike's ticker.
pub const INTERVAL_NS: u64 = 10_000_000;

pub(super) static ALL: &[Claim] = &[Claim {
    id: "rate/ticker",
    says: "Implement rate limiting to prevent overwhelming Nomad API: time.NewTicker(10 * time.Millisecond)",
    tried_by: &["task-log-ticker/rate/300-lines"],
    judge: |it| {
        let found = it.of("task-log-ticker/rate/300-lines")?;
        let stalled = found.workload_stalled_ns.unwrap_or(0);
        let delivered = found.accepted_lines.saturating_sub(found.lost_lines);
        let lines_a_s = delivered as f64 / (found.wall_ns.max(1) as f64 / 1e9);
        let all_ns = (100_000.0 / lines_a_s.max(0.001) * 1e9) as u64;
        let judged = match (stalled > STALLED_NS, found.lost_lines) {
            (false, 0) => Judgement::confirmed("the consumer is spared, and the program is not stalled"),
            (false, lost) => Judgement::refuted(format!("the consumer is spared by losing {lost} lines")),
            (true, lost) => Judgement::refuted(format!(
                "it limits the program, to {lines_a_s:.0} lines a second: the program is stalled for {}, 100,000 lines would take {}, and {lost} lines are lost at the exit",
                time(stalled),
                time(all_ns)
            )),
        };
        Ok(judged
            .with("lines_a_s", lines_a_s.round())
            .with("workload_stalled_ns", stalled)
            .with("a_hundred_thousand_lines_ns", all_ns)
            .with("lost_lines", found.lost_lines))
    },
}];
