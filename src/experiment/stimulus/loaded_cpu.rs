//! Every CPU has two busy threads.

use super::{Start, Stimulus};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

pub(crate) static LOADED_CPU: LoadedCpu = LoadedCpu;

pub(crate) struct LoadedCpu;

impl Stimulus for LoadedCpu {
    fn name(&self) -> &'static str {
        "loaded-cpu"
    }

    fn summary(&self) -> &'static str {
        "two busy threads for each CPU compete with the capturer"
    }

    fn prepare(&self, start: &mut Start<'_>) -> io::Result<()> {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        start.company.push(Box::new(Spinners::start(2 * cpus)));
        Ok(())
    }
}

/// Threads that spin until they are dropped.
struct Spinners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Spinners {
    fn start(count: usize) -> Spinners {
        let stop = Arc::new(AtomicBool::new(false));
        let spin = |stop: Arc<AtomicBool>| {
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        let threads = (0..count).map(|_| spin(stop.clone())).collect();
        Spinners { stop, threads }
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A loop that does nothing does not panic.
            let _ended = thread.join();
        }
    }
}
