//! The cost of a cell beyond that of its command: on `bare`, with an empty script. It is at most 8 ms.
//!
//! One run measures both: `command` is the workload alone, and `cell` is the same as a cell of the harness, with its
//! capturer, its directories and its recording. Compare the medians.

use criterion::{Criterion, criterion_group, criterion_main};
use crun_capture::bundle::{self, Rootfs};
use crun_capture::capturer::Capturer;
use crun_capture::cell::{self, RunParts, Suspects};
use crun_capture::experiment::ExpectedEnd;
use crun_capture::files;
use crun_capture::plan::{Matrix, Selection};
use crun_capture::process::{Family, Interrupt};
use crun_capture::pulse::Pulse;
use crun_capture::runtime::{self, Parents, Programs};
use crun_capture::script::{End, Script};
use crun_capture::strategy;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn cell_overhead(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_crun-capture")), directory.path()).unwrap();
    let path = |name: &str| directory.path().join(name);
    let script = Script::new(1, End::Exit(0));
    bundle::make_exchange(&path("alone"), &script).unwrap();
    let rootfs = Rootfs::create(path("rootfs"), &programs.emit).unwrap();
    for name in ["scratch", "cells", "output"] {
        files::make_directory(&path(name)).unwrap();
    }
    Family::adopt_orphans().unwrap();
    let (family, interrupt) = (Family::of_run("bench", directory.path()), Interrupt::never().unwrap());
    let parts = RunParts {
        rootfs: &rootfs,
        parents: Parents { disk: &path("scratch"), memory: &path("cells") },
        output: &path("output"),
        deadline: Duration::from_secs(10),
        interrupt: &interrupt,
        family: &family,
        pulse: &Pulse::start().unwrap(),
        suspects: &Suspects::default(),
    };
    let bare = runtime::ALL.iter().copied().find(|one| !one.is_oci()).unwrap();
    let found = runtime::find(bare, None, None, &programs, &family).unwrap();
    let mut group = criterion.benchmark_group("cell");
    group.sample_size(50).measurement_time(Duration::from_secs(3));
    group.bench_function("command", |bencher| {
        bencher.iter(|| Command::new(&programs.emit).arg(path("alone")).status().unwrap());
    });
    for &strategy in strategy::ALL {
        let capturer = Capturer::built_in(strategy, &programs.crun_capture);
        let mut cell = any_cell(&capturer);
        std::sync::Arc::make_mut(&mut cell.case).script = script.clone();
        let expected = ExpectedEnd { code: 0, runtime_error: false, starts: true, may_be_refused: false };
        group.bench_function(strategy.name(), |bencher| {
            bencher.iter(|| black_box(cell::run(&cell, expected, &found, &capturer, &parts).unwrap()));
        });
    }
    group.finish();
}

/// Any cell that does not measure time. Its script is replaced.
fn any_cell(capturer: &Capturer) -> crun_capture::plan::Cell {
    let matrix = Matrix {
        runtimes: &["bare".to_owned()],
        capturers: std::slice::from_ref(capturer),
        selection: &Selection::Everything,
        runs: 1,
        quick: true,
        seed: 1,
    };
    matrix.cells().into_iter().find(|cell| !cell.experiment.measures_time).unwrap()
}

criterion_group!(benches, cell_overhead);
criterion_main!(benches);
