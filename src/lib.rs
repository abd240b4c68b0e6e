//! `crun-capture` runs every way of capturing a container's stdout and stderr, on fake and real OCI bundles, and measures
//! what each one really does: ordering, latency, exit codes, losses and cost.
//!
//! The modules below stand in the order in which the data flows; each uses only what stands above it.

pub mod clock;
pub mod stream;
pub mod sys;

pub mod script;

/// The variables of the capturer protocol: none of them reaches the command that is captured.
pub const PROTOCOL_VARIABLES: [&str; 5] = [
    "CRUN_CAPTURE_PROTOCOL",
    "CRUN_CAPTURE_STDOUT_FILE",
    "CRUN_CAPTURE_STDERR_FILE",
    "CRUN_CAPTURE_LIVE_FD",
    "CRUN_CAPTURE_SUMMARY_FILE",
];

pub mod capturer;
pub mod command;
pub mod outcome;
pub mod sink;

pub mod reactor;

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
