//! Claims of the spike's conclusion.

use super::evidence::is_whole;
use super::{Claim, Judgement, finding};
use crate::analysis::STALLED_NS;

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "conclusion/separate-real-time",
        says: "Capture both stdout and stderr separately in real-time",
        tried_by: &["tee/paced/1ms", "tee/interleave/in-turn", "tee/long-line/65537"],
        judge: |it| {
            let (paced, turns) = (it.of("tee/paced/1ms")?, it.of("tee/interleave/in-turn")?);
            let long = it.of("tee/long-line/65537")?;
            let apart = turns.unattributed_lines == 0 && turns.misattributed_lines == 0;
            let off = turns.cross_inversion_rate.unwrap_or(0.0);
            let judged = match (paced.is_live() && apart, is_whole(long) && off == 0.0) {
                (false, _) => Judgement::refuted("the streams arrive after the exit, or not separately"),
                (true, true) => Judgement::confirmed(
                    "the streams arrive separately, while the program runs, and in the order of the writes",
                ),
                (true, false) => Judgement::qualified(format!(
                    "the streams arrive separately while the program runs, but their relative order is lost ({:.0}% of the neighbours are swapped), and a line over 64 KiB stops the capture",
                    off * 100.0
                )),
            };
            Ok(judged
                .with("cross_inversion_rate", turns.cross_inversion_rate)
                .with("long_line_deadline_hit", long.deadline_hit))
        },
    },
    Claim {
        id: "conclusion/stream-and-file",
        says: "Stream output to Nomad's logging API while writing to files",
        tried_by: &["tee/files/disk-full", "tee/flow/stops"],
        judge: |it| {
            let (disk, stops) = (it.of("tee/files/disk-full")?, it.of("tee/flow/stops")?);
            let stalled = stops.workload_stalled_ns.unwrap_or(0) > STALLED_NS;
            let judged = match (is_whole(disk), stalled) {
                (true, false) => Judgement::confirmed("neither the file nor the API holds up the other or the program"),
                (true, true) => Judgement::qualified("an API that stops reading also stops the file and the program"),
                (false, true) => Judgement::qualified(
                    "both get the output as long as neither fails: a full disk ends the stream, and an API that stops reading stops the program",
                ),
                (false, false) => {
                    Judgement::qualified("both get the output until the disk is full, which ends the stream")
                }
            };
            Ok(judged
                .with("disk_full_deadline_hit", disk.deadline_hit)
                .with("consumer_stops_stalled_ns", stops.workload_stalled_ns))
        },
    },
    Claim {
        id: "conclusion/lifecycle",
        says: "Maintain full process lifecycle management",
        tried_by: &["scanner/death/front-killed"],
        judge: finding::kill,
    },
    Claim {
        id: "conclusion/no-oci-library",
        says: "Implement this without complex OCI library dependencies",
        tried_by: &["scanner/exit-status/*"],
        judge: |it| {
            let ends = it.all("scanner", "exit-status")?;
            let right = ends.iter().filter(|(_, found)| found.exit_reported == Some(found.exit_expected)).count();
            let (one, failed) = (it.of("scanner/exit-status/code-1")?, it.of("scanner/exit-status/missing-config")?);
            let judged = match (right == ends.len(), one.exit_reported == failed.exit_reported) {
                (false, _) => Judgement::refuted("some ends are reported wrongly"),
                (true, false) => Judgement::confirmed("crun's command line is enough"),
                (true, true) => Judgement::qualified(
                    "crun's command line is enough with --log and --pid-file: the exit code alone does not tell crun's own failures from the program's",
                ),
            };
            Ok(judged.with("right", right).with("tried", ends.len()))
        },
    },
];
