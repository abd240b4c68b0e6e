//! Claims about TaskLogManager, the architecture that the spike proposes.

use super::evidence::is_whole;
use super::{Claim, Judgement};

pub(super) static ALL: &[Claim] = &[
    Claim {
        id: "arch/task-log-manager",
        says: "Log Streaming Architecture: TaskLogManager scans, writes, syncs and sends each line; run() waits beside it",
        tried_by: &["task-log/late-reader/ended", "task-log/burst/exit-at-once", "task-log/long-line/65537"],
        judge: |it| {
            let (late, burst) = (it.of("task-log/late-reader/ended")?, it.of("task-log/burst/exit-at-once")?);
            let long = it.of("task-log/long-line/65537")?;
            let lost = late.lost_lines + burst.lost_lines;
            let judged = match (is_whole(late) && is_whole(burst), is_whole(long)) {
                (true, true) => Judgement::confirmed("every line arrives and is in the file"),
                (true, false) => Judgement::qualified("every line arrives, except those after a line over 64 KiB"),
                (false, _) => Judgement::refuted(format!(
                    "Wait, called while the readers read, closes the pipes at the exit: {lost} lines of two programs that ended normally are lost"
                )),
            };
            Ok(judged.with("late_reader_lost_lines", late.lost_lines).with("burst_lost_lines", burst.lost_lines))
        },
    },
    Claim {
        id: "arch/code-compiles",
        says: "scanner := bufio.NewScanner(tlm.cmd.Stdout)",
        tried_by: &[],
        judge: |it| match &it.compiled {
            None => Err("there is no Go toolchain here (go is not in PATH)".to_owned()),
            Some(Ok(())) => Ok(Judgement::confirmed("Go's compiler accepts it")),
            Some(Err(error)) => Ok(Judgement::refuted("Go's compiler rejects it: cmd.Stdout is an io.Writer")
                .with("compiler", error.as_str())),
        },
    },
];
