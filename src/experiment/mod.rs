//! Experiments: scripts, the questions that they answer, and the real failures that they come from.

mod buffering;
mod burst;
mod bytes;
mod conditions;
mod crowd;
mod death;
mod descriptors;
mod exit_status;
mod failure;
mod file_system;
mod files;
mod flood;
mod flow;
mod framing;
mod grandchild;
mod hostile;
mod interleave;
mod kernel;
mod late_reader;
mod leftovers;
mod long_line;
mod memory;
mod one_stream_closed;
mod paced;
mod program;
mod programs;
mod rate;
mod short_life;
mod signal_pid1;
mod slow_consumer;
mod stdio_buffered;
pub mod stimulus;
mod throughput;

pub use conditions::Conditions;
pub use failure::{RealFailure, failures};
pub use program::Program;
pub use stimulus::{Stimulus, StimulusRef};

use crate::bundle::{Flaw, OwnBundle};
use crate::finding::Finding;
use crate::script::{End, SURVIVED, Script};
use crate::strategy::{Capabilities, Capability, Needs};
use std::sync::Arc;
use std::time::Duration;

/// All experiments, in the order of every report.
pub static ALL: &[&Experiment] = &[
    &interleave::INTERLEAVE,
    &paced::PACED,
    &burst::BURST,
    &short_life::SHORT_LIFE,
    &late_reader::LATE_READER,
    &slow_consumer::SLOW_CONSUMER,
    &crowd::CROWD,
    &one_stream_closed::ONE_STREAM_CLOSED,
    &bytes::BYTES,
    &long_line::LONG_LINE,
    &framing::FRAMING,
    &stdio_buffered::STDIO_BUFFERED,
    &buffering::BUFFERING,
    &grandchild::GRANDCHILD,
    &flood::FLOOD,
    &flow::FLOW,
    &files::FILES,
    &file_system::FILE_SYSTEM,
    &death::DEATH,
    &descriptors::DESCRIPTORS,
    &programs::PROGRAMS,
    &kernel::KERNEL,
    &exit_status::EXIT_STATUS,
    &signal_pid1::SIGNAL_PID1,
    &leftovers::LEFTOVERS,
    &hostile::HOSTILE,
    &rate::RATE,
    &memory::MEMORY,
    &throughput::THROUGHPUT,
];

/// An experiment: what is tried, and why.
#[derive(Debug)]
pub struct Experiment {
    /// Its name: that of its file, in kebab case.
    pub name: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// The sources: the real failures that it comes from, as `repository#number`, or the place of a rule.
    pub sources: &'static [&'static str],
    /// Whether its cells must run alone, because they measure time or look at the whole machine.
    pub measures_time: bool,
    /// Whether `--quick` runs it if nobody asks for it by name.
    pub quick: bool,
    /// Its cases at this size.
    pub cases: fn(Size) -> Vec<Case>,
}

/// The size of an experiment: how much it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The seed of every script.
    pub seed: u64,
    /// Whether to do less of everything (`--quick`).
    pub quick: bool,
    /// Whether the capturer syncs a file with every line, and so gets fewer lines.
    pub syncs_each_line: bool,
}

impl Size {
    /// The number of containers in a crowd.
    fn crowd(self) -> u32 {
        if self.quick { 4 } else { 8 }
    }

    /// The count that fits: `full`, or `quick` with `--quick`; and at most `synced` for a capturer that syncs.
    fn pick(self, full: u64, quick: u64, synced: u64) -> u64 {
        let count = if self.quick { quick } else { full };
        if self.syncs_each_line { count.min(synced) } else { count }
    }
}

