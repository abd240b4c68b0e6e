//! Captures driven by readiness: one thread, any number of commands.

pub mod clock;
pub mod stream;

mod sys;

pub mod command;
pub mod outcome;
pub mod sink;

pub mod reactor;

pub mod strategy;
