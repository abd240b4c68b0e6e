//! Figures: what a capturer takes in time, CPU and memory, beside what the control takes in the same rounds.

use super::verdict::CellResult;
use crate::analysis::Findings;
use crate::recording::Run;
use crate::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The figures of one capturer on one runtime. A figure is null if this run did not measure it. A ratio is the median of
/// the ratios to the control in the same round, and null for the control itself, and if the control was not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// The median latency at one line per 200 us.
    pub latency_p50_ns: Option<u64>,
    /// Its ratio to the control's.
    pub latency_p50_ratio: Option<f64>,
    /// The 99th percentile of that latency.
    pub latency_p99_ns: Option<u64>,
    /// Its ratio to the control's.
    pub latency_p99_ratio: Option<f64>,
    /// Output in bytes per second.
    pub throughput_bytes_per_s: Option<u64>,
    /// Its ratio to the control's.
    pub throughput_ratio: Option<f64>,
    /// CPU time for a line of 100 bytes at that throughput, with the start of the capturer.
    pub cpu_ns_a_line: Option<u64>,
    /// Its ratio to the control's.
    pub cpu_ratio: Option<f64>,
    /// Peak resident set of the capturer at that throughput.
    pub max_rss_bytes: Option<u64>,
    /// The median time from the end of the program to the end of the capturer, at one line per 200 us.
    pub exit_latency_ns: Option<u64>,
    /// The largest part of a CPU that the capturer used while it had nothing to do, in percent.
    pub waited_cpu_percent: Option<f64>,
}

/// The figures of the control on one runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// The runtime's label.
    pub runtime: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// A figure of a cell.
type Of = fn(&Findings) -> Option<u64>;

/// The cells that figures are made of.
const LATENCY: [&str; 2] = ["paced", "200us"];
const COST: [&str; 2] = ["throughput", "64k-writes"];

impl Figures {
    /// The figures in these cells of one capturer, beside those of the control.
    pub(super) fn new(own: &[&CellResult], control: &[&CellResult]) -> Figures {
        let value = |of, case| text::median(values(own, case, of).map(|(_, value)| value));
        let ratio = |of, case| ratio(own, control, case, of);
        let p50: Of = |found| Some(found.latency_ns?.p50);
        let p99: Of = |found| Some(found.latency_ns?.p99);
        let throughput: Of = |found| found.throughput_bytes_per_s;
        let cpu: Of = |found| Some(found.capturer_cpu_ns? / found.accepted_lines.max(1));
        let waited = own.iter().filter_map(|cell| {
            let found = cell.findings.as_ref()?;
            Some(found.waited_cpu_ns? as f64 * 100.0 / found.waited_ns? as f64)
        });
        Figures {
            latency_p50_ns: value(p50, LATENCY),
            latency_p50_ratio: ratio(p50, LATENCY),
            latency_p99_ns: value(p99, LATENCY),
            latency_p99_ratio: ratio(p99, LATENCY),
            throughput_bytes_per_s: value(throughput, COST),
            throughput_ratio: ratio(throughput, COST),
            cpu_ns_a_line: value(cpu, COST),
            cpu_ratio: ratio(cpu, COST),
            max_rss_bytes: value(|found| found.max_rss_bytes, COST),
            exit_latency_ns: value(|found| found.exit_latency_ns, LATENCY),
            waited_cpu_percent: waited.reduce(f64::max),
        }
    }
}

/// The figures of the control on each runtime that has any.
pub(super) fn controls(run: &Run, cells: &[CellResult]) -> Vec<Control> {
    let of = |runtime: &String| {
        let own = of_control(run, cells, runtime);
        (!own.is_empty()).then(|| Control { runtime: runtime.clone(), figures: Figures::new(&own, &[]) })
    };
    run.runtimes.iter().filter_map(|runtime| of(&runtime.name)).collect()
}

/// The measured cells of the control on this runtime.
pub(super) fn of_control<'a>(run: &Run, cells: &'a [CellResult], runtime: &str) -> Vec<&'a CellResult> {
    let is_control = |name: &str| run.capturers.iter().any(|one| one.control && one.name == name);
    let own = cells.iter().filter(|cell| cell.runtime == runtime && cell.verdict.is_measured());
    own.filter(|cell| is_control(&cell.strategy)).collect()
}

/// The values of a figure in the runs of a case, each with the number of its run.
fn values<'a>(
    cells: &'a [&'a CellResult],
    [experiment, case]: [&'static str; 2],
    of: Of,
) -> impl Iterator<Item = (u32, u64)> + 'a {
    let of_case = cells.iter().filter(move |cell| cell.experiment == experiment && cell.case == case);
    of_case.filter_map(move |cell| Some((cell.run, of(cell.findings.as_ref()?)?)))
}

/// The median of the ratios of the runs to those of the control with the same number.
fn ratio(own: &[&CellResult], control: &[&CellResult], case: [&'static str; 2], of: Of) -> Option<f64> {
    let beside: Vec<(u32, u64)> = values(control, case, of).collect();
    of_rounds(values(own, case, of), &beside)
}

fn of_rounds(own: impl Iterator<Item = (u32, u64)>, control: &[(u32, u64)]) -> Option<f64> {
    let beside = |run| control.iter().find(|(at, value)| *at == run && *value > 0).map(|(_, value)| *value);
    let mut ratios: Vec<f64> = own.filter_map(|(run, value)| Some(value as f64 / beside(run)? as f64)).collect();
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_those_in_the_same_round() {
        // In the second round the machine was three times as slow for both.
        let own = [(0, 20), (1, 66), (2, 21)];
        let control = [(0, 10), (1, 30), (2, 10)];
        assert_eq!(of_rounds(own.into_iter(), &control), Some(2.1));
        assert_eq!(of_rounds(own.into_iter(), &control[..1]), Some(2.0), "rounds without a control do not count");
        assert_eq!(of_rounds(own.into_iter(), &[(0, 0)]), None);
        assert_eq!(of_rounds(own.into_iter(), &[]), None);
    }
}
