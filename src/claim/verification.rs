//! Claims of the spike's section "Manual Test Results".

use super::evidence::is_whole;
use super::{Claim, Judgement, finding};

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "verify/1",
        says: "Basic Streaming: Works with shell commands",
        tried_by: &["scanner/programs/sh-reopens", "tee/programs/sh-reopens", "scanner/paced/1ms", "tee/paced/1ms"],
        judge: |it| {
            let (scanner, tee) = (it.of("scanner/programs/sh-reopens")?, it.of("tee/programs/sh-reopens")?);
            let lost = scanner.lost_bytes + tee.lost_bytes;
            let live = it.of("scanner/paced/1ms")?.is_live() && it.of("tee/paced/1ms")?.is_live();
            let judged = match (is_whole(scanner) && is_whole(tee), live) {
                (true, true) => Judgement::confirmed(
                    "a shell's lines arrive, even those that it writes to /dev/stdout, and lines arrive while a program runs",
                ),
                (true, false) => Judgement::refuted("a shell's lines arrive, but lines arrive only after the exit"),
                (false, _) => Judgement::refuted("a shell's lines are lost"),
            };
            Ok(judged.with("lost_bytes", lost).with("live", live))
        },
    },
    Claim {
        id: "verify/2",
        says: "Separate Streams: stdout/stderr handled independently",
        tried_by: &[
            "scanner/flood/stderr-first",
            "scanner/flood/stdout-first",
            "tee/flood/stderr-first",
            "tee/flood/stdout-first",
        ],
        judge: |it| {
            let mut whole = true;
            for cell in [
                "scanner/flood/stderr-first",
                "scanner/flood/stdout-first",
                "tee/flood/stderr-first",
                "tee/flood/stdout-first",
            ] {
                whole &= is_whole(it.of(cell)?);
            }
            let judged = if whole {
                Judgement::confirmed("either stream may be flooded while the other is silent")
            } else {
                Judgement::refuted("a flood on one stream loses output or hangs the capture")
            };
            Ok(judged.with("whole", whole))
        },
    },
    Claim {
        id: "verify/3",
        says: "Real-time Processing: Lines available immediately",
        tried_by: &["scanner/paced/200us", "scanner/framing/prompt"],
        judge: finding::immediately,
    },
    Claim {
        id: "verify/4",
        says: "File Writing: Simultaneous file and streaming output",
        tried_by: &["tee/paced/1ms", "tee/files/disk-full"],
        judge: |it| {
            let (paced, disk) = (it.of("tee/paced/1ms")?, it.of("tee/files/disk-full")?);
            let judged = match (paced.has_file(), is_whole(disk)) {
                (false, _) => Judgement::refuted("the file does not have what is streamed"),
                (true, true) => {
                    Judgement::confirmed("the file has what is streamed, and its failure does not end the stream")
                }
                (true, false) => {
                    Judgement::qualified("the file has what is streamed, but when the disk is full the stream ends too")
                }
            };
            Ok(judged.with("file_lost_bytes", paced.file_lost_bytes).with("disk_full_lost_bytes", disk.lost_bytes))
        },
    },
    Claim {
        id: "verify/5",
        says: "Process Control: Full lifecycle management",
        tried_by: &["scanner/death/front-killed"],
        judge: finding::kill,
    },
];
