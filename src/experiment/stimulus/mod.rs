//! Stimuli: what the harness does to a run from outside, so that it works on any capturer in any language.
//!
//! A stimulus reacts to events, never to time alone. The workload reports when it has come to a gate, and waits there.
//! So "in mid-stream" is a state, not a moment. A stimulus acts through [`Hands`].

use super::Conditions;
use crate::finding::Finding;
use crate::process::Stranger;
use crate::strategy::{Capabilities, Needs};
use crun_capture_reactor::{Delivered, Stream};
use rustix::process::Signal;
use std::any::Any;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

mod consumer_gone;
mod consumer_slow;
mod consumer_stops;
mod disk_full;
mod few_descriptors;
pub(crate) mod fifo;
mod file_changed;
mod file_continued;
mod file_refused;
mod files_placed;
mod held_streams;
mod idle;
mod loaded_cpu;
mod one_at_a_time;
mod prompt;
mod signal;
mod streams_closed;
mod suspended;

pub(super) use consumer_gone::CONSUMER_GONE;
pub(super) use consumer_slow::CONSUMER_SLOW;
pub(super) use consumer_stops::{CONSUMER_NEVER, CONSUMER_STOPS};
pub(super) use disk_full::DISK_FULL;
pub(super) use few_descriptors::FEW_DESCRIPTORS;
pub(super) use fifo::{FIFO, FIFO_READ};
pub(super) use file_changed::{FILE_REMOVED, FILE_RENAMED, FILE_TRUNCATED};
pub(super) use file_continued::FILE_CONTINUED;
pub(super) use file_refused::{FILE_DIRECTORY, FILE_READ_ONLY, FILE_UNWRITABLE};
pub(super) use files_placed::{FILES_IN_MEMORY, FILES_ON_DISK};
pub(super) use held_streams::{CHILD_GATE, HELD_STREAMS};
pub(super) use idle::IDLE;
pub(super) use loaded_cpu::LOADED_CPU;
pub(super) use one_at_a_time::{ONE_AT_A_TIME, STEPS};
pub(super) use prompt::PROMPT;
pub(super) use signal::{
    CAPTURER_KILLED, CAPTURER_TERMINATED, FRONT_KILLED, FRONT_TERMINATED, WORKLOAD_KILLED, WORKLOAD_TERMINATED,
};
pub(super) use streams_closed::{OWN_STDERR_DEAD, STDIN_CLOSED, STDOUT_CLOSED};
pub(super) use suspended::{SUSPENDED, SUSPENDED_TO_THE_END};

/// All stimuli. Those of the same file stand together.
pub static ALL: &[&dyn Stimulus] = &[
    &CONSUMER_STOPS,
    &CONSUMER_NEVER,
    &CONSUMER_SLOW,
    &CONSUMER_GONE,
    &PROMPT,
    &ONE_AT_A_TIME,
    &SUSPENDED,
    &SUSPENDED_TO_THE_END,
    &CAPTURER_KILLED,
    &CAPTURER_TERMINATED,
    &FRONT_KILLED,
    &FRONT_TERMINATED,
    &WORKLOAD_KILLED,
    &WORKLOAD_TERMINATED,
    &HELD_STREAMS,
    &DISK_FULL,
    &FILE_DIRECTORY,
    &FILE_READ_ONLY,
    &FILE_UNWRITABLE,
    &FILE_CONTINUED,
    &FILE_REMOVED,
    &FILE_RENAMED,
    &FILE_TRUNCATED,
    &FIFO,
    &FIFO_READ,
    &FILES_ON_DISK,
    &FILES_IN_MEMORY,
    &FEW_DESCRIPTORS,
    &STDIN_CLOSED,
    &STDOUT_CLOSED,
    &OWN_STDERR_DEAD,
    &LOADED_CPU,
    &IDLE,
];

/// The gate at which a workload waits for the stimulus.
pub(super) const GATE: &str = "go";

