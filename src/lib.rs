//! `crun-capture` runs every way of capturing a container's stdout and stderr, on fake and real OCI bundles, and measures
//! what each one really does: ordering, latency, exit codes, losses and cost.
//!
//! The modules stand in the order in which the data flows, from the ground up. Each uses only modules that stand before it
//! here, and a test holds that.

// The ground.
pub mod sys;

pub mod files;
pub mod machine;

pub mod limit;
pub mod text;

pub mod phase;
pub mod process;
pub mod pulse;

// Script and strategy.
pub mod script;

pub mod sink;
pub mod strategy;

pub mod finding;

pub mod capturer;

// Bundle and runtime.
pub mod bundle;

pub mod runtime;

pub mod scratch;

// What is tried, and what is kept of it.
pub mod experiment;

pub mod recording;

pub mod analysis;

// Judgements, all pure.
pub mod comparison;

pub mod claim;

pub mod plan;

// Runs.
pub mod cell;

pub mod session;

// What readers see.
pub mod report;
