//! `claims`: runs the cells that the claims of the spike need on one runtime, and judges each claim by their findings.

use super::compare::{expectations, interrupted, tell_of_output};
use super::prepare::{self, DEADLINE, DEADLINE_QUICK, Progress, worded};
use super::{Usage, complain, unknown};
use anyhow::Context;
use clap::ValueEnum;
use crun_capture::capturer::{Capturer, SCHEMA_VERSION};
use crun_capture::claim::{self, Claim, Evidence, Handles, TICKER, Tried};
use crun_capture::plan::Selection;
use crun_capture::recording::{NotRun, RuntimeInfo};
use crun_capture::report::{ClaimsExport, write_claims_markdown, write_claims_text};
use crun_capture::session::{self, Destination, Host, Measured, Request, Runtimes};
use crun_capture::sink::count::Count;
use crun_capture::strategy;
use crun_capture_reactor::Command;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The Go code that the spike publishes.
const PUBLISHED: &str = include_str!("../../fixtures/go/task-log-manager/main.go");

/// The time that the compiler may take. Its cache is empty, so it also compiles the parts of its library that the code
/// needs.
const COMPILER: Duration = Duration::from_secs(120);

/// The number of captures by each of the spike's strategies while descriptors are counted.
const CAPTURES: u64 = 20;

pub(super) const DETAILS: &str = "\
Examples:
  crun-capture claims                                  every claim, on real crun
  crun-capture claims recommend/tee rate               some of them
  crun-capture claims --format markdown > SPIKE.md     the spike's report, with evidence

Exit code 100: a verdict differs from the recorded one.";

/// The seed if none is given: that of the recorded verdicts.
const SEED: u64 = 7;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Only claims whose id contains this; `crun-capture list claims` lists them all
    #[arg(value_name = "ID-PART")]
    claims: Vec<String>,
    /// The runtime: a name, or LABEL=PATH [default: crun, or fake if crun does not work here]
    #[arg(long, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// The output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write fewer lines, and shorten the deadline
    #[arg(long)]
    quick: bool,
    /// The seed of the scripts and of the order of the cells
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// The directory for the recordings [default: .crun-capture/UTC-SEED]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// The spike's report, with evidence
    Markdown,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    if arguments.runtime.as_deref() == Some("all") {
        return Err(Usage("claims are tried on one runtime: name one instead of `all`".to_owned()).into());
    }
    let chosen = chosen(&arguments.claims)?;
    let request = request(arguments, &chosen)?;
    let host = prepare::host()?;
    let compiled = chosen.iter().any(|claim| claim.id == "arch/code-compiles").then(|| compile(&host)).transpose()?;
    let handles = chosen.iter().any(|claim| claim.id == "memory/close-handles").then(count_handles).transpose()?;
    let mut evidence = Evidence::default();
    (evidence.compiled, evidence.handles) = (compiled.flatten(), handles);
    // Even if no claim needs a cell, the runtime is looked for, because the report names it.
    let (runtime, ran) = match &request.selection {
        Selection::Matching(patterns) if patterns.is_empty() => {
            let wanted = prepare::runtimes(&named(arguments), &[])?;
            (host.seek_first(&wanted, &Progress::default()).context("there is no runtime")?, None)
        }
        _ => {
            let measured = session::measure(&request, &host, &Progress::default()).map_err(worded)?;
            fill(&mut evidence, &measured);
            (measured.ran.runtimes[0].clone(), Some(measured.ran))
        }
    };
    host.close()?;
    let options = options(arguments);
    // The recorded verdicts were measured on crun, and the fake must behave as crun does.
    let on_record = matches!(&*runtime.wanted.label, "crun" | "fake");
    let export = ClaimsExport {
        schema_version: SCHEMA_VERSION,
        tool: format!("crun-capture {}", env!("CARGO_PKG_VERSION")),
        machine: crun_capture::machine::this(),
        runtime: RuntimeInfo::of(&runtime),
        quick: arguments.quick,
        seed: arguments.seed,
        claims: chosen.iter().map(|claim| claim.tried(&evidence, &options, on_record)).collect(),
    };
    report(&export, arguments.format)?;
    if let Some(ran) = &ran {
        tell_of_output(&ran.output, ran.not_latest.as_deref());
        if let Some(code) = interrupted(ran) {
            return Ok(code);
        }
    }
    let differing: Vec<&Tried> = export.claims.iter().filter(|tried| tried.differs()).collect();
    for tried in &differing {
        let recorded = tried.recorded.map_or("", claim::Verdict::word);
        complain(&format!("{} is {}, but fixtures/verdicts.toml says {recorded}", tried.id, tried.verdict.word()));
    }
    Ok(if differing.is_empty() { 0 } else { 100 })
}

fn named(arguments: &Arguments) -> Vec<String> {
    arguments.runtime.iter().cloned().collect()
}

/// The request for the cells that the claims need.
fn request(arguments: &Arguments, chosen: &[&Claim]) -> anyhow::Result<Request> {
    let mut patterns: Vec<String> =
        chosen.iter().flat_map(|claim| claim.tried_by).map(|&pattern| pattern.to_owned()).collect();
    patterns.sort();
    patterns.dedup();
    Ok(Request {
        runtimes: Runtimes::FirstThatWorks(prepare::runtimes(&named(arguments), &[])?),
        capturers: capturers(&patterns, &prepare::own_path()?),
        selection: Selection::Matching(patterns),
        runs: 1,
        quick: arguments.quick,
        seed: arguments.seed,
        deadline: if arguments.quick { DEADLINE_QUICK } else { DEADLINE },
        jobs: Request::jobs_of_this_machine(),
        expectations: expectations(None, &[])?,
        output: arguments.output.clone().map_or(Destination::Default, Destination::Directory),
        repeat_options: String::new(),
    })
}