/// One script of an experiment, with the conditions under which it is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name within the experiment.
    pub name: String,
    /// The script: what the workload does.
    pub script: Script,
    /// A program of the host that runs in place of the workload. The script then says what it writes.
    pub program: Option<&'static Program>,
    /// The stimulus: what is done to the run from outside.
    pub stimulus: Option<StimulusRef>,
    /// The capabilities that the case tries: it shows whether a capturer has them.
    pub tries: Vec<Capability>,
    /// The findings that say nothing about the capturer here, because no capturer could do better.
    pub excused: Vec<Finding>,
    /// Why they are excused. Empty: because of the stimulus.
    pub excused_because: &'static str,
    /// The errors (errno) with which the script itself makes the kernel refuse a write, whatever takes the output: EAGAIN
    /// on a descriptor that the program made non-blocking.
    pub forced_errors: &'static [i32],
    /// Whether `--quick` leaves it out if nobody asks for it by name: it takes much output to show what it shows, or it
    /// shows the same as another case.
    pub full_only: bool,
    /// How many runs of it take place at the same time, each with a capturer and a container of its own.
    pub at_once: u32,
    /// Whether its container has a pid namespace.
    pub pid_namespace: bool,
    /// Whether it can be tried only if a container can have a pid namespace.
    pub needs_pid_namespace: bool,
    /// The uid of the workload in the container.
    pub user: u32,
    /// The error in its bundle.
    pub flaw: Flaw,
    /// Whether it measures cost. Its capturer then has no live descriptor: it counts and discards.
    pub measures_cost: bool,
    /// Whether it can be tried only if something limits the number of processes in the container.
    pub needs_pids_limit: bool,
    /// Whether the harness looks for what is new in places that every program can write to.
    pub looks_elsewhere: bool,
    /// The user's own bundle, in place of one that is made for the script.
    pub own_bundle: Option<Arc<OwnBundle>>,
}

impl Case {
    /// A case of this script, in a pid namespace of its own, with a sound bundle.
    fn new(name: impl Into<String>, script: Script) -> Case {
        Case {
            name: name.into(),
            script,
            program: None,
            stimulus: None,
            tries: Vec::new(),
            excused: Vec::new(),
            excused_because: "",
            forced_errors: &[],
            full_only: false,
            at_once: 1,
            pid_namespace: true,
            needs_pid_namespace: false,
            user: 0,
            flaw: Flaw::None,
            measures_cost: false,
            needs_pids_limit: false,
            looks_elsewhere: false,
            own_bundle: None,
        }
    }

    /// The same case under a stimulus.
    fn under(self, stimulus: &'static dyn Stimulus) -> Case {
        Case { stimulus: Some(StimulusRef(stimulus)), ..self }
    }

    /// The same case, which also tries a capability.
    fn tries(mut self, capability: Capability) -> Case {
        self.tries.push(capability);
        self
    }

    /// A case of the user's own bundle. Nobody knows what it does.
    pub fn of_own_bundle(bundle: Arc<OwnBundle>) -> Case {
        Case { own_bundle: Some(bundle), ..Case::new("own", Script::new(0, End::Exit(0))) }
    }

    /// All findings that the case and its stimulus excuse, for a capturer that declares these capabilities.
    pub fn excused(&self, declares: Capabilities) -> Vec<Finding> {
        let of_stimulus = self.stimulus.iter().flat_map(|stimulus| stimulus.0.excuses(declares));
        self.excused.iter().chain(of_stimulus).copied().collect()
    }

    /// Why findings are excused, in words. None: nothing is excused.
    pub fn excused_because(&self) -> Option<String> {
        match (self.excused_because, &self.stimulus) {
            ("", Some(stimulus)) => Some(format!("because of the stimulus {}", stimulus.0.name())),
            ("", None) => None,
            (why, _) => Some(why.to_owned()),
        }
    }

    /// The errors with which the script or the stimulus makes the kernel refuse a write, whatever a capturer with these
    /// needs does.
    pub fn forced_errors(&self, needs: Needs) -> Vec<i32> {
        let of_stimulus = self.stimulus.iter().flat_map(|stimulus| stimulus.0.forced_errors(needs));
        self.forced_errors.iter().chain(of_stimulus).copied().collect()
    }

