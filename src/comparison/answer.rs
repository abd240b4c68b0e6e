//! The answer, in two or three sentences, computed from the findings of the first runtime in the table.

use super::row::{LongLine, Row};
use super::verdict::{CellResult, Verdict};
use crate::finding::Finding;
use crate::recording::Run;

pub(super) fn sentences(run: &Run, rows: &[Row], cells: &[CellResult]) -> Vec<String> {
    let Some(runtime) = rows.first().map(|row| row.runtime.clone()) else { return Vec::new() };
    let own: Vec<&Row> = rows.iter().filter(|row| row.runtime == runtime).collect();
    let mut sentences = Vec::new();
    sentences.extend(own.iter().find(|row| row.recommended).map(|row| recommended(row, cells)));
    sentences.extend(losers(&own));
    sentences.extend(holders(&own));
    if run.interrupted {
        sentences.push("The run was interrupted: these are the results so far.".to_owned());
    }
    sentences
}

/// The sentences about the strategy that the spike recommends.
fn recommended(row: &Row, cells: &[CellResult]) -> String {
    let name = &row.strategy;
    let kept = match (row.said, row.live, row.apart, row.file) {
        (Some(said), Some(live), Some(apart), Some(file))
            if (said.live, said.apart, said.file) == (live, apart, file) =>
        {
            "does what the spike's table says of it"
        }
        (Some(_), Some(_), Some(_), Some(_)) => "does not do what the spike's table says of it",
        _ => "was not tried on everything that the spike's table says of it",
    };
    let mut faults = Vec::new();
    match row.long_line {
        Some(LongLine::Hangs) => faults.push("hangs for good on a line over 64 KiB".to_owned()),
        Some(LongLine::Lost) => faults.push("loses lines over 64 KiB".to_owned()),
        Some(LongLine::Ok) | None => {}
    }
    if row.lost_lines.is_some_and(|lost| lost > 0) {
        faults.push(format!("loses {} lines", row.lost_lines.unwrap_or_default()));
    }
    if broken(cells, row, Finding::AlteredLines) {
        faults.push("alters lines that end in CR LF".to_owned());
    }
    faults.extend(
        row.order_off
            .filter(|&off| off > 0.0)
            .map(|off| format!("swaps {:.0}% of the neighbouring lines on different streams", off * 100.0)),
    );
    if faults.is_empty() && row.fail > 0 {
        faults.push(format!("fails in {} of {} cells", row.fail, row.fail + row.pass));
    }
    if faults.is_empty() {
        return format!(
            "{name} is recommended by the spike, a design note for a Nomad task driver that compared five ways of \
             capturing the output of crun run. It {kept}, and breaks no duty here."
        );
    }
    format!(
        "{name} is recommended by the spike, a design note for a Nomad task driver that compared five ways of \
         capturing the output of crun run. It {kept}, but {}.",
        list(&faults)
    )
}

/// The strategies that lost lines without saying so.
fn losers(rows: &[&Row]) -> Option<String> {
    let lost: Vec<String> = rows
        .iter()
        .filter(|row| !row.recommended)
        .filter_map(|row| {
            row.lost_lines.filter(|&lost| lost > 0).map(|lost| format!("{} loses {lost} lines", row.strategy))
        })
        .collect();
    (!lost.is_empty()).then(|| format!("{} without saying so.", list(&lost)))
}

/// The strategies that passed everything, and which of them are live.
fn holders(rows: &[&Row]) -> Option<String> {
    let passed = |row: &&&Row| row.fail == 0;
    let names: Vec<String> = rows.iter().filter(passed).map(|row| row.strategy.clone()).collect();
    if names.is_empty() {
        return Some("No strategy kept every duty.".to_owned());
    }
    let live: Vec<String> =
        rows.iter().filter(passed).filter(|row| row.live == Some(true)).map(|row| row.strategy.clone()).collect();
    let rest = if rows.iter().filter(passed).all(|row| row.live == Some(false)) {
        ", and none of these delivers before the exit".to_owned()
    } else if live.is_empty() {
        String::new()
    } else {
        format!(
            ", of which {} live",
            if live.len() == 1 { format!("{} is", live[0]) } else { format!("{} are", list(&live)) }
        )
    };
    Some(format!("Every duty is kept by {}{rest}.", list(&names)))
}

fn broken(cells: &[CellResult], row: &Row, finding: Finding) -> bool {
    let own = cells.iter().filter(|cell| cell.runtime == row.runtime && cell.strategy == row.strategy);
    own.filter(|cell| cell.verdict == Verdict::Fail).any(|cell| cell.broken.contains(&finding))
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
