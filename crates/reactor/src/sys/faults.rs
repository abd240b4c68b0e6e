//! Faults at the boundary to the kernel, for the tests of whatever calls it. Outside of tests every call goes through.

#[cfg(test)]
pub(crate) use planned::{Fault, limit, with};

/// A system call that a test can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Pipe,
    Read,
    Write,
    Tee,
    Splice,
    EpollWait,
    Receive,
}

/// How much the call may do: all of it.
#[cfg(not(test))]
#[inline]
pub(super) fn limit(_call: Call, length: usize) -> rustix::io::Result<usize> {
    Ok(length)
}

#[cfg(test)]
mod planned {
    use super::Call;
    use rustix::io::{Errno, Result};
    use std::cell::RefCell;

    /// What a test does to a call.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Fault {
        /// The call fails, and does nothing.
        Fails(Errno),
        /// The call does so much at most, but at least one byte.
        Short(usize),
    }

    type Plan = Box<dyn FnMut(Call) -> Option<Fault>>;

    thread_local! {
        static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
    }

    /// Runs `act`. `plan` is asked before each call that this thread makes meanwhile.
    pub(crate) fn with<R>(plan: impl FnMut(Call) -> Option<Fault> + 'static, act: impl FnOnce() -> R) -> R {
        PLAN.set(Some(Box::new(plan)));
        let result = act();
        PLAN.set(None);
        result
    }

    /// How much the call may do.
    pub(crate) fn limit(call: Call, length: usize) -> Result<usize> {
        match PLAN.with_borrow_mut(|plan| plan.as_mut().and_then(|plan| plan(call))) {
            Some(Fault::Fails(errno)) => Err(errno),
            Some(Fault::Short(most)) => Ok(length.min(most.max(1))),
            None => Ok(length),
        }
    }
}
