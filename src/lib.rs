//! `crun-capture` runs every way of capturing a container's stdout and stderr, on fake and real OCI bundles, and measures
//! what each one really does: ordering, latency, exit codes, losses and cost.
//!
//! The modules below stand in the order in which the data flows; each uses only what stands above it.

pub mod sys;

pub mod script;

pub mod capturer;
pub mod sink;

pub mod strategy;

pub mod bundle;
pub mod experiment;
pub mod machine;
pub mod phase;
pub mod process;
pub mod runtime;
pub mod scratch;

pub mod recording;

pub mod analysis;
pub mod cell;
pub mod claim;
pub mod comparison;
pub mod plan;
pub mod report;
pub mod session;
