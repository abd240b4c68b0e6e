//! The spike's table of capture methods, one claim for each cell of the table.

use super::{Claim, Evidence, Judgement};

/// Makes a claim of the table.
const fn row(id: &'static str, says: &'static str, tried_by: &'static [&'static str], judge: Judge) -> Claim {
    Claim { id, says, tried_by, judge }
}

type Judge = fn(&Evidence) -> Result<Judgement, String>;

pub(super) static ALL: &[Claim] = &[
    row("table/combined/real-time", "CombinedOutput(): Real-time: No", &["combined/paced/1ms"], |it| {
        live(it, "combined", false)
    }),
    row(
        "table/combined/separation",
        "CombinedOutput(): Stream Separation: No",
        &["combined/interleave/in-turn"],
        |it| apart(it, "combined", false),
    ),
    row("table/combined/file", "CombinedOutput(): File Output: No", &["combined/paced/1ms"], |it| {
        file(it, "combined", false)
    }),
    row("table/buffered/real-time", "Separate buffers: Real-time: No", &["buffered/paced/1ms"], |it| {
        live(it, "buffered", false)
    }),
    row(
        "table/buffered/separation",
        "Separate buffers: Stream Separation: Yes",
        &["buffered/interleave/in-turn"],
        |it| apart(it, "buffered", true),
    ),
    row("table/buffered/file", "Separate buffers: File Output: No", &["buffered/paced/1ms"], |it| {
        file(it, "buffered", false)
    }),
    row(
        "table/scanner/real-time",
        "StdoutPipe() + Scanner: Real-time: Yes",
        &["scanner/paced/1ms", "scanner/framing/prompt"],
        |it| live(it, "scanner", true),
    ),
    row(
        "table/scanner/separation",
        "StdoutPipe() + Scanner: Stream Separation: Yes",
        &["scanner/interleave/in-turn"],
        |it| apart(it, "scanner", true),
    ),
    row("table/scanner/file", "StdoutPipe() + Scanner: File Output: No", &["scanner/paced/1ms"], |it| {
        file(it, "scanner", false)
    }),
    row("table/file/real-time", "File redirection: Real-time: No", &["file/paced/1ms"], |it| live(it, "file", false)),
    row("table/file/separation", "File redirection: Stream Separation: Yes", &["file/interleave/in-turn"], |it| {
        apart(it, "file", true)
    }),
    row("table/file/file", "File redirection: File Output: Yes", &["file/paced/1ms"], |it| file(it, "file", true)),
    row("table/tee/real-time", "TeeReader: Real-time: Yes", &["tee/paced/1ms", "tee/framing/prompt"], |it| {
        live(it, "tee", true)
    }),
    row("table/tee/separation", "TeeReader: Stream Separation: Yes", &["tee/interleave/in-turn"], |it| {
        apart(it, "tee", true)
    }),
    row("table/tee/file", "TeeReader: File Output: Yes", &["tee/paced/1ms"], |it| file(it, "tee", true)),
];

fn held(said: bool, measured: bool, why: String) -> Judgement {
    if said == measured { Judgement::confirmed(why) } else { Judgement::refuted(why) }
}

fn live(it: &Evidence, strategy: &str, said: bool) -> Result<Judgement, String> {
    let found = it.of(&format!("{strategy}/paced/1ms"))?;
    let fraction = found.delivered_before_exit_fraction.unwrap_or(0.0);
    let measured = found.is_live();
    let why = format!("{:.0}% of the lines arrived before the exit", fraction * 100.0);
    let mut judged = held(said, measured, why);
    if said && measured && it.of(&format!("{strategy}/framing/prompt"))?.prompt_held == Some(true) {
        judged =
            Judgement::qualified("lines arrive while the program runs, but a prompt without a line feed is held back");
    }
    let judged = judged.with("delivered_before_exit_fraction", fraction);
    Ok(match found.latency_ns {
        Some(latency) => judged.with("latency_p50_ns", latency.p50).with("latency_p99_ns", latency.p99),
        None => judged,
    })
}

fn apart(it: &Evidence, strategy: &str, said: bool) -> Result<Judgement, String> {
    let found = it.of(&format!("{strategy}/interleave/in-turn"))?;
    let (unattributed, misattributed) = (found.unattributed_lines, found.misattributed_lines);
    let measured = unattributed == 0 && misattributed == 0;
    let why = if measured { "each line arrived with its stream" } else { "lines arrived without their stream" };
    Ok(held(said, measured, why.to_owned())
        .with("unattributed_lines", unattributed)
        .with("misattributed_lines", misattributed)
        .with("cross_inversion_rate", found.cross_inversion_rate))
}

fn file(it: &Evidence, strategy: &str, said: bool) -> Result<Judgement, String> {
    let found = it.of(&format!("{strategy}/paced/1ms"))?;
    let measured = found.has_file();
    let why = match (measured, found.file_lost_bytes) {
        (true, Some(0)) => "the file has every line".to_owned(),
        (true, _) => "the file has every line that was delivered".to_owned(),
        (false, None) => "there is no file".to_owned(),
        (false, Some(lost)) => format!("{lost} bytes are missing from the file, or lines are altered in it"),
    };
    Ok(held(said, measured, why).with("file_lost_bytes", found.file_lost_bytes))
}