    /// Whether a capturer that declares these capabilities must lose some of the output here, whatever it does. It must
    /// then say so in its account.
    pub fn forces_loss(&self, declares: Capabilities) -> bool {
        self.stimulus.is_some_and(|stimulus| stimulus.0.forces_loss(declares))
    }

    /// Whether something may hold the streams, or the capturer, after the program's end: a child of the program, a program
    /// of the host, or a stimulus.
    pub fn drains(&self) -> bool {
        self.script.has_background() || self.program.is_some() || self.stimulus.is_some()
    }

    /// How much longer its run takes because of the stimulus.
    pub fn lasts(&self) -> Duration {
        self.stimulus.as_ref().map_or(Duration::ZERO, |stimulus| stimulus.0.lasts())
    }

    /// The end that follows from the rules of the kernel and the runtime, under a capturer that declares these
    /// capabilities.
    ///
    /// # Errors
    /// The case cannot be tried there. The error says why.
    pub fn expected_end(&self, conditions: Conditions, declares: Capabilities) -> Result<ExpectedEnd, String> {
        if self.needs_pids_limit && !conditions.limits_pids {
            return Err("nothing here limits how many processes the container may start".to_owned());
        }
        if self.needs_pid_namespace && !conditions.pid_namespace {
            return Err(no_pid_namespace(conditions).to_owned());
        }
        if self.user != 0 && !(conditions.root && conditions.is_oci()) {
            return Err("only a runtime that root runs can give the container another user".to_owned());
        }
        if let Some(reason) = self.program.and_then(Program::missing) {
            return Err(reason);
        }
        let mut end = self.own_end(conditions)?;
        if let Some(StimulusRef(stimulus)) = self.stimulus {
            if let Some(reason) = stimulus.unsupported(conditions, declares) {
                return Err(reason);
            }
            end.code = stimulus.code().unwrap_or(end.code);
            end.may_be_refused = stimulus.may_be_refused();
        }
        Ok(end)
    }

    /// The end without a stimulus.
    fn own_end(&self, conditions: Conditions) -> Result<ExpectedEnd, String> {
        let starts = self.flaw == Flaw::None && self.program.is_none();
        let ends = |code: i32| Ok(ExpectedEnd { code, runtime_error: false, starts, may_be_refused: false });
        let in_namespace = self.pid_namespace && conditions.pid_namespace;
        match (self.flaw, self.script.end) {
            (Flaw::PidFile, _) if conditions.runs_on => {
                Ok(ExpectedEnd { code: 1, runtime_error: true, starts: true, may_be_refused: false })
            }
            (Flaw::PidFile, _) => {
                Err("this runtime does not leave a container running when it cannot write the pid file".to_owned())
            }
            (Flaw::ExecutableNotFound, _) if !conditions.is_oci() => ends(127),
            (Flaw::None, End::Exit(code)) => ends(i32::from(code)),
            // abort(3) ends with an instruction that faults, and the kernel forces the signal of that fault on PID 1
            // too.
            (Flaw::None, End::Abort) if in_namespace => ends(128 + libc::SIGSEGV),
            // pid_namespaces(7): from within a namespace, only signals with a handler reach its init.
            (Flaw::None, End::Signal(_)) if in_namespace => ends(i32::from(SURVIVED)),
            (Flaw::None, End::Signal(_) | End::Abort) if self.pid_namespace => {
                Err(no_pid_namespace(conditions).to_owned())
            }
            (Flaw::None, End::Signal(number)) => ends(128 + number),
            (Flaw::None, End::Abort) => ends(128 + libc::SIGABRT),
            (_, _) => match conditions.failure_code {
                Some(code) => Ok(ExpectedEnd { code, runtime_error: true, starts: false, may_be_refused: false }),
                None => Err("without a runtime there is no bundle that could be wrong".to_owned()),
            },
        }
    }
}

