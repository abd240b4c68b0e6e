//! The faults that this runtime shows on request. A container asks for them by annotations, which travel with the
//! bundle, so whoever runs it needs to know nothing of them. Each value is a text, as in all annotations.

use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;

/// The beginning of the names of all fault annotations.
pub(crate) const PREFIX: &str = "org.crun-capture.fake.";

/// The faults of one container. The default has none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// `refuse-start`: no container is made, and this is the error. The exit code is 1, and the log has an entry.
    pub(crate) refuse_start: Option<String>,
    /// `die-before-exec`: the init is killed (SIGKILL) after everything was made and before it becomes the program. The
    /// exit code is 137 and the log is empty, as in crun, whose init can no longer report errors at that point.
    pub(crate) die_before_exec: bool,
    /// `warn`: this line is printed on descriptor 2, before everything that the program writes.
    pub(crate) warn: Option<String>,
    /// `slow-start-ms`: the init waits this long before it becomes the program.
    pub(crate) slow_start: Option<Duration>,
    /// `exit-code`: the exit code of a foreground `run`, whatever the program did.
    pub(crate) exit_code: Option<u8>,
    /// `linger-ms`: a foreground `run` lives on for this long after the last of its processes.
    pub(crate) linger: Option<Duration>,
    /// `abandon`: the program runs, and the runtime exits as if it could not write the pid file. The exit code is 1,
    /// and nobody knows the container.
    pub(crate) abandon: bool,
    /// `nonblock`: O_NONBLOCK is set on descriptors 1 and 2. This also sets it on the caller's descriptors, which are
    /// the same open file descriptions.
    pub(crate) nonblock: bool,
    /// `keep-open`: a process of the runtime keeps descriptors 1 and 2 open for this many ms after the runtime has
    /// exited.
    pub(crate) keep_open: Option<Duration>,
}

impl Faults {
    /// Reads the annotations. Annotations of others mean nothing here. An unknown annotation with our prefix is an
    /// error, because its fault would silently not happen.
    pub(crate) fn read(annotations: &Value) -> Result<Faults, Failure> {
        let mut faults = Faults::default();
        for (key, value) in annotations.as_object().into_iter().flatten() {
            if let Some(name) = key.strip_prefix(PREFIX) {
                let text = value.as_str().unwrap_or_default();
                let refused = |why| Failure::new(format!("annotation `{key}`: {why}"));
                faults.set(name, text).map_err(refused)?;
            }
        }
        Ok(faults)
    }

    fn set(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            "refuse-start" => self.refuse_start = Some(text.to_owned()),
            "die-before-exec" => self.die_before_exec = truth(text)?,
            "warn" => self.warn = Some(text.to_owned()),
            "slow-start-ms" => self.slow_start = Some(milliseconds(text)?),
            "exit-code" => self.exit_code = Some(number(text, "from 0 to 255")?),
            "linger-ms" => self.linger = Some(milliseconds(text)?),
            "abandon" => self.abandon = truth(text)?,
            "nonblock" => self.nonblock = truth(text)?,
            "keep-open" => self.keep_open = Some(milliseconds(text)?),
            _ => return Err("there is no such fault".to_owned()),
        }
        Ok(())
    }
}

fn truth(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| format!("`{text}` is neither true nor false"))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_millis(number::<u32>(text, "of milliseconds")?.into()))
}

fn number<N: std::str::FromStr>(text: &str, kind: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("`{text}` is no number {kind}"))
}
