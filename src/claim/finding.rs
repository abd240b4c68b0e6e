//! Claims of the spike's key findings. The table of the first finding has a file of its own (`table`).

use super::evidence::is_whole;
use super::{Claim, Evidence, Judgement};
use crate::analysis::{DRAIN_NS, STALLED_NS};
use crate::text::time;

/// A sync counts as costly when it delays a line by more than this. The limit is a difference, not a ratio, because a
/// busy machine adds the same time to both latencies.
const COSTLY_NS: u64 = 100_000;

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "finding/1-streaming",
        says: "Confirmed: We can capture crun output in real-time using StdoutPipe() and StderrPipe()",
        tried_by: &["scanner/paced/1ms", "scanner/long-line/65537"],
        judge: |it| {
            let (paced, long) = (it.of("scanner/paced/1ms")?, it.of("scanner/long-line/65537")?);
            let judged = match (paced.is_live(), is_whole(long)) {
                (false, _) => Judgement::refuted("the lines arrive only after the exit"),
                (true, true) => Judgement::confirmed("each line arrives while the program runs, even a long one"),
                (true, false) => Judgement::qualified(
                    "each line arrives while the program runs, until a line over 64 KiB: from that line on nothing arrives, and the program hangs",
                ),
            };
            Ok(judged
                .with("delivered_before_exit_fraction", paced.delivered_before_exit_fraction)
                .with("latency_p50_ns", paced.latency_ns.map(|latency| latency.p50))
                .with("long_line_deadline_hit", long.deadline_hit))
        },
    },
    Claim {
        id: "finding/2-each-line-immediately",
        says: "Process each line immediately",
        tried_by: &["scanner/paced/200us", "scanner/framing/prompt"],
        judge: immediately,
    },
    Claim {
        id: "finding/3-write-each-line",
        says: "Write each line to a file immediately (file.Sync())",
        tried_by: &[
            "task-log/file-system/disk",
            "task-log/file-system/memory",
            "tee/file-system/disk",
            "tee/file-system/memory",
        ],
        judge: sync,
    },
    Claim {
        id: "finding/3-callbacks",
        says: "Call callback functions for real-time streaming",
        tried_by: &["scanner/flow/stops", "tee/flow/stops", "task-log/flow/stops"],
        judge: |it| {
            let stalled = ["scanner", "tee", "task-log"].map(|strategy| {
                let found = it.of(&format!("{strategy}/flow/stops"))?;
                Ok::<_, String>(found.workload_stalled_ns.unwrap_or(0))
            });
            let [scanner, tee, task_log] = stalled;
            let most = scanner.clone()?.max(tee.clone()?).max(task_log.clone()?);
            let judged = if most < STALLED_NS {
                Judgement::confirmed("a callback that stops for 2 s does not stall the program")
            } else {
                let stall = time(most);
                Judgement::qualified(format!(
                    "lines are passed on, but a callback that stops for 2 s stalls the program for {stall}"
                ))
            };
            Ok(judged
                .with("scanner_stalled_ns", scanner?)
                .with("tee_stalled_ns", tee?)
                .with("task_log_stalled_ns", task_log?))
        },
    },
    Claim {
        id: "finding/3-separately",
        says: "Handle stdout and stderr separately",
        tried_by: &["scanner/interleave/in-turn", "tee/interleave/in-turn"],
        judge: |it| {
            let (scanner, tee) = (it.of("scanner/interleave/in-turn")?, it.of("tee/interleave/in-turn")?);
            let wrong =
                |strategy: &crate::analysis::Findings| strategy.misattributed_lines + strategy.unattributed_lines;
            let rate = scanner.cross_inversion_rate.unwrap_or(0.0).max(tee.cross_inversion_rate.unwrap_or(0.0));
            let judged = if wrong(scanner) + wrong(tee) > 0 {
                Judgement::refuted("lines arrive with the wrong stream or with none")
            } else if rate > 0.0 {
                let swapped = rate * 100.0;
                Judgement::qualified(format!(
                    "each line arrives with its stream, but the order across the two is lost: {swapped:.0}% of the neighbours are swapped"
                ))
            } else {
                Judgement::confirmed("each line arrives with its stream, in the order of the writes")
            };
            Ok(judged
                .with("scanner_cross_inversion_rate", scanner.cross_inversion_rate)
                .with("tee_cross_inversion_rate", tee.cross_inversion_rate))
        },
    },
    Claim {
        id: "finding/4-start",
        says: "Start process: cmd.Start()",
        tried_by: &["scanner/exit-status/code-0", "scanner/exit-status/executable-not-found"],
        judge: |it| {
            let (sound, missing) =
                (it.of("scanner/exit-status/code-0")?, it.of("scanner/exit-status/executable-not-found")?);
            // A capturer exits with 126 or 127 when Start itself fails.
            let start_succeeded = missing.exit_reported.is_some_and(|code| code != 126 && code != 127);
            let judged = match (sound.workload_started, start_succeeded) {
                (Some(true), true) => Judgement::qualified(
                    "it starts crun and says nothing about the container: when the program is missing, Start succeeds and only crun's exit code tells",
                ),
                (Some(true), false) => Judgement::confirmed("it starts the container, or fails"),
                _ => return Err("nothing was started".to_owned()),
            };
            Ok(judged.with("not_found_exit_reported", missing.exit_reported))
        },
    },
    Claim {
        id: "finding/4-wait",
        says: "Wait for completion: cmd.Wait()",
        tried_by: &["scanner/grandchild/silent", "task-log/late-reader/ended"],
        judge: |it| {
            let (held, late) = (it.of("scanner/grandchild/silent")?, it.of("task-log/late-reader/ended")?);
            let waited = held.deadline_hit || held.exit_latency_ns.is_some_and(|ns| ns > DRAIN_NS);
            let judged = match (waited, is_whole(late)) {
                (false, true) => Judgement::confirmed("it returns when the program has ended, and all output is there"),
                (true, true) => Judgement::qualified(
                    "it returns only when the last process of the container has ended: crun waits for that process, and so does the reader of the streams",
                ),
                (false, false) => Judgement::qualified(
                    "called while the readers read, it closes the pipes at the exit and loses what they have not read",
                ),
                (true, false) => Judgement::qualified(
                    "called after the readers, it waits until the last process of the container has ended; called while they read, it closes the pipes and loses what they have not read",
                ),
            };
            Ok(judged
                .with("grandchild_exit_latency_ns", held.exit_latency_ns)
                .with("beside_readers_lost_bytes", late.lost_bytes))
        },
    },
    Claim {
        id: "finding/4-kill",
        says: "Kill process: cmd.Process.Kill()",
        tried_by: &["scanner/death/front-killed"],
        judge: kill,
    },
    Claim {
        id: "finding/4-exit-code",
        says: "Get exit code: Available from cmd.Wait()",
        tried_by: &["scanner/exit-status/*"],
        judge: |it| {
            let ends = it.all("scanner", "exit-status")?;
            let right = ends.iter().filter(|(_, found)| found.exit_reported == Some(found.exit_expected)).count();
            let (code, signal) = (it.of("scanner/exit-status/code-143")?, it.of("scanner/exit-status/signal-term")?);
            let (one, failed) = (it.of("scanner/exit-status/code-1")?, it.of("scanner/exit-status/missing-config")?);
            let alike = code.exit_reported == signal.exit_reported && signal.signal.is_none();
            let hidden = one.exit_reported == failed.exit_reported;
            let judged = if right < ends.len() {
                Judgement::refuted(format!("{} of {} ends are reported wrongly", ends.len() - right, ends.len()))
            } else {
                match (alike, hidden) {
                    (true, true) => Judgement::qualified(
                        "the code is there, but exit 143 and death by SIGTERM look alike, and so do exit 1 and a failure of crun itself, which only crun's --log tells apart",
                    ),
                    (true, false) => {
                        Judgement::qualified("the code is there, but exit 143 and death by SIGTERM look alike")
                    }
                    (false, true) => Judgement::qualified(
                        "the code is there, but exit 1 and a failure of crun itself look alike; only crun's --log tells them apart",
                    ),
                    (false, false) => Judgement::confirmed("every end is reported as it was, and no two look alike"),
                }
            };
            Ok(judged.with("right", right).with("tried", ends.len()).with("signal", signal.signal))
        },
    },
];

