//! `doctor`: reports which runtimes work on this machine, why the others do not, which limits are too low, and the commands
//! that fix it.

use super::list::Format;
use super::prepare;
use crun_capture::limit::LowLimit;
use crun_capture::machine::{self, Machine};
use crun_capture::recording::RuntimeInfo;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Serialize)]
struct Diagnosis {
    machine: Machine,
    load: String,
    low_limits: Vec<LowLimit>,
    runtimes: Vec<RuntimeInfo>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let host = prepare::host()?;
    let mut runtimes = Vec::new();
    for one in prepare::runtimes(&["all".to_owned()], &[])? {
        runtimes.push(RuntimeInfo::of(&host.seek(one)));
    }
    let diagnosis = Diagnosis {
        machine: machine::this(),
        load: machine::load(),
        low_limits: host.low_limits(Path::new(".")),
        runtimes,
    };
    let mut stdout = io::stdout().lock();
    match arguments.format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut stdout, &diagnosis)?;
            writeln!(stdout)?;
        }
        Format::Text => write_text(&diagnosis, &mut stdout)?,
    }
    Ok(0)
}

fn write_text(diagnosis: &Diagnosis, writer: &mut dyn Write) -> io::Result<()> {
    let machine = &diagnosis.machine;
    let number = |value: Option<u64>| value.map_or("unknown".to_owned(), |value| value.to_string());
    writeln!(writer, "{} · {} × {} · load {}", machine.kernel, machine.cpus, machine.cpu, diagnosis.load)?;
    let user = if machine.root { "root" } else { "a user without privileges" };
    writeln!(
        writer,
        "cgroup {} · run by {user} · pipes up to {} bytes · {} user namespaces",
        machine.cgroup,
        number(machine.pipe_max_size_bytes),
        number(machine.user_namespaces_max)
    )?;
    if diagnosis.low_limits.is_empty() {
        writeln!(writer, "no limit of the user, the kernel, the mounts or the memory is too low")?;
    }
    for low in &diagnosis.low_limits {
        writeln!(writer, "  low      {}: {}, but {}", low.name, low.has, low.needed)?;
        writeln!(writer, "           to fix it: {}", low.mend)?;
    }
    for runtime in &diagnosis.runtimes {
        match &runtime.skipped {
            None => {
                let words = [runtime.version.as_str(), runtime.mode.as_str(), runtime.path.as_str()];
                let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                writeln!(writer, "  ok       {:<14} {}", runtime.name, words.join(", "))?;
                if runtime.mode.contains("private cgroup view") {
                    let why = "crun refuses hybrid cgroups, so it gets a mount namespace with cgroup2 alone";
                    writeln!(writer, "           {:<14} {why}", "")?;
                }
            }
            Some(reason) => {
                writeln!(writer, "  missing  {:<14} {reason}", runtime.name)?;
                if let Some(mend) = &runtime.mend {
                    writeln!(writer, "           {:<14} to fix it: {mend}", "")?;
                }
            }
        }
    }
    Ok(())
}
