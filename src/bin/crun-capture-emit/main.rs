//! The workload: plays a script inside the container, and keeps a journal of what the kernel accepted.
//!
//! `crun-capture-emit DIR` reads `DIR/script.json` and writes `DIR/journal`. If the FIFO `DIR/alive` exists, the
//! workload holds it open for as long as it lives, so whoever reads that FIFO sees the workload's end as EOF. If it
//! cannot play, it exits with a code of its own: 120 usage, 121 script, 122 journal.

mod player;
mod surroundings;

use crun_capture::script::Script;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(directory), None) = (arguments.next(), arguments.next()) else {
        return fail(120, "usage: crun-capture-emit DIR (with script.json in it)");
    };
    let directory = Path::new(&directory);
    let script = match read_script(directory) {
        Ok(script) => script,
        Err(error) => return fail(121, &error),
    };
    match player::Player::new(directory, &script) {
        Ok(player) => player.play(&script),
        Err(error) => fail(122, &format!("{}: cannot keep a journal: {error}", directory.join("journal").display())),
    }
}

fn read_script(directory: &Path) -> Result<Script, String> {
    let path = directory.join("script.json");
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let script: Script = serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display()))?;
    script.check().map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(script)
}

#[expect(clippy::print_stderr, reason = "the only way for a workload that cannot play to say why")]
fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("crun-capture-emit: {message}");
    ExitCode::from(code)
}
