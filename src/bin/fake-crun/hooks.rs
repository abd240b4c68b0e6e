//! Hooks of the kinds `prestart` and `createRuntime`: programs of the host that must succeed before the container's
//! program runs. A bundle with other hooks is refused.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::bundle::Hook;
use crate::failure::Failure;

/// Runs the hooks in their order, with the container's state on standard input. Like crun, it passes none of its own
/// streams on.
pub(crate) fn run(hooks: &[Hook], state: &str) -> Result<(), Failure> {
    for hook in hooks {
        let code = call(hook, state).unwrap_or(1);
        if code != 0 {
            let text = format!("error executing hook `{}` (exit code: {code})", hook.path);
            return Err(Failure::with_code(text, 255));
        }
    }
    Ok(())
}

fn call(hook: &Hook, state: &str) -> std::io::Result<i32> {
    let mut command = Command::new(&hook.path);
    command.args(hook.args.iter().skip(1)).env_clear().envs(hook.env.iter().filter_map(|entry| entry.split_once('=')));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A hook does not have to read the state.
        let _ = stdin.write_all(state.as_bytes());
    }
    Ok(child.wait()?.code().unwrap_or(1))
}
