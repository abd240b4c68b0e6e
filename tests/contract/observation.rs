//! The observation of a case: what was seen, as a text of parts, without what differs from run to run.

use serde_json::Value;
use std::path::Path;

/// The parts, in order. Each has a heading, which names it in differences.toml, and lines.
#[derive(Default)]
pub(crate) struct Observation {
    parts: Vec<(String, String)>,
}

impl Observation {
    /// Adds a part. A heading that exists already gets a suffix, because it names the part.
    pub(crate) fn note(&mut self, heading: impl Into<String>, text: impl Into<String>) {
        let mut heading = heading.into();
        while self.parts.iter().any(|(known, _)| *known == heading) {
            heading += " (again)";
        }
        self.parts.push((heading, text.into()));
    }

    /// Fills in the text of a part that was noted before. Does nothing if there is no such part.
    pub(crate) fn set(&mut self, heading: &str, text: String) {
        if let Some((_, part)) = self.parts.iter_mut().find(|(name, _)| name == heading) {
            *part = text;
        }
    }

    /// Removes the parts that say nothing: an empty stream, an empty log, a bundle with nothing but its config.json.
    /// The headings of calls and signals stay.
    pub(crate) fn drop_empty(&mut self) {
        let details = ["exit", "stdout", "stderr", "log", "bundle"];
        self.parts.retain(|(heading, text)| {
            let detail = heading.split_once(' ').is_some_and(|(_, detail)| details.contains(&detail));
            !text.is_empty() || !detail
        });
    }

    /// The text: each heading at the margin, with its lines indented below it.
    pub(crate) fn render(&self) -> String {
        self.parts.iter().map(|(heading, text)| format!("{heading}\n{}", indented(text))).collect()
    }

    /// The parts of a rendered text.
    pub(crate) fn parse(page: &str) -> Observation {
        let mut observation = Observation::default();
        for line in page.lines() {
            match (line.strip_prefix(INDENT), observation.parts.last_mut()) {
                (Some(text), Some((_, part))) => *part += &format!("{text}\n"),
                _ => observation.note(line, ""),
            }
        }
        observation
    }

    /// The headings of the parts that differ, or that only one of the two has.
    pub(crate) fn differing(&self, other: &Observation) -> Vec<String> {
        let text = |all: &Observation, heading: &str| {
            let found = all.parts.iter().find(|(name, _)| name == heading);
            found.map(|(_, text)| indented(text))
        };
        let headings = self.parts.iter().chain(&other.parts).map(|(heading, _)| heading);
        let mut differing: Vec<String> =
            headings.filter(|heading| text(self, heading) != text(other, heading)).cloned().collect();
        differing.dedup();
        differing.sort();
        differing.dedup();
        differing
    }

    /// The same observation without these parts.
    pub(crate) fn without(mut self, headings: &[String]) -> Observation {
        self.parts.retain(|(heading, _)| !headings.contains(heading));
        self
    }
}

const INDENT: &str = "    ";

/// Indents the lines of a text. A last line without a line end is marked, and empty lines stay visible.
fn indented(text: &str) -> String {
    let whole = text.is_empty() || text.ends_with('\n');
    let lines = text.lines().map(|line| format!("{INDENT}{line}\n"));
    lines.chain((!whole).then(|| format!("{INDENT}(no end of line)\n"))).collect()
}

/// The same text without the directory of the case.
pub(crate) fn without_paths(text: &str, directory: &Path) -> String {
    text.replace(&*directory.to_string_lossy(), "SITE")
}

/// The output of `state` and `list`, without pids, times and the owner's name.
pub(crate) fn without_numbers(text: &str) -> String {
    let line = |line: &str| {
        let field = |name: &str| line.trim_start().starts_with(&format!("\"{name}\": "));
        let value = |shown: &str| {
            let comma = if line.ends_with(',') { "," } else { "" };
            format!("{}: {shown}{comma}\n", line.split(": ").next().unwrap_or_default())
        };
        if field("created") {
            return value("TIME");
        }
        if field("owner") {
            return value("OWNER");
        }
        if field("pid") && !line.contains(": 0") {
            return value("PID");
        }
        format!("{line}\n")
    };
    text.lines().map(line).collect()
}

/// The table that `list` prints, without the same. The widths of the columns follow from those, so columns are
/// separated by one space. The rows come in the order of the file system, so they are sorted.
pub(crate) fn table(text: &str) -> String {
    let row = |line: &str| {
        let mut columns: Vec<&str> = line.split_whitespace().collect();
        if let [_, pid, status, _, created, owner] = columns.as_mut_slice()
            && *status != "STATUS"
        {
            (*pid, *created, *owner) = (if *pid == "0" { "0" } else { "PID" }, "TIME", "OWNER");
        }
        columns.join(" ") + "\n"
    };
    let (mut head, mut rows): (Vec<String>, Vec<String>) =
        text.lines().map(row).partition(|row| row.starts_with("NAME "));
    rows.sort();
    head.append(&mut rows);
    head.concat()
}

/// The same text without the times of entries for a log in JSON.
pub(crate) fn without_times(text: &str) -> String {
    const BEFORE: &str = "\"time\":\"";
    let mut pieces = text.split(BEFORE);
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        let (time, rest) = piece.split_at_checked(TIME_FORM.len()).unwrap_or((piece, ""));
        text + BEFORE + if is_time(time) { "TIME" } else { time } + rest
    })
}

/// The lines of a log in JSON, without their times: the level and the message.
pub(crate) fn log(text: &str) -> String {
    let entry = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(entry) if entry["time"] == "TIME" => {
            let word = |name: &str| entry[name].as_str().unwrap_or("?").to_owned();
            format!("{}: {}\n", word("level"), word("msg").replace('\n', "\\n"))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(entry).collect()
}

const TIME_FORM: &str = "0000-00-00T00:00:00.000000Z";

/// Whether this has the form of crun's times: UTC with microseconds.
fn is_time(text: &str) -> bool {
    let same = |(shape, given): (char, char)| shape == given || shape == '0' && given.is_ascii_digit();
    text.len() == TIME_FORM.len() && TIME_FORM.chars().zip(text.chars()).all(same)
}