/// The claims whose ids contain one of the parts. A part that is the whole id of a claim selects that claim alone.
fn chosen(parts: &[String]) -> anyhow::Result<Vec<&'static Claim>> {
    let known: Vec<&str> = claim::all().map(|claim| claim.id).collect();
    if let Some(part) = parts.iter().find(|part| !known.iter().any(|id| id.contains(part.as_str()))) {
        return Err(unknown("claim", part, &known));
    }
    let fits =
        |id: &str, part: &String| if known.contains(&part.as_str()) { id == part } else { id.contains(part.as_str()) };
    let wanted = |claim: &&Claim| parts.is_empty() || parts.iter().any(|part| fits(claim.id, part));
    Ok(claim::all().filter(wanted).collect())
}

/// The id and the words of each claim, for `list claims`.
pub(super) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    claim::all().map(|claim| (claim.id, claim.says))
}

/// The strategies that the claims are about, and the strategy with the spike's ticker.
fn capturers(patterns: &[String], own: &Path) -> Vec<Capturer> {
    let needs = |name: &str| patterns.iter().any(|pattern| pattern.split('/').next() == Some(name));
    let wanted = strategy::ALL.iter().filter(|one| needs(one.name()));
    let mut capturers: Vec<Capturer> = wanted.map(|&one| Capturer::built_in(one, own)).collect();
    if needs(TICKER) {
        let limited = Capturer::built_in(&strategy::rate_limited(claim::INTERVAL_NS), own);
        let mut ticker = Capturer { name: TICKER.to_owned(), ..limited };
        ticker.program.extend(["--line-interval-ns".into(), claim::INTERVAL_NS.to_string().into()]);
        capturers.push(ticker);
    }
    capturers
}

/// Compiles the published code with Go. None: there is no Go here, or the compiler says nothing about the code.
fn compile(host: &Host) -> anyhow::Result<Option<Result<(), String>>> {
    let folder = host.scratch.disk().join("go");
    fs::create_dir(&folder)?;
    fs::write(folder.join("main.go"), PUBLISHED)?;
    let mut command = std::process::Command::new("go");
    command.args(["build", "-o", "/dev/null", "main.go"]).current_dir(&folder);
    // The compiler uses only what is installed, and leaves nothing in the user's cache.
    command.envs([("GO111MODULE", "off"), ("GOPROXY", "off"), ("GOTOOLCHAIN", "local")]);
    command.env("GOCACHE", folder.join("cache")).env("GOTMPDIR", &folder);
    let output = match host.family.output(&mut command, COMPILER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output.context("cannot run go build")?,
    };
    if output.status.success() {
        return Ok(Some(Ok(())));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // The compiler's verdict is a line such as `./main.go:25:31: cannot use …`. Anything else says nothing about the
    // code.
    let line = text.lines().find(|line| line.contains("main.go:"));
    match line {
        Some(line) => Ok(Some(Err(line.trim_start_matches("./").to_owned()))),
        None => {
            complain(&format!("go build says nothing about the code: {}", text.lines().next().unwrap_or_default()));
            Ok(None)
        }
    }
}

/// Captures many times in this process, and counts its descriptors before and after.
fn count_handles() -> anyhow::Result<Handles> {
    let count = || Ok::<_, io::Error>(fs::read_dir("/proc/self/fd")?.count() as u64);
    let command = Command::new("true");
    let of_spike =
        || strategy::ALL.iter().filter(|one| strategy::spike_row(one.name()).is_some() || one.needs().syncs_each_line);
    let before = count()?;
    let mut captures = 0;
    for strategy in of_spike() {
        for _ in 0..CAPTURES {
            strategy.capture(&command, &mut Count::new(None))?;
            captures += 1;
        }
    }
    Ok(Handles { captures, before, after: count()? })
}

fn fill(evidence: &mut Evidence, measured: &Measured) {
    for planned in &measured.ran.run.plan {
        match (&planned.expected, measured.findings.get(&planned.id)) {
            (Err(NotRun::Unsupported(reason) | NotRun::Skipped(reason)), _) => evidence.miss(&planned.id, reason),
            (Ok(_), Some(found)) => evidence.add(&planned.id, found.clone()),
            (Ok(_), None) => evidence.miss(&planned.id, "the run ended before this cell"),
        }
    }
}

/// The options of the command that tries a claim again.
fn options(arguments: &Arguments) -> String {
    let runtime = arguments.runtime.as_ref().map(|name| format!(" --runtime {name}")).unwrap_or_default();
    let quick = if arguments.quick { " --quick" } else { "" };
    let seed = if arguments.seed == SEED { String::new() } else { format!(" --seed {}", arguments.seed) };
    format!("{runtime}{quick}{seed}")
}

fn report(export: &ClaimsExport, format: Format) -> anyhow::Result<()> {
    let mut stdout = BufWriter::new(anstream::stdout());
    match format {
        Format::Text => write_claims_text(export, &mut stdout)?,
        Format::Markdown => write_claims_markdown(export, &mut stdout)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut stdout, export)?;
            writeln!(stdout)?;
        }
    }
    stdout.flush()?;
    Ok(())
}