/// One thing that the harness does to a run.
pub trait Stimulus: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it does, in one line.
    fn summary(&self) -> &'static str;

    /// The findings that say nothing about a capturer that declares these capabilities, because nobody could do better
    /// under this stimulus.
    fn excuses(&self, _declares: Capabilities) -> &'static [Finding] {
        &[]
    }

    /// Whether a capturer that declares these capabilities must lose some of the output under this stimulus. The loss is
    /// free of blame if its account says so.
    fn forces_loss(&self, _declares: Capabilities) -> bool {
        false
    }

    /// The errors (errno) with which the kernel refuses the program's writes because of the stimulus, whatever a capturer
    /// with these needs does.
    /// A stimulus on the capturer's file forces none: a pipe would have taken the write.
    fn forced_errors(&self, _needs: Needs) -> &'static [i32] {
        &[]
    }

    /// What it puts into each of the capturer's files before the capturer is started.
    fn file_has(&self) -> &'static str {
        ""
    }

    /// Why the stimulus cannot be applied under these conditions, or to a capturer that declares these capabilities.
    /// None: it can.
    fn unsupported(&self, _place: Conditions, _declares: Capabilities) -> Option<String> {
        None
    }

    /// The exit code that the capturer must have because of the stimulus. None: the workload's end decides.
    fn code(&self) -> Option<i32> {
        None
    }

    /// Whether a capturer may refuse to start: it exits with 125, and nothing has run.
    fn may_be_refused(&self) -> bool {
        false
    }

    /// Whether it ends the capturer, so that the harness must watch what becomes of the workload.
    fn ends_capturer(&self) -> bool {
        false
    }

    /// The longest time that it takes by itself.
    fn lasts(&self) -> Duration {
        Duration::ZERO
    }

    /// Prepares the capturer's surroundings before the capturer is started.
    ///
    /// # Errors
    /// The surroundings cannot be made.
    fn prepare(&self, _start: &mut Start<'_>) -> io::Result<()> {
        Ok(())
    }

    /// Reacts to an event. The default lets the workload through its gate.
    ///
    /// # Errors
    /// The reaction fails.
    fn react(&self, event: Cue, run: &mut dyn Hands) -> io::Result<()> {
        if event == Cue::AtGate { run.open_gate(GATE) } else { Ok(()) }
    }
}

/// An event of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// The workload waits at its next gate, or is about to.
    AtGate,
    /// The workload has played its last step.
    Played,
    /// No process of the workload is left.
    Ended,
    /// Frames arrived.
    Delivered,
    /// The time that `wake_after` asked for is over.
    Woken,
    /// The capturer has ended.
    CapturerEnded,
}

/// A capturer that is about to be started.
pub struct Start<'a> {
    /// Its command.
    pub command: &'a mut Command,
    /// The files whose paths it gets.
    pub files: &'a mut [PathBuf; 2],
    /// A directory of the cell, removed with the cell. Whatever is mounted below it is unmounted.
    pub scratch: &'a Path,
    /// Another directory that is removed with the cell. It is in memory if the machine has a file system there.
    pub memory: &'a Path,
    /// Whether the harness has root's rights.
    pub root: bool,
    /// The read ends of FIFOs in place of the files. What comes through them counts as delivered.
    pub partner: Option<[File; 2]>,
    /// What accompanies the capturer. It is dropped when the capturer has ended.
    pub company: Vec<Box<dyn Any + Send>>,
}

/// A run under way: what a stimulus can see of it and do to it from outside.
pub trait Hands {
    /// Lets the workload through a gate, whether it is there already or not.
    fn open_gate(&mut self, gate: &str) -> io::Result<()>;
    /// How many gates are open.
    fn opened_gates(&self) -> usize;
    /// Stops reading the frames, or goes on.
    fn hold_frames(&mut self, hold: bool);
    /// Reads at most this many bytes of frames per millisecond.
    fn slow_frames(&mut self, bytes_per_ms: usize);
    /// Closes the read end of the frames.
    fn close_frames(&mut self);
    /// Asks for `Cue::Woken` after this time. An earlier request no longer counts.
    fn wake_after(&mut self, after: Duration);
    /// Sends the capturer a signal.
    fn signal_capturer(&mut self, signal: Signal) -> io::Result<()>;
    /// The process that the capturer started and that stands in front of the container. None: there is none.
    fn front(&self) -> Option<Stranger>;
    /// The container's init.
    fn workload(&self) -> Option<Stranger>;
    /// The path of the file of `stream`.
    fn file(&self, stream: Stream) -> &Path;
    /// Keeps a file, to be read at the end in place of the path of `stream`.
    fn keep_file(&mut self, stream: Stream, file: File);
    /// Notes a file that the stimulus has made, so that it is not held against the capturer.
    fn made(&mut self, path: PathBuf);
    /// What has been delivered so far.
    fn delivered(&self) -> &[Delivered];
    /// How many bytes the kernel has accepted from the workload on `stream`.
    fn accepted(&self, stream: Stream) -> u64;
    /// Notes what was done and when. `explain` shows it.
    fn note(&mut self, what: &str);
}

/// A stimulus of a case.
#[derive(Clone, Copy)]
pub struct StimulusRef(pub &'static dyn Stimulus);

impl PartialEq for StimulusRef {
    fn eq(&self, other: &StimulusRef) -> bool {
        self.0.name() == other.0.name()
    }
}

impl fmt::Debug for StimulusRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.name())
    }
}

/// The reason for `unsupported` if the capturer writes no files.
fn writes_no_files(declares: Capabilities) -> Option<String> {
    use crate::strategy::Capability;
    (!declares.has(Capability::File)).then(|| "it writes no files".to_owned())
}
