//! The only unsafe code of this crate, and the system calls that rustix does not wrap safely.
//!
//! Each function is one system call (or one mapping) with its preconditions met. None of them depends on crun or on a
//! rule of the harness, so the workload and the fake runtime use them too.
#![expect(unsafe_code, reason = "this module is the one place for it")]

use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

pub use rustix::thread::UnshareFlags;

/// Moves the calling process into new namespaces (unshare(2)). The process must have one thread: otherwise the kernel
/// refuses `NEWUSER`, and any other thread stays in the old namespaces.
///
/// # Errors
/// As for unshare(2).
///
/// # Panics
/// `flags` contains `FILES`.
pub fn unshare(flags: UnshareFlags) -> io::Result<()> {
    assert!(!flags.contains(UnshareFlags::FILES), "the descriptor table is never unshared");
    // SAFETY: the descriptor table stays shared (asserted above), so no I/O-safety invariant can break.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(io::Error::from)
}

/// A file mapped shared and writable, seen as 64-bit words. What is stored survives the death of the process.
pub struct SharedWords {
    start: *mut AtomicU64,
    words: usize,
}

impl SharedWords {
    /// Sets the size of `file` to `words` words and maps it. If the file is truncated later, an access past its end
    /// raises SIGBUS.
    ///
    /// # Errors
    /// The file cannot be resized or mapped.
    pub fn map(file: &File, words: usize) -> io::Result<SharedWords> {
        use rustix::mm::{MapFlags, ProtFlags, mmap};
        let length = words * size_of::<u64>();
        file.set_len(length as u64)?;
        // SAFETY: the kernel picks an unused address, and the mapping is reached through atomics only.
        let start = unsafe {
            mmap(std::ptr::null_mut(), length, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0)?
        };
        Ok(SharedWords { start: start.cast(), words })
    }

    /// Stores `value` in word `index`, counted from 0.
    ///
    /// # Panics
    /// There is no such word.
    pub fn store(&self, index: usize, value: u64) {
        self.word(index).store(value, Ordering::Release);
    }

    /// The number of words.
    pub fn count(&self) -> usize {
        self.words
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.words, "word {index} of {}", self.words);
        // SAFETY: the index is in bounds, mmap returns page-aligned memory, and it lives as long as self.
        unsafe { &*self.start.add(index) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the range is the one that mmap returned, and no reference into it outlives self.
        let _unmapped = unsafe { rustix::mm::munmap(self.start.cast(), self.words * size_of::<u64>()) };
    }
}

/// The action that a signal has in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// The kernel's default action.
    Default,
    /// The signal is ignored.
    Ignore,
}

/// Sets the disposition of `signal` (signal(2)). This also removes a handler of the standard library (it has one for
/// SIGSEGV).
///
/// # Errors
/// As for signal(2).
pub fn set_disposition(signal: i32, disposition: Disposition) -> io::Result<()> {
    let action = match disposition {
        Disposition::Default => libc::SIG_DFL,
        Disposition::Ignore => libc::SIG_IGN,
    };
    // SAFETY: neither SIG_DFL nor SIG_IGN runs code of ours.
    if unsafe { libc::signal(signal, action) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Closes descriptor 1 or 2 for good. The caller must not print to that stream afterwards.
///
/// # Panics
/// `descriptor` is neither 1 nor 2.
pub fn close_standard(descriptor: RawFd) {
    assert!(descriptor == 1 || descriptor == 2, "only stdout and stderr can be closed like this");
    // SAFETY: the standard streams are never owned by an OwnedFd in the programs that call this.
    unsafe { rustix::io::close(descriptor) };
}

/// Takes over a descriptor whose number was passed in the environment. Sets CLOEXEC on it, so that no command started
/// later inherits it.
///
/// # Errors
/// The descriptor is not open, or is one of the standard streams.
pub fn adopt_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number <= 2 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the standard streams cannot be adopted"));
    }
    // SAFETY: the descriptor is borrowed only for this call, which asks whether it is open.
    rustix::io::fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) })?;
    // SAFETY: the descriptor is open, and whoever passed its number in the environment passed its ownership too.
    let descriptor = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    Ok(descriptor)
}