fn no_pid_namespace(conditions: Conditions) -> &'static str {
    if conditions.is_oci() {
        "this runtime gives the container no pid namespace of its own here"
    } else {
        "without a runtime there is no pid namespace"
    }
}

/// The end that is expected of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExpectedEnd {
    /// The exit code of the capturer.
    pub code: i32,
    /// Whether the runtime itself fails, and says so in its log.
    pub runtime_error: bool,
    /// Whether the workload starts at all.
    pub starts: bool,
    /// Whether the capturer may also refuse: exit with 125 before it starts anything.
    #[serde(default)]
    pub may_be_refused: bool,
}

/// The experiment of this name.
pub fn find(name: &str) -> Option<&'static Experiment> {
    ALL.iter().copied().find(|experiment| experiment.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn sizes() -> impl Iterator<Item = Size> {
        [(false, false), (true, false), (false, true), (true, true)].into_iter().map(|(quick, syncs_each_line)| Size {
            seed: 7,
            quick,
            syncs_each_line,
        })
    }

    #[test]
    fn every_case_can_be_played_and_has_a_name_of_its_own() {
        for experiment in ALL {
            for size in sizes() {
                let cases = (experiment.cases)(size);
                let names: HashSet<_> = cases.iter().map(|case| &case.name).collect();
                assert_eq!(names.len(), cases.len(), "{}", experiment.name);
                for case in &cases {
                    assert_eq!(case.script.check(), Ok(()), "{}/{}", experiment.name, case.name);
                    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                    assert!(case.name.chars().all(plain), "{}", case.name);
                }
            }
            assert!(!experiment.sources.is_empty() && experiment.question.ends_with('?'), "{}", experiment.name);
        }
    }

    #[test]
    fn the_cases_have_the_same_names_at_every_size() {
        let names = |experiment: &Experiment, size| -> Vec<String> {
            (experiment.cases)(size).into_iter().map(|case| case.name).collect()
        };
        for experiment in ALL {
            let first = names(experiment, sizes().next().unwrap());
            assert!(sizes().all(|size| names(experiment, size) == first), "{}", experiment.name);
        }
    }

    #[test]
    fn ends_follow_the_kernel() {
        let case = |end, pid_namespace| Case { pid_namespace, ..Case::new("x", Script::new(1, end)) };
        let conditions = |failure_code, pid_namespace| Conditions {
            failure_code,
            pid_namespace,
            limits_pids: false,
            root: false,
            detached: false,
            runs_on: false,
        };
        let expected = |case: &Case, conditions| case.expected_end(conditions, Capabilities::default());
        let code = |case: Case, pid_namespace| expected(&case, conditions(Some(1), pid_namespace)).map(|end| end.code);
        assert_eq!(code(case(End::Exit(7), true), true), Ok(7));
        assert_eq!(code(case(End::Signal(15), false), true), Ok(143));
        assert_eq!(code(case(End::Signal(9), true), true), Ok(113));
        assert_eq!(code(case(End::Abort, true), true), Ok(139));
        assert_eq!(code(case(End::Abort, false), true), Ok(134));
        assert!(code(case(End::Signal(9), true), false).is_err());
        let missing = Case { flaw: Flaw::MissingConfig, ..case(End::Exit(0), true) };
        assert_eq!(
            expected(&missing, conditions(Some(255), true)),
            Ok(ExpectedEnd { code: 255, runtime_error: true, starts: false, may_be_refused: false })
        );
        assert!(expected(&missing, conditions(None, false)).is_err());
        let storm = Case { needs_pids_limit: true, ..case(End::Exit(0), true) };
        assert!(expected(&storm, conditions(Some(1), true)).is_err());
        let not_found = Case { flaw: Flaw::ExecutableNotFound, ..case(End::Exit(0), true) };
        assert_eq!(
            expected(&not_found, conditions(None, false)),
            Ok(ExpectedEnd { code: 127, runtime_error: false, starts: false, may_be_refused: false })
        );
    }
}
