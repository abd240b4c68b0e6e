//! The answer, in a few sentences, computed from the findings of the first runtime in the table.

use super::duty;
use super::expectation::Fault;
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
    sentences.extend(undeclared(&own));
    sentences.extend(keepers(&own));
    sentences.extend(breakers(&own));
    sentences.extend(false_declarations(&own, cells));
    sentences.extend(others(&runtime, cells));
    if !run.left_behind.is_empty() {
        sentences.push("Something was left behind, and nobody can tell by which of them.".to_owned());
    }
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
    faults.extend(loses(row));
    if broken(cells, row, Finding::AlteredLines) {
        faults.push("alters lines that end in CR LF".to_owned());
    }
    faults.extend(
        row.order_off
            .filter(|&off| off > 0.0)
            .map(|off| format!("swaps {:.0}% of the neighbouring lines on different streams", off * 100.0)),
    );
    if faults.is_empty() && row.fail > 0 {
        faults.push(format!("fails in {} cells", row.fail));
    }
    let and = match (faults.as_slice(), row.untested) {
        ([], 0) => ", and breaks no duty here".to_owned(),
        ([], untested) => format!(", and breaks no duty in the cells that were run; {untested} are untested"),
        (faults, _) => format!(", but {}", list(faults)),
    };
    format!(
        "{name} is recommended by the spike, a design note for a Nomad task driver that compared five ways of \
         capturing the output of crun run. It {kept}{and}."
    )
}

/// What a strategy loses, in words. None: nothing. What is lost for want of what it does not declare is another sentence.
fn loses(row: &Row) -> Option<String> {
    let undeclared = row.undeclared_lines;
    // Where a loss is told, the lines that are not declared are told first.
    let told = row.told_lines.unwrap_or(0);
    let lost = row.lost_lines.unwrap_or(0).saturating_sub(undeclared.saturating_sub(told));
    let told = told.saturating_sub(undeclared);
    match (lost, told) {
        (0, 0) => None,
        (lost, 0) => Some(format!("loses {lost} lines without saying so")),
        (0, told) => Some(format!("loses {told} lines and says so")),
        (lost, told) => Some(format!("loses {lost} lines without saying so, and {told} of which it says so")),
    }
}

/// The other strategies that lost lines.
fn losers(rows: &[&Row]) -> Option<String> {
    let others = rows.iter().filter(|row| !row.recommended);
    let lost: Vec<String> = others.filter_map(|row| Some(format!("{} {}", row.strategy, loses(row)?))).collect();
    (!lost.is_empty()).then(|| format!("{}.", lost.join("; ")))
}

/// The lines that were lost or refused in cells that try what the strategies do not declare. That breaks no duty.
fn undeclared(rows: &[&Row]) -> Option<String> {
    let some = rows.iter().filter(|row| row.undeclared_lines > 0);
    let lost: Vec<String> = some.map(|row| format!("{} {}", row.strategy, row.undeclared_lines)).collect();
    (!lost.is_empty()).then(|| {
        format!(
            "In cells that need what the strategy does not declare (the verdict is cannot) lines were lost or refused, too: {}.",
            list(&lost)
        )
    })
}

/// The strategies that broke no duty, and which of them are live. Duties alone decide, and only what was run counts.
fn keepers(rows: &[&Row]) -> Option<String> {
    let keeps = |row: &&&Row| row.duties.iter().all(|state| state.broken == 0);
    let keepers: Vec<&&Row> = rows.iter().filter(keeps).collect();
    let names: Vec<String> = keepers.iter().map(|row| row.strategy.clone()).collect();
    let untested = keepers.iter().map(|row| row.untested).max().unwrap_or(0);
    let unsure = keepers.iter().any(|row| row.untested == 0 && row.duties.iter().any(|state| state.kept.is_none()));
    if names.is_empty() {
        return Some(match rows {
            [one] => format!("{} broke a duty.", one.strategy),
            _ => "Every strategy broke a duty.".to_owned(),
        });
    }
    let live: Vec<String> =
        keepers.iter().filter(|row| row.live == Some(true)).map(|row| row.strategy.clone()).collect();
    let rest = if keepers.iter().all(|row| row.live == Some(false)) {
        ", and none of these delivers before the exit".to_owned()
    } else {
        match live.as_slice() {
            [] => String::new(),
            [one] => format!(", of which {one} is live"),
            several => format!(", of which {} are live", list(several)),
        }
    };
    Some(match untested {
        0 if unsure => format!("No duty was seen to be broken by {}{rest}.", list(&names)),
        0 => format!("Every duty is kept by {}{rest}.", list(&names)),
        _ => format!(
            "In the cells that were run, no duty was broken by {}{rest}. That is no proof: up to {untested} cells of \
             each are untested.",
            list(&names)
        ),
    })
}

/// The strategies that broke a duty, and which.
fn breakers(rows: &[&Row]) -> Option<String> {
    let broken = |row: &&Row| {
        let duties = row.duties.iter().filter(|state| state.broken > 0);
        let names: Vec<String> = duties.map(|state| state.duty.name().to_owned()).collect();
        (!names.is_empty()).then(|| format!("{} ({})", row.strategy, list(&names)))
    };
    let all: Vec<String> = rows.iter().filter_map(broken).collect();
    (!all.is_empty()).then(|| format!("These broke duties: {}.", all.join(", ")))
}

/// What the strategies break of that which they declare beyond the duties.
fn false_declarations(rows: &[&Row], cells: &[CellResult]) -> Option<String> {
    let broken = |row: &&Row| {
        let own = own(cells, row).filter(|cell| duty::is_to_blame(cell));
        let mut found: Vec<Finding> = Vec::new();
        for &finding in own.flat_map(|cell| &cell.broken).filter(|finding| duty::duty_of(**finding).is_none()) {
            if !found.contains(&finding) {
                found.push(finding);
            }
        }
        let names: Vec<String> = found.iter().map(|finding| finding.name().to_owned()).collect();
        (!names.is_empty()).then(|| format!("{} ({})", row.strategy, list(&names)))
    };
    let all: Vec<String> = rows.iter().filter_map(broken).collect();
    (!all.is_empty()).then(|| format!("These do not keep what they declare: {}.", all.join(", ")))
}

/// The failures for which the strategy is not to blame.
fn others(runtime: &str, cells: &[CellResult]) -> Option<String> {
    let of = |fault: Fault, what: &str| {
        let failed = cells.iter().filter(|cell| cell.runtime == runtime && cell.verdict == Verdict::Fail);
        let count = failed.filter(|cell| cell.fault == Some(fault)).count();
        let cells = if count == 1 { "cell" } else { "cells" };
        (count > 0).then(|| format!("{count} {cells} by {what}"))
    };
    let named = format!("{runtime} itself");
    let all = [
        of(Fault::Runtime, &named),
        of(Fault::Program, "the program"),
        of(Fault::Stimulus, "a stimulus that failed"),
        of(Fault::Machine, "the machine"),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| format!("Not the strategies' fault: {}.", list(&all)))
}

fn own<'a>(cells: &'a [CellResult], row: &'a Row) -> impl Iterator<Item = &'a CellResult> {
    cells.iter().filter(|cell| cell.runtime == row.runtime && cell.strategy == row.strategy)
}

fn broken(cells: &[CellResult], row: &Row, finding: Finding) -> bool {
    own(cells, row).filter(|cell| duty::is_to_blame(cell)).any(|cell| cell.broken.contains(&finding))
}

/// `a`, `a and b`, `a, b and c`.
fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