/// Gives the child of `command` a duplicate of `descriptor` under the number `number`. The duplicate is made in the
/// child, so no other child of a threaded parent gets it.
pub fn pass_descriptor(command: &mut Command, descriptor: OwnedFd, number: RawFd) {
    let duplicate = move || {
        if descriptor.as_raw_fd() == number {
            return rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty()).map_err(io::Error::from);
        }
        // SAFETY: dup2 is async-signal-safe; the descriptor that it replaces is CLOEXEC, so the exec would close it
        // anyway.
        if unsafe { libc::dup2(descriptor.as_raw_fd(), number) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    };
    // SAFETY: the closure makes async-signal-safe calls only and does not allocate.
    unsafe { command.pre_exec(duplicate) };
}

/// Tells the C library to return freed memory at once, and to use one heap for all threads. fork(2) copies the page
/// tables of all memory that a process holds, and each page that is written afterwards is copied too. Does nothing
/// unless the C library is glibc.
pub fn keep_little_memory() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in
        [(libc::M_ARENA_MAX, 1), (libc::M_TRIM_THRESHOLD, 128 << 10), (libc::M_MMAP_THRESHOLD, 64 << 10)]
    {
        // SAFETY: mallopt(3) takes any values, and refuses those that it cannot use.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Returns the free memory of the heap to the kernel, so that later growth shows in the resident memory. Does nothing
/// unless the C library is glibc.
pub fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) takes any value, and touches nothing that is allocated.
    unsafe {
        libc::malloc_trim(0)
    };
}

/// A resource that a child can be limited in (setrlimit(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The size of a file that it writes: RLIMIT_FSIZE.
    FileSize,
    /// The number of its descriptors: RLIMIT_NOFILE.
    Descriptors,
}

/// Limits the child of `command`, and all processes that it starts.
pub fn limit_in_child(command: &mut Command, limit: Limit, value: u64) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let resource = match limit {
        Limit::FileSize => Resource::Fsize,
        Limit::Descriptors => Resource::Nofile,
    };
    let limited =
        move || setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) }).map_err(io::Error::from);
    // SAFETY: the closure makes one system call and does not allocate.
    unsafe { command.pre_exec(limited) };
}

/// Makes the child of `command`, and all processes that it starts, ignore a signal.
pub fn ignore_in_child(command: &mut Command, signal: i32) {
    // SAFETY: signal(2) with SIG_IGN is async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(move || set_disposition(signal, Disposition::Ignore)) };
}

/// Starts the child of `command` with one of its standard descriptors closed.
///
/// # Panics
/// `descriptor` is not 0, 1 or 2.
pub fn close_in_child(command: &mut Command, descriptor: RawFd) {
    assert!((0..=2).contains(&descriptor), "only standard descriptors can be closed like this");
    let close = move || {
        // SAFETY: after the fork this process's code uses none of the child's standard descriptors.
        unsafe { libc::close(descriptor) };
        Ok(())
    };
    // SAFETY: the closure makes one async-signal-safe call and does not allocate.
    unsafe { command.pre_exec(close) };
}

/// The CPU time of this process without its children: user and system, in ns (getrusage(2)).
pub fn own_cpu_ns() -> (u64, u64) {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: RUSAGE_SELF with a valid pointer cannot fail; an all-zero rusage is valid in any case.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let nanoseconds = |time: libc::timeval| time.tv_sec as u64 * 1_000_000_000 + time.tv_usec as u64 * 1_000;
    (nanoseconds(usage.ru_utime), nanoseconds(usage.ru_stime))
}

