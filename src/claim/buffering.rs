//! Claims of the spike's section "Buffering Strategy".

use super::{Claim, Evidence, Judgement};
use crate::text::time;

/// Two median latencies count as alike when they differ by no more than this, in ns. To wake a reader takes some tens of
/// microseconds more or less from run to run; a buffer holds a line back for milliseconds.
const ALIKE_NS: u64 = 200_000;

/// Block buffering counts as faster above this factor. A program is only as fast as it formats its lines, so block
/// buffering gains little more than the writes that it saves.
const FASTER: f64 = 1.2;

/// What was measured for one kind of buffering.
struct Kind {
    latency_ns: u64,
    writes_a_line: f64,
    lines_a_s: f64,
}

fn kind(it: &Evidence, name: &str) -> Result<Kind, String> {
    let paced = it.of(&format!("scanner/buffering/{name}-paced"))?;
    let fast = it.of(&format!("scanner/buffering/{name}-fast"))?;
    let missing = || format!("scanner/buffering/{name}-paced delivered nothing");
    // Latency starts when the program prints the line, so the time in the program's buffer counts.
    let latency = paced.due_latency_ns.ok_or_else(missing)?;
    let (writes, lines) = (fast.workload_writes.unwrap_or(0) as f64, fast.accepted_lines as f64);
    let seconds = fast.workload_writing_ns.unwrap_or(0).max(1) as f64 / 1e9;
    Ok(Kind { latency_ns: latency.p50, writes_a_line: writes / lines.max(1.0), lines_a_s: lines / seconds })
}

fn all(it: &Evidence) -> Result<[Kind; 3], String> {
    Ok([kind(it, "unbuffered")?, kind(it, "line")?, kind(it, "block")?])
}

fn with_numbers(judged: Judgement, [unbuffered, line, block]: &[Kind; 3]) -> Judgement {
    let rounded = |value: f64| (value * 100.0).round() / 100.0;
    judged
        .with("unbuffered_latency_p50_ns", unbuffered.latency_ns)
        .with("line_latency_p50_ns", line.latency_ns)
        .with("block_latency_p50_ns", block.latency_ns)
        .with("unbuffered_writes_a_line", rounded(unbuffered.writes_a_line))
        .with("line_writes_a_line", rounded(line.writes_a_line))
        .with("block_writes_a_line", rounded(block.writes_a_line))
        .with("unbuffered_lines_a_s", unbuffered.lines_a_s.round())
        .with("line_lines_a_s", line.lines_a_s.round())
        .with("block_lines_a_s", block.lines_a_s.round())
}

const TRIED_BY: &[&str] = &["scanner/buffering/*"];

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "buffer/line",
        says: "Line-buffered: Good for most applications, balances latency and efficiency",
        tried_by: TRIED_BY,
        judge: |it| {
            let kinds = all(it)?;
            let [unbuffered, line, _] = &kinds;
            let as_early = line.latency_ns <= unbuffered.latency_ns + ALIKE_NS;
            let cheaper = line.writes_a_line < unbuffered.writes_a_line;
            let judged = match (as_early, cheaper) {
                (true, true) => Judgement::confirmed(format!(
                    "a line arrives {} after it was printed, as early as without buffering, and takes {:.0} write instead of {:.0}",
                    time(line.latency_ns),
                    line.writes_a_line,
                    unbuffered.writes_a_line
                )),
                (false, true) => Judgement::qualified("it needs fewer writes, but a line arrives later"),
                (_, false) => Judgement::refuted("it does not need fewer writes than no buffering"),
            };
            Ok(with_numbers(judged, &kinds))
        },
    },
    Claim {
        id: "buffer/unbuffered",
        says: "Unbuffered: Lowest latency but highest overhead",
        tried_by: TRIED_BY,
        judge: |it| {
            let kinds = all(it)?;
            let [unbuffered, line, _] = &kinds;
            let dearest = unbuffered.writes_a_line > line.writes_a_line;
            let earlier = unbuffered.latency_ns + ALIKE_NS < line.latency_ns;
            let judged = match (earlier, dearest) {
                (true, true) => Judgement::confirmed("a line arrives earlier and costs more writes"),
                (false, true) => Judgement::qualified(
                    "the overhead is the highest, but a line arrives no earlier: a capturer of lines has to wait for the last part of a line anyway",
                ),
                (_, false) => Judgement::refuted("it does not cost more writes than line buffering"),
            };
            Ok(with_numbers(judged, &kinds))
        },
    },
    Claim {
        id: "buffer/block",
        says: "Block-buffered: Higher throughput but increased latency",
        tried_by: TRIED_BY,
        judge: |it| {
            let kinds = all(it)?;
            let [_, line, block] = &kinds;
            let faster = block.lines_a_s > line.lines_a_s * FASTER;
            let later = block.latency_ns > line.latency_ns + ALIKE_NS;
            let judged = match (faster, later) {
                (true, true) => Judgement::confirmed(format!(
                    "the program writes {:.1} times as many lines a second, and a line arrives {} after it was printed instead of {}",
                    block.lines_a_s / line.lines_a_s.max(1.0),
                    time(block.latency_ns),
                    time(line.latency_ns)
                )),
                (false, true) => Judgement::qualified("the latency is higher, but the throughput is not"),
                (true, false) => Judgement::qualified("the throughput is higher, but the latency is not"),
                (false, false) => Judgement::refuted("neither the throughput nor the latency is higher"),
            };
            Ok(with_numbers(judged, &kinds))
        },
    },
];
