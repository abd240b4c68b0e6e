//! `create` and `run`: the front process of the container, which starts its init, forwards signals and waits.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use crun_capture::sys;
use rustix::fs::{CWD, FileType, Mode as Bits};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Outcome, now, reason};
use crate::job::Job;
use crate::launch::{Started, listen};
use crate::wait::{catchable, forward_and_wait};
use crate::{hooks, keeper, state, terminal};

impl Job<'_> {
    /// Makes the container. In the foreground it also waits for it.
    pub(crate) fn run(&self) -> Outcome {
        let refused = self.bundle.refused.as_ref().or(self.bundle.faults.refuse_start.as_ref());
        if let Some(refused) = refused {
            return Err(Failure::new(refused.as_str()));
        }
        self.check_terminal()?;
        self.make_directory()?;
        let mut signals = None;
        let pid = match self.make(&mut signals).and_then(|pid| self.record(pid)) {
            Ok(pid) => pid,
            Err(failure) => {
                // If a signal came while the handlers are removed, its handler would write to a closed socket. That
                // raises SIGPIPE, whose handler writes there too, and so on for ever. The process ends anyway.
                std::mem::forget(signals);
                state::remove(self.global, &self.id)?;
                return Err(failure);
            }
        };
        let Some(mut signals) = signals else {
            return Ok(0);
        };
        let code = forward_and_wait(pid, &mut signals);
        std::mem::forget(signals);
        let code = code?;
        state::remove(self.global, &self.id)?;
        if let Some(duration) = self.bundle.faults.linger {
            std::thread::sleep(duration);
        }
        Ok(self.bundle.faults.exit_code.unwrap_or(code))
    }

    /// Refuses a terminal if there is nobody to give it to.
    fn check_terminal(&self) -> Result<(), Failure> {
        let needed = self.bundle.terminal && !self.parsed.has("console-socket");
        match (needed, self.waits, self.foreground) {
            (true, true, _) => Err(Failure::new("use --console-socket with create when a terminal is used")),
            (true, false, false) => Err(Failure::new("use --console-socket with --detach when a terminal is used")),
            _ => Ok(()),
        }
    }

    /// Connects to the console socket, if the container gets a terminal.
    fn console(&self) -> Result<Option<UnixStream>, Failure> {
        if !self.bundle.terminal {
            return Ok(None);
        }
        match self.parsed.value("console-socket") {
            Some(path) => terminal::connect(path).map(Some),
            None if io::stdin().is_terminal() => {
                Err(Failure::new("this fake has a terminal for a container with --console-socket only"))
            }
            None => Err(Failure::new("tcgetattr: Inappropriate ioctl for device")),
        }
    }

    /// Takes the ID: only one container can make this directory.
    fn make_directory(&self) -> Result<(), Failure> {
        let (root, id) = (&self.global.root, &self.id);
        let directory = root.join(id);
        let refused = || Failure::new(format!("cannot create state directory for `{id}`"));
        fs::create_dir_all(root).map_err(|_| refused())?;
        if id.contains('/') {
            return Err(refused());
        }
        if directory.exists() {
            return Err(Failure::new(format!("container `{id}` already exists")));
        }
        fs::create_dir(directory).map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Failure::new(format!("container `{id}` already exists")),
            _ => refused(),
        })
    }

    /// Makes the container. Returns the pid of its init once that has become the workload, or waits for `start`.
    fn make(&self, signals: &mut Option<Signals>) -> Result<i32, Failure> {
        let failed = |error: io::Error| Failure::io("start the container", &error);
        // crun keeps the configuration with the state.
        fs::copy(&self.config, state::directory(self.global, &self.id).join("config.json")).map_err(failed)?;
        if let Some(wrong) = &self.bundle.wrong {
            return Err(Failure::new(wrong.as_str()));
        }
        if self.waits {
            let fifo = state::fifo(self.global, &self.id);
            rustix::fs::mknodat(CWD, fifo, FileType::Fifo, Bits::from_raw_mode(0o600), 0)
                .map_err(|error| failed(error.into()))?;
        }
        let console = self.console()?;
        // The pipe closes when this program ends, which tells the keeper.
        let keeper = self.bundle.faults.keep_open.map(keeper::start).transpose().map_err(failed)?;
        if let Some(pipe) = keeper {
            let _number = pipe.into_raw_fd();
        }
        if self.foreground {
            *signals = Some(Signals::new(catchable()).map_err(failed)?);
            let me = Some(rustix::process::getpid());
            rustix::process::set_child_subreaper(me).map_err(|error| failed(error.into()))?;
        }
        let Started { pid, complaints, go, go_on } = self.spawn(console).map_err(failed)?;
        let known = self.write_status(pid).and_then(|status| hooks::run(&self.bundle.hooks, &status));
        if let Err(failure) = known {
            // Without the signal to go on, the init ends.
            drop(go);
            let _complaint = listen(complaints, pid);
            return Err(failure);
        }
        if self.bundle.faults.die_before_exec {
            // The init of a pid namespace cannot kill itself.
            sys::kill(pid, libc::SIGKILL).map_err(failed)?;
            return Ok(pid);
        }
        // Only now may the init become the workload, because a running container must be recorded. An init that has
        // failed does not read this.
        let _ = rustix::io::write(&go, &[1]);
        drop(go_on);
        listen(complaints, pid)
    }

    /// Records what is known of the container, and returns it as `state` prints it.
    fn write_status(&self, pid: i32) -> Result<String, Failure> {
        let directory = std::env::current_dir().map_err(|error| Failure::io("getcwd", &error))?;
        let status = state::Status {
            pid,
            started: state::process(pid).map_or(0, |(_, started)| started),
            rootfs: directory.join(&self.bundle.root).to_string_lossy().into_owned(),
            bundle: directory.to_string_lossy().into_owned(),
            created: now(),
            owner: self.owner.clone(),
            detached: !self.foreground,
        };
        state::write(self.global, &self.id, &status)?;
        Ok(status.json(self.global, &self.id))
    }

    /// Writes the pid file. If that fails, the container runs on and nobody knows it, as in crun.
    fn record(&self, pid: i32) -> Result<i32, Failure> {
        let path = self.parsed.value("pid-file");
        if self.bundle.faults.abandon {
            let path = path.unwrap_or("pid");
            return Err(Failure::new(format!("opening file `{path}` for writing: No such file or directory")));
        }
        let Some(path) = path else {
            return Ok(pid);
        };
        let mut options = File::options();
        let opened = options.write(true).create(true).truncate(true).mode(0o700).open(Path::new(path));
        let failed = |error| Failure::new(format!("opening file `{path}` for writing: {}", reason(&error)));
        let mut file = opened.map_err(failed)?;
        std::io::Write::write_all(&mut file, pid.to_string().as_bytes()).map_err(failed)?;
        Ok(pid)
    }
}
