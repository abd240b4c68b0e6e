//! Whether the machine, and not the capturer, may be at fault for what a cell shows.

use super::proc::stat_cpu_ns;
use crate::analysis::SOON_NS;
use crate::machine;
use crate::pulse::{Beat, Pulse};
use crate::recording::Crowded;
use crun_capture_reactor::clock::now_ns;

/// A beat that is later than this shows that a process which had something to do did not run, in ns. A capture is not
/// sooner than the harness's own pulse, and a line that comes later than this is not live.
const LATE_NS: u64 = SOON_NS;

/// The others must have used this part of all CPU time, from 0 to 1. Otherwise the cell itself kept the CPUs busy.
const OTHERS_MIN: f64 = 0.5;

/// A capturer with more memory than this may have used it up itself.
const RSS_OWN_MAX_BYTES: u64 = 256 << 20;

/// The CPU time of the whole machine when a cell began.
pub(super) struct Around {
    from_ns: u64,
    busy_ns: u64,
    oom_kills: u64,
}

impl Around {
    pub(super) fn now() -> Around {
        Around { from_ns: now_ns(), busy_ns: machine::busy_ns(), oom_kills: machine::oom_kills() }
    }

    /// What the machine did to the cell. None: nothing that would explain a failure. `own_cpu_ns`: the CPU time of the
    /// cell's own processes. `own_rss_bytes`: the most memory that the capturer had.
    pub(super) fn crowded(&self, own_cpu_ns: u64, own_rss_bytes: Option<u64>, pulse: &Pulse) -> Option<Crowded> {
        let to_ns = now_ns();
        let all_ns = (to_ns - self.from_ns) * machine::this().cpus as u64;
        let others = of_others(machine::busy_ns().saturating_sub(self.busy_ns), own_cpu_ns, all_ns);
        let beat = pulse.worst(self.from_ns, to_ns);
        let oom_kills = machine::oom_kills().saturating_sub(self.oom_kills);
        // A capturer that took the memory itself is not excused.
        let of_memory = oom_kills > 0 && own_rss_bytes.is_none_or(|bytes| bytes < RSS_OWN_MAX_BYTES);
        let busy = beat.as_ref().is_some_and(|beat| may_explain(beat, others));
        (busy || of_memory).then(|| Crowded {
            stopped: beat.as_ref().is_some_and(|beat| beat.stopped),
            late_ns: beat.as_ref().map_or(0, Beat::late_ns),
            oom_kills: if of_memory { oom_kills } else { 0 },
            left_once: String::new(),
            others,
            load: machine::load(),
            pressure: machine::cpu_pressure(),
        })
    }
}

/// The part of all CPU time that was used, but not by the cell itself.
fn of_others(busy_ns: u64, own_cpu_ns: u64, all_ns: u64) -> f64 {
    busy_ns.saturating_sub(own_cpu_ns) as f64 / all_ns.max(1) as f64
}

/// Whether the machine may explain a failure: the harness was stopped; or its own pulse was late, and it was others who
/// kept the CPUs busy.
fn may_explain(beat: &Beat, others: f64) -> bool {
    beat.stopped || beat.late_ns() >= LATE_NS && others >= OTHERS_MIN
}

/// CPU time of a process and of its children that were waited for, in ns: utime, stime, cutime and cstime.
pub(super) fn tree_cpu_ns(pid: u32) -> u64 {
    stat_cpu_ns(pid, 11, 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn beat(late_ns: u64, stopped: bool) -> Beat {
        Beat { due_ns: SECOND, at_ns: SECOND + late_ns, stopped }
    }

    #[test]
    fn who_burns_the_cpus_itself_is_not_excused() {
        // One second on two CPUs, both busy all the time.
        let burns = of_others(2 * SECOND, 2 * SECOND, 2 * SECOND);
        assert!(!may_explain(&beat(SECOND, false), burns), "a pulse that is late because of the cell's own processes");
        let crowded = of_others(2 * SECOND, SECOND / 10, 2 * SECOND);
        assert!(may_explain(&beat(SECOND, false), crowded));
        assert!(!may_explain(&beat(LATE_NS / 2, false), crowded), "on a busy machine, but on time");
        assert!(may_explain(&beat(0, true), 0.0), "a harness that was stopped measures nothing");
    }
}
