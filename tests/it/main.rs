//! The tests that start programs, in one binary.

mod capture; // `capture` as a user calls it
mod claims; // `claims`: some of them, and the report
mod compare; // `compare`: what it prints, exits with, and leaves
mod emit; // the workload plays its script
mod explain; // `explain` and `recommend`
mod fake; // fake-crun keeps crun's contract
mod fake_faults; // the faults that fake-crun can be told to have
mod golden; // recordings whose findings were checked by hand
mod hostile; // workloads, bundles and recordings that mean harm
mod imports; // the order of the modules
mod interrupt; // Ctrl-C, SIGTERM: what was done is saved, nothing is left
mod on_the_reactor; // the strategies of the reactor's crate
mod own_bundle; // `compare --bundle`: the user's own
mod reports; // `report`, `list`, `doctor`, schemas
mod run; // the builder for runs of the CLI
mod stop;
mod stored; // stopped means gone
mod tidy; // the layout and the lists
