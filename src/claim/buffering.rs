//! The spike's "Buffering Strategy".

use super::{Claim, Evidence, Judgement};
use crate::text::time;

/// Two medians of one run that differ by less are alike.
const ALIKE: f64 = 1.5;

/// A program is only as fast as it formats, so blocks cannot win much more than the writes that they save.
const FASTER: f64 = 1.2;

/// What was measured of one kind of buffering.
struct Kind {
    latency_ns: u64,
    writes_a_line: f64,
    lines_a_s: f64,
}

fn kind(it: &Evidence, name: &str) -> Result<Kind, String> {
    let paced = it.of(&format!("scanner/buffering/{name}-paced"))?;
    let fast = it.of(&format!("scanner/buffering/{name}-fast"))?;
    let missing = || format!("scanner/buffering/{name}-paced delivered nothing");
    // From when a line was printed: what a buffer holds back counts.
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
            let as_early = line.latency_ns as f64 <= unbuffered.latency_ns as f64 * ALIKE;
            let cheaper = line.writes_a_line < unbuffered.writes_a_line;
            let judged = match (as_early, cheaper) {
                (true, true) => Judgement::confirmed(format!(
                    "a line comes {} after it was printed, as early as without buffering, for {:.0} write instead of {:.0}",
                    time(line.latency_ns),
                    line.writes_a_line,
                    unbuffered.writes_a_line
                )),
                (false, true) => Judgement::qualified("it needs fewer writes, and a line comes later for it"),
                (_, false) => Judgement::refuted("it needs no fewer writes than no buffering"),
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
            let earlier = (unbuffered.latency_ns as f64) * ALIKE < line.latency_ns as f64;
            let judged = match (earlier, dearest) {
                (true, true) => Judgement::confirmed("a line comes earlier, and costs more writes"),
                (false, true) => Judgement::qualified(
                    "the overhead is the highest, but a line comes no earlier: whoever captures lines has to wait for the last part of it anyway",
                ),
                (_, false) => Judgement::refuted("it costs no more writes than buffering by line"),
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
            let later = block.latency_ns as f64 > line.latency_ns as f64 * ALIKE;
            let judged = match (faster, later) {
                (true, true) => Judgement::confirmed(format!(
                    "{:.1} times as many lines a second, and a line comes {} after it was printed instead of {}",
                    block.lines_a_s / line.lines_a_s.max(1.0),
                    time(block.latency_ns),
                    time(line.latency_ns)
                )),
                (false, true) => Judgement::qualified("the latency is increased, the throughput is not higher"),
                (true, false) => Judgement::qualified("the throughput is higher, the latency is not increased"),
                (false, false) => Judgement::refuted("neither the throughput is higher nor the latency increased"),
            };
            Ok(with_numbers(judged, &kinds))
        },
    },
];
