//! The claim about today's way: Nomad's executor with StdoutPath.

use super::{Claim, Judgement};

pub(super) static ALL: &[Claim] = &[Claim {
    id: "current/no-streaming",
    says: "No Real-time Streaming: Output is only written to files, not streamed",
    tried_by: &["file/files/fifo-with-reader"],
    judge: |it| {
        // In Nomad, StdoutPath is a FIFO that logmon reads.
        let found = it.of("file/files/fifo-with-reader")?;
        let fraction = found.delivered_before_exit_fraction.unwrap_or(0.0);
        let judged = if found.is_live() && found.lost_bytes == 0 {
            Judgement::refuted("Nomad's StdoutPath is a FIFO, and its reader gets each line while the program runs")
        } else {
            Judgement::confirmed(
                "output that is written to a FIFO in place of the file does not arrive while the program runs",
            )
        };
        Ok(judged
            .with("delivered_before_exit_fraction", fraction)
            .with("latency_p50_ns", found.latency_ns.map(|latency| latency.p50))
            .with("lost_bytes", found.lost_bytes))
    },
}];
