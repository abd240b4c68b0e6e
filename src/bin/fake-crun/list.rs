//! `list`: all containers of the root directory, in the order that the file system gives.

use std::io::{self, Write};

use crate::Call;
use crate::args::{self, Global};
use crate::failure::Failure;
use crate::state::{self, Status, quoted};

/// Prints all containers.
pub(crate) fn list<'a>(global: &'a Global, words: &'a [String]) -> Result<Call<'a>, Failure> {
    let parsed = args::parse("list", &[("format", Some('f'), true), ("quiet", Some('q'), false)], words)?;
    parsed.at_most("list", 0)?;
    let json = match parsed.value("format").unwrap_or("table") {
        "table" => false,
        "json" => true,
        other => return Err(Failure::new(format!("crun: invalid format `{other}`"))),
    };
    let quiet = parsed.has("quiet");
    Ok(Box::new(move || {
        global.make_root();
        let text = text(global, json, quiet);
        io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::io("write", &error))?;
        Ok(0)
    }))
}

fn text(global: &Global, json: bool, quiet: bool) -> String {
    let ids = state::ids(global).into_iter();
    let known: Vec<(String, Status)> =
        ids.filter_map(|id| Some((id.clone(), state::read(global, &id).ok()?))).collect();
    let width = known.iter().map(|(id, _)| id.len()).max().unwrap_or(0).max(4);
    let rows: Vec<String> = known.iter().map(|(id, status)| row(global, (id, width), status, json, quiet)).collect();
    if json {
        return format!("[\n{}\n]\n", rows.join(",\n"));
    }
    let (name, pid) = ("NAME", "PID");
    let head = format!("{name:<width$} {pid:<9} STATUS   {:<39} {:<30} OWNER\n", "BUNDLE PATH", "CREATED");
    let head = if quiet { String::new() } else { head };
    format!("{head}{}", rows.iter().map(|row| format!("{row}\n")).collect::<String>())
}

/// The entry of one container.
fn row(global: &Global, (id, width): (&str, usize), status: &Status, json: bool, quiet: bool) -> String {
    let word = status.word(global, id);
    let pid = status.shown_pid(word);
    let (bundle, created, owner) = (&status.bundle, &status.created, &status.owner);
    if json {
        let indent = "        ";
        return format!(
            "    {{\n{indent}\"id\": {},\n{indent}\"pid\": {pid},\n{indent}\"status\": \"{word}\",\n\
             {indent}\"bundle\": {},\n{indent}\"created\": {},\n{indent}\"owner\": {}\n    }}",
            quoted(id),
            quoted(bundle),
            quoted(created),
            quoted(owner)
        );
    }
    if quiet {
        return id.to_owned();
    }
    format!("{id:<width$} {pid:<9} {word:<8} {bundle:<39} {created:<30} {owner}")
}
