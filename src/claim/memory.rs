//! Claims of the spike's section "Memory Management".

use super::evidence::is_whole;
use super::{Claim, Judgement};
use crate::analysis::MEMORY_GROWTH_MAX_BYTES;

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "memory/scanner",
        says: "Use bufio.Scanner (automatically handles line buffering)",
        tried_by: &["scanner/memory/24-mb", "scanner/long-line/65537"],
        judge: |it| {
            let found = it.of("scanner/memory/24-mb")?;
            let grown = found.memory_growth_bytes.ok_or("the growth of the capturer's memory was not measured")?;
            let long = it.of("scanner/long-line/65537")?;
            let judged = match (grown <= MEMORY_GROWTH_MAX_BYTES, is_whole(long)) {
                (true, true) => Judgement::confirmed("its memory is bounded, and it takes every line"),
                (true, false) => {
                    Judgement::qualified("its memory is bounded because it gives up for good at a line over 64 KiB")
                }
                (false, _) => Judgement::refuted("its memory grows with the output"),
            };
            let judged = judged.with("max_rss_bytes", found.max_rss_bytes).with("memory_growth_bytes", grown);
            Ok(judged.with("long_line_deadline_hit", long.deadline_hit))
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
                    "this is advice: a process that closes what it opened has no extra descriptor after its captures here; the published TaskLogManager, which was not run, has no code that closes its files",
                )
            } else {
                Judgement::refuted("descriptors are left although everything is closed")
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
            // A renamed or removed file that is whole shows that the capturer kept writing to it.
            let follows = renamed.has_file() && removed.has_file();
            let torn = truncated.file_altered_lines.unwrap_or(0);
            let judged = match (follows, torn) {
                (false, 0) => Judgement::confirmed(
                    "the capturer lets go of a file that is rotated away, and goes on from the start of a file that is emptied",
                ),
                (true, 0) => Judgement::qualified(
                    "copytruncate works, but after a rename or removal the capturer writes on to the old file and never makes a new one",
                ),
                (false, torn) => {
                    Judgement::qualified(format!("an emptied file goes on behind a hole: {torn} lines are altered"))
                }
                (true, torn) => Judgement::refuted(format!(
                    "no rotation from outside works with this code: after a rename or removal it writes on to the old file and never makes a new one, and an emptied file goes on behind a hole ({torn} lines are altered)"
                )),
            };
            Ok(judged
                .with("renamed_file_lost_bytes", renamed.file_lost_bytes)
                .with("removed_file_lost_bytes", removed.file_lost_bytes)
                .with("truncated_file_altered_lines", torn))
        },
    },
];