/// The CPU time of a process with all its threads, ended ones included, in ns. The process may have ended, if it was not
/// reaped yet. None: there is no such process. (clock_getcpuclockid(3); the kernel makes the id of the clock from the pid,
/// as MAKE_PROCESS_CPUCLOCK in linux/posix-timers.h does with CPUCLOCK_SCHED.)
pub fn cpu_ns_of(pid: u32) -> Option<u64> {
    const CPUCLOCK_SCHED: i32 = 2;
    let clock = (!i32::try_from(pid).ok()? << 3) | CPUCLOCK_SCHED;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid, and an id of no clock is an error.
    let read = unsafe { libc::clock_gettime(clock, &raw mut time) };
    (read == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Replaces descriptors 0, 1 and 2 by `/dev/null`, so that this process no longer keeps the caller's streams open.
///
/// # Errors
/// `/dev/null` cannot be opened or duplicated.
pub fn release_standard_streams() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    rustix::stdio::dup2_stderr(null.as_fd())?;
    Ok(())
}

/// Sets close-on-exec on every descriptor from `first` on (close_range(2)), so that the next program gets none of them.
///
/// # Errors
/// As for close_range(2).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC as libc::c_int;
    // SAFETY: with this flag nothing is closed before an exec, so no owner of a descriptor is affected.
    let done = unsafe { libc::close_range(first, libc::c_uint::MAX, flags) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to one process (kill(2)). The signal is given by number, so real-time signals and 0 are possible.
///
/// # Errors
/// As for kill(2), or `pid` is not positive.
pub fn kill(pid: i32, signal: i32) -> io::Result<()> {
    if pid <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: kill(2) touches no memory of this process.
    let done = unsafe { libc::kill(pid, signal) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a copy of this process (fork(2)). Returns true in the child.
///
/// # Errors
/// As for fork(2), or the process has more than one thread. The child would have only the calling thread, and the locks
/// that other threads held would stay locked for ever.
pub fn fork() -> io::Result<bool> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("a process with several threads cannot be forked"));
    }
    // SAFETY: there is one thread (checked above), so the child may continue as the parent does.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(true),
        _ => Ok(false),
    }
}

/// Replaces this process by the program at `path` (execve(2)), with these arguments and this environment. Returns only
/// if that fails, with the reason. The standard library gives a file that the kernel refuses to a shell; this function
/// does not.
pub fn execute(path: &CStr, words: &[CString], environment: &[CString]) -> io::Error {
    let list = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (words, environment) = (list(words), list(environment));
    // SAFETY: both lists end with a null pointer, and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), words.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// The words of the command line, as C's `main` gets them. Only [`c_main`] needs this.
#[doc(hidden)]
pub unsafe fn command_line(count: libc::c_int, words: *const *const libc::c_char) -> Vec<OsString> {
    let word = |index| {
        // SAFETY: `main` gets `count` pointers to strings that live as long as the process.
        let word = unsafe { CStr::from_ptr(*words.add(index)) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    };
    (0..usize::try_from(count).unwrap_or(0)).map(word).collect()
}

/// Defines the C `main` of a program with `#![no_main]`. It calls the given function, which takes the words of the
/// command line and returns an exit code.
///
/// Before a Rust `main` runs, the standard library opens `/dev/null` in place of closed standard descriptors, and
/// ignores SIGPIPE. A program that must find both as its caller left them has to start as a C program does.
#[doc(hidden)]
#[macro_export]
macro_rules! c_main {
    ($main:path) => {
        /// The function that the C library calls.
        #[expect(unsafe_code, reason = "the symbol `main` must be exported under its own name")]
        // SAFETY: no other function of the program is called `main`, because it is built with `no_main`.
        #[unsafe(no_mangle)]
        extern "C" fn main(count: std::ffi::c_int, words: *const *const std::ffi::c_char) -> std::ffi::c_int {
            // SAFETY: these are the arguments of `main`.
            let words = unsafe { $crate::sys::command_line(count, words) };
            std::ffi::c_int::from($main(&words))
        }
    };
}
pub use c_main;
