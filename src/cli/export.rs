//! The destinations of reports: the table goes to stdout, the others go to files.

use anyhow::Context;
use crun_capture::comparison::Comparison;
use crun_capture::report;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

#[derive(clap::Args, Default)]
pub(super) struct Exports {
    /// Write everything as JSON; `-` means stdout, instead of the table
    #[arg(long, value_name = "FILE")]
    export_json: Option<PathBuf>,
    /// Write the tables, capabilities and failures as Markdown
    #[arg(long, value_name = "FILE")]
    export_markdown: Option<PathBuf>,
    /// Write CSV with one line per cell
    #[arg(long, value_name = "FILE")]
    export_csv: Option<PathBuf>,
}

impl Exports {
    fn wanted(&self) -> [(&'static str, Option<&Path>); 3] {
        [
            ("json", self.export_json.as_deref()),
            ("markdown", self.export_markdown.as_deref()),
            ("csv", self.export_csv.as_deref()),
        ]
    }

    /// Whether one of the exports goes to stdout.
    fn take_stdout(&self) -> bool {
        self.wanted().iter().any(|(_, path)| path.is_some_and(|path| path.as_os_str() == "-"))
    }

    /// Creates the files, so that a path that cannot be written shows before anything runs.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let to_stdout =
            self.wanted().iter().filter(|(_, path)| path.is_some_and(|path| path.as_os_str() == "-")).count();
        if to_stdout > 1 {
            return Err(super::Usage("only one export can go to stdout: name files for the others".to_owned()).into());
        }
        for (_, path) in self.wanted() {
            if let Some(path) = path.filter(|path| path.as_os_str() != "-") {
                create(path)?;
            }
        }
        Ok(())
    }

    /// Does the same for a report that can only be exported as JSON.
    pub(super) fn check_json_only(&self) -> anyhow::Result<()> {
        if self.export_markdown.is_some() || self.export_csv.is_some() {
            return Err(super::Usage("a bundle of your own is reported only as a table or as JSON".to_owned()).into());
        }
        self.check()
    }

    /// Writes this JSON if an export of JSON was asked for. Returns whether it went to stdout.
    pub(super) fn write_json(&self, json: &[u8]) -> anyhow::Result<bool> {
        let Some(path) = self.export_json.as_deref() else { return Ok(false) };
        if path.as_os_str() == "-" {
            io::stdout().write_all(&[json, b"\n"].concat())?;
            return Ok(true);
        }
        create(path)?.write_all(json).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(false)
    }

    /// Writes all exports; and the table to stdout, unless an export goes there.
    pub(super) fn write(&self, comparison: &Comparison) -> anyhow::Result<()> {
        for (name, path) in self.wanted() {
            let Some(path) = path else { continue };
            if path.as_os_str() == "-" {
                write(name, comparison, &mut anstream::stdout())?;
            } else {
                let mut file = anstream::StripStream::new(create(path)?);
                let written = write(name, comparison, &mut file);
                written.with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
        if !self.take_stdout() {
            write("table", comparison, &mut anstream::stdout())?;
        }
        Ok(())
    }
}

fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

fn write(name: &str, comparison: &Comparison, writer: &mut dyn Write) -> io::Result<()> {
    let report = report::find(name).ok_or_else(|| io::Error::other(format!("there is no report {name}")))?;
    let mut buffered = BufWriter::new(writer);
    report.write(comparison, &mut buffered)?;
    buffered.flush()
}
