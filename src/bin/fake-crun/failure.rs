//! Failures, in crun's words. They are reported on stderr, and in the log file if there is one.

use std::fs::File;
use std::io::{self, Write};

/// The exit code of a command, or the reason why it failed.
pub(crate) type Outcome = Result<u8, Failure>;

/// A message for the user and the exit code that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
    logged: bool,
}

/// The file of `--log`, and the format of its lines.
pub(crate) struct Log {
    pub(crate) file: File,
    pub(crate) json: bool,
}

impl Failure {
    /// An error of the runtime: exit code 1.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::with_code(text, 1)
    }

    /// An error of the runtime with another exit code.
    pub(crate) fn with_code(text: impl Into<String>, code: u8) -> Self {
        Self { text: text.into(), code, logged: true }
    }

    /// A misused flag of the command `name`: exit code 64 and a hint.
    pub(crate) fn usage(name: &str, text: &str) -> Self {
        let hint = format!("{name}: {text}\nTry `{name} --help' or `{name} --usage' for more information.");
        Self { text: hint, code: 64, logged: false }
    }

    /// A failed system call: what was tried, a colon, and the system's text.
    pub(crate) fn io(what: &str, error: &io::Error) -> Self {
        Self::new(format!("{what}: {}", reason(error)))
    }

    /// The message, without the exit code.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Prints the message and returns the exit code.
    pub(crate) fn report(&self, log: Option<&Log>) -> u8 {
        say(&self.text);
        if let Some(log) = log.filter(|_| self.logged) {
            let mut file = &log.file;
            let _ = file.write_all(format!("{}\n", self.entry(log.json)).as_bytes());
        }
        self.code
    }

    /// Prints what crun's init says when it can no longer reach the log: the same entry, on stderr.
    pub(crate) fn report_without_log(&self, json: bool) -> u8 {
        say(&self.entry(json));
        self.code
    }

    fn entry(&self, json: bool) -> String {
        if json { self.json_line() } else { self.text.clone() }
    }

    fn json_line(&self) -> String {
        let text = serde_json::Value::from(self.text.as_str());
        format!(r#"{{"msg":{text},"level":"error","time":"{}"}}"#, now())
    }
}

/// Prints a line on stderr in one write(2), as the C library does, because the container writes to the same file.
/// Ignores errors of the write.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// The C library's text for an error, without Rust's "(os error N)".
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The time in UTC with microseconds, as crun writes it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}
