//! Claims of the spike's recommendation: start crun directly, and use TeeReader.

use super::evidence::is_whole;
use super::{Claim, Judgement};
use crate::analysis::STALLED_NS;
use crate::text::time;

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "recommend/direct-exec",
        says: "Replace Current Executor Pattern: exec.Command with StdoutPipe() and StderrPipe()",
        tried_by: &["scanner/death/capturer-killed", "tee/death/capturer-killed", "file/death/capturer-killed"],
        judge: |it| {
            let survived = |strategy: &str| {
                let found = it.of(&format!("{strategy}/death/capturer-killed"))?;
                Ok::<_, String>(found.workload_survived == Some(true))
            };
            let (scanner, tee, file) = (survived("scanner")?, survived("tee")?, survived("file")?);
            let judged = match (scanner && tee, file) {
                (true, _) => Judgement::confirmed("the program survives the death of its driver, as with the executor"),
                (false, true) => Judgement::refuted(
                    "it puts the driver into the data path: when the driver is killed, the program's next write kills it outside a pid namespace and fails inside one; a program that was handed a file runs on",
                ),
                (false, false) => {
                    Judgement::qualified("the program does not survive its driver, but it does not with a file either")
                }
            };
            Ok(judged
                .with("scanner_workload_survived", scanner)
                .with("tee_workload_survived", tee)
                .with("file_workload_survived", file))
        },
    },
    Claim {
        id: "recommend/tee",
        says: "TeeReader: Recommended for Milo",
        tried_by: &[
            "tee/long-line/65537",
            "tee/files/disk-full",
            "tee/bytes/crlf",
            "tee/death/capturer-killed",
            "tee/flow/stops",
        ],
        judge: |it| {
            let (long, disk) = (it.of("tee/long-line/65537")?, it.of("tee/files/disk-full")?);
            let (crlf, killed) = (it.of("tee/bytes/crlf")?, it.of("tee/death/capturer-killed")?);
            let stalled = it.of("tee/flow/stops")?.workload_stalled_ns.unwrap_or(0);
            let mut faults = Vec::new();
            if !is_whole(long) {
                let how = if long.deadline_hit { "hangs for good on" } else { "loses" };
                faults.push(format!("{how} a line over 64 KiB"));
            }
            if !is_whole(disk) {
                let how = if disk.deadline_hit { "freezes the program" } else { "loses output" };
                faults.push(format!("{how} when the disk is full"));
            }
            if crlf.altered_lines > 0 {
                faults.push("alters lines that end in CR LF".to_owned());
            }
            if killed.workload_survived == Some(false) {
                faults.push("takes the program with it when it is killed".to_owned());
            }
            if stalled > STALLED_NS {
                faults.push(format!("stalls the program for {} when its consumer stops for 2 s", time(stalled)));
            }
            let hangs = !is_whole(long) || !is_whole(disk);
            let judged = match faults.as_slice() {
                [] => Judgement::confirmed("it keeps every duty that was tested"),
                faults if hangs => Judgement::refuted(format!("it {}", faults.join(", "))),
                faults => Judgement::qualified(format!("it {}", faults.join(", "))),
            };
            Ok(judged
                .with("long_line_deadline_hit", long.deadline_hit)
                .with("disk_full_deadline_hit", disk.deadline_hit)
                .with("crlf_altered_lines", crlf.altered_lines)
                .with("capturer_killed_workload_survived", killed.workload_survived)
                .with("consumer_stops_stalled_ns", stalled))
        },
    },
];