/// Judges whether a line is passed on as soon as it is written.
pub(super) fn immediately(it: &Evidence) -> Result<Judgement, String> {
    let (paced, prompt) = (it.of("scanner/paced/200us")?, it.of("scanner/framing/prompt")?);
    let Some(latency) = paced.latency_ns else {
        return Ok(Judgement::refuted("the lines arrive only after the exit")
            .with("delivered_before_exit_fraction", paced.delivered_before_exit_fraction));
    };
    let (p50, p99) = (time(latency.p50), time(latency.p99));
    let judged = if prompt.prompt_held == Some(true) {
        Judgement::qualified(format!(
            "a line arrives {p50} after its write (p99 {p99}), but only with its line feed: a prompt is held back"
        ))
    } else {
        Judgement::confirmed(format!("output arrives {p50} after its write (p99 {p99}), even a prompt"))
    };
    Ok(judged
        .with("latency_p50_ns", latency.p50)
        .with("latency_p99_ns", latency.p99)
        .with("prompt_held", prompt.prompt_held))
}

fn sync(it: &Evidence) -> Result<Judgement, String> {
    let p50 = |cell: &str| Ok::<_, String>(it.of(cell)?.due_latency_ns.map(|latency| latency.p50));
    let p99 = |cell: &str| Ok::<_, String>(it.of(cell)?.due_latency_ns.map(|latency| latency.p99));
    let (synced, plain) = (p50("task-log/file-system/disk")?, p50("tee/file-system/disk")?);
    let judged = match (synced, plain) {
        (Some(synced), Some(plain)) if synced > plain + COSTLY_NS => Judgement::qualified(format!(
            "it can be done, but on a disk a line then takes {} instead of {}; this protects only against a crash of the machine, because the page cache outlives the program, the driver and the container",
            time(synced),
            time(plain)
        )),
        (Some(_), Some(_)) => Judgement::confirmed("each line is on the disk before it is passed on, at little cost"),
        _ => Judgement::refuted("the lines arrive only after the exit"),
    };
    Ok(judged
        .with("sync_on_disk_p50_ns", synced)
        .with("sync_on_disk_p99_ns", p99("task-log/file-system/disk")?)
        .with("sync_in_memory_p50_ns", p50("task-log/file-system/memory")?)
        .with("no_sync_on_disk_p50_ns", plain)
        .with("no_sync_in_memory_p50_ns", p50("tee/file-system/memory")?))
}

/// Judges what happens to the container when the process in `cmd.Process` is killed.
pub(super) fn kill(it: &Evidence) -> Result<Judgement, String> {
    let found = it.of("scanner/death/front-killed")?;
    let judged = if found.workload_survived == Some(true) {
        Judgement::refuted(
            "it kills crun, which is not in the data path: the container runs on to its end, and Wait reports `killed`",
        )
    } else {
        Judgement::confirmed("the program ends with crun")
    };
    Ok(judged.with("workload_survived", found.workload_survived).with("exit_reported", found.exit_reported))
}
