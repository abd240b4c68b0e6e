//! The spike's "Memory Management".

use super::evidence::{has_file, is_whole};
use super::{Claim, Judgement};
use crate::analysis::MEMORY_MAX_BYTES;

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "memory/scanner",
        says: "Use bufio.Scanner (automatically handles line buffering)",
        tried_by: &["scanner/memory/24-mb", "scanner/long-line/65537"],
        judge: |it| {
            let rss = it.of("scanner/memory/24-mb")?.max_rss_bytes.ok_or("the capturer's memory was not measured")?;
            let long = it.of("scanner/long-line/65537")?;
            let judged = match (rss <= MEMORY_MAX_BYTES, is_whole(long)) {
                (true, true) => Judgement::confirmed("its memory is bounded, and it takes every line"),
                (true, false) => {
                    Judgement::qualified("its memory is bounded by giving up for good at a line over 64 KiB")
                }
                (false, _) => Judgement::refuted("its memory grows with the output"),
            };
            Ok(judged.with("max_rss_bytes", rss).with("long_line_deadline_hit", long.deadline_hit))
        },
    },
    Claim {
        id: "memory/close-handles",
        says: "Close file handles properly in cleanup",
        tried_by: &[],
        judge: |it| {
            let handles = it.handles.ok_or("no descriptors were counted in this run")?;
            let judged = if handles.after <= handles.before {
                Judgement::qualified(
                    "it is advice: a process that closes what it opened has no descriptor more after its captures here, and the published TaskLogManager, which was not run, has nothing that closes its files",
                )
            } else {
                Judgement::refuted("descriptors are left over although everything is closed")
            };
            Ok(judged
                .with("captures", handles.captures)
                .with("descriptors_before", handles.before)
                .with("descriptors_after", handles.after))
        },
    },
    Claim {
        id: "memory/rotation",
        says: "Implement log rotation if needed",
        tried_by: &["tee/files/renamed", "tee/files/truncated", "tee/files/removed"],
        judge: |it| {
            let (renamed, truncated) = (it.of("tee/files/renamed")?, it.of("tee/files/truncated")?);
            let removed = it.of("tee/files/removed")?;
            // What is whole after a rename went on into the file that was rotated away.
            let follows = has_file(renamed) && has_file(removed);
            let torn = truncated.file_altered_lines.unwrap_or(0);
            let judged = match (follows, torn) {
                (false, 0) => Judgement::confirmed(
                    "a file that is rotated away is let go, and one that is emptied goes on from its start",
                ),
                (true, 0) => Judgement::qualified(
                    "by copytruncate it works; renamed or removed, the file is written on, and a new one never made",
                ),
                (false, torn) => {
                    Judgement::qualified(format!("emptied, the file goes on behind a hole: {torn} lines altered"))
                }
                (true, torn) => Judgement::refuted(format!(
                    "no rotation from outside works with this code: renamed or removed, the file is written on and a new one never made; emptied, it goes on behind a hole ({torn} lines altered)"
                )),
            };
            Ok(judged
                .with("renamed_file_lost_bytes", renamed.file_lost_bytes)
                .with("removed_file_lost_bytes", removed.file_lost_bytes)
                .with("truncated_file_altered_lines", torn))
        },
    },
];
