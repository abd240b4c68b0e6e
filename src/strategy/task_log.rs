//! The architecture that the spike proposes, TaskLogManager: it scans each line, writes it to the file, syncs the file,
//! and sends the line on.
//!
//! `Wait` runs beside the readers, as published. It closes the read ends as soon as the command has exited, so whatever
//! the readers have not read by then is lost: "it is thus incorrect to call Wait before all reads from the pipe have
//! completed" (documentation of os/exec.Cmd.StdoutPipe).

use super::{Capabilities, Capability, Needs, Strategy, go};
use crun_capture_reactor::clock::{now_ns, sleep_until};
use crun_capture_reactor::{CaptureError, Command, Exit, Outcome, Sink, Stream};
use std::fs::File;
use std::io::{self, Write};
use std::process::Child;
use std::sync::Mutex;
use std::thread;

/// The strategy of the spike's "Log Streaming Architecture".
#[derive(Default)]
pub(super) struct TaskLog {
    /// The interval of the spike's "Rate Limiting": a reader waits for a tick before each line. None: no limit.
    pub(super) line_interval_ns: Option<u64>,
}

impl Strategy for TaskLog {
    fn name(&self) -> &'static str {
        "task-log"
    }

    fn summary(&self) -> &'static str {
        "the spike's TaskLogManager: scans, writes, syncs and sends on each line; Wait runs beside the readers"
    }

    fn declares(&self) -> Capabilities {
        use Capability::{AnyProgram, AnyWrite, Apart, BoundedMemory, Live, PromptDespiteGrandchild, Reopen};
        Capabilities::of(&[
            Live,
            Apart,
            Capability::File,
            BoundedMemory,
            PromptDespiteGrandchild,
            Reopen,
            AnyWrite,
            AnyProgram,
        ])
    }

    fn needs(&self) -> Needs {
        Needs::FEW_LINES
    }

    fn capture(&self, command: &Command, sink: &mut dyn Sink) -> Result<Outcome, CaptureError> {
        let files = [go::create_file(command, Stream::Stdout)?, go::create_file(command, Stream::Stderr)?];
        let sink = &Mutex::new(sink);
        let mut child = go::start_with_pipes(command)?;
        let (mut stdout, stdout_closer) = take_pipe(child.stdout.take())?;
        let (mut stderr, stderr_closer) = take_pipe(child.stderr.take())?;
        thread::scope(|scope| {
            let pipes = [(Stream::Stdout, &mut stdout), (Stream::Stderr, &mut stderr)];
            let threads = pipes.map(|(stream, pipe)| {
                let file = &files[stream.index()];
                scope.spawn(move || stream_logs(stream, pipe, file, self.line_interval_ns, sink))
            });
            let status = wait(&mut child, [stdout_closer, stderr_closer]);
            let mut reads = threads.map(|thread| thread.join().expect("a reader does not panic"));
            for read in &mut reads {
                // The published code does not report that `Wait` closed the file under a reader.
                read.error.take_if(|error| error.ends_with("file already closed"));
            }
            let (exit, exit_at_ns) = status?;
            let mut outcome = go::outcome(exit, reads);
            outcome.exit_at_ns = exit_at_ns;
            Ok(outcome)
        })
    }
}

fn take_pipe<P: Into<std::os::fd::OwnedFd>>(pipe: Option<P>) -> Result<(go::PipeReader, go::Closer), CaptureError> {
    let missing = || CaptureError::Descriptors(io::Error::other("the command has no pipe"));
    go::PipeReader::new(pipe.ok_or_else(missing)?.into()).map_err(CaptureError::Descriptors)
}

/// `Cmd.Wait`: reaps the command, then closes the read ends, even if the readers are not finished. Blocks until the
/// command has exited.
fn wait(child: &mut Child, closers: [go::Closer; 2]) -> Result<(Exit, u64), CaptureError> {
    let status = child.wait().map_err(CaptureError::Wait);
    let exit_at_ns = now_ns();
    for closer in closers {
        closer.close().map_err(CaptureError::Descriptors)?;
    }
    Ok((Exit::from(status?), exit_at_ns))
}

/// The published `streamLogs` for one stream, with the ticker of its "Rate Limiting" if there is an interval.
fn stream_logs(
    stream: Stream,
    pipe: &mut go::PipeReader,
    mut file: &File,
    line_interval_ns: Option<u64>,
    sink: &Mutex<&mut dyn Sink>,
) -> go::ReadEnd {
    let mut tick_ns = now_ns();
    go::scan_lines(stream, pipe, sink, |line, _| {
        if let Some(interval_ns) = line_interval_ns {
            // A time.Ticker keeps one tick that nobody has waited for, and drops the others.
            tick_ns = (tick_ns + interval_ns).max(now_ns().saturating_sub(interval_ns));
            // The tick must not hold back the lines before this one. An error of the sink shows at its next delivery.
            let _noted_later = go::lock(sink).flush();
            sleep_until(tick_ns);
        }
        // The published code ignores the errors of the file, and so does this one.
        let _ignored = file.write_all(&[line, b"\n"].concat()).and_then(|()| file.sync_all());
        now_ns()
    })
}
