//! The wait of a foreground `run`: it forwards signals to the init, and ends when no child is left.

use crun_capture::sys;
use rustix::io::Errno;
use rustix::process::WaitOptions;
use signal_hook::consts::signal::SIGCHLD;
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Outcome};

/// All signals that can be caught.
pub(crate) fn catchable() -> impl Iterator<Item = i32> {
    let forbidden = signal_hook::consts::FORBIDDEN;
    (1..32).chain(34..=64).filter(move |signal| !forbidden.contains(signal))
}

/// Forwards signals to the init, and reaps its own and adopted children until none is left. Returns the init's exit
/// code.
pub(crate) fn forward_and_wait(init: i32, signals: &mut Signals) -> Outcome {
    let mut code = 0;
    loop {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid.as_raw_pid() == init => {
                    let signal = status.terminating_signal().map(|signal| 128 + signal);
                    code = status.exit_status().or(signal).unwrap_or(255);
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => break,
                Err(Errno::CHILD) => return Ok(u8::try_from(code).unwrap_or(255)),
                Err(error) => return Err(Failure::io("waitpid", &error.into())),
            }
        }
        for signal in signals.wait().filter(|signal| *signal != SIGCHLD) {
            // The init may have ended in the meantime.
            let _ = sys::kill(init, signal);
        }
    }
}
