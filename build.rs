//! Sees to it that the harness has a static workload, however it is built.
//!
//! In this checkout `.cargo/config.toml` makes every program static. `cargo install` from elsewhere does not read that
//! file; then the workload is built once more here, static, and goes into the harness (`src/runtime/find.rs`).

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Set for the inner build, so that it does not build itself again.
const INNER: &str = "CRUN_CAPTURE_INNER_BUILD";

fn main() {
    println!("cargo::rerun-if-env-changed={INNER}");
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=crates/reactor/src");
    println!("cargo::rustc-check-cfg=cfg(embedded_emit)");
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let is_static = features.split(',').any(|feature| feature == "crt-static");
    if is_static || env::var_os(INNER).is_some() {
        return;
    }
    let (target, out) = (variable("TARGET"), PathBuf::from(variable("OUT_DIR")));
    let status = Command::new(variable("CARGO"))
        .args(["build", "--release", "--bin", "crun-capture-emit", "--target", &target, "--target-dir"])
        .arg(out.join("emit"))
        .arg("--manifest-path")
        .arg(PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .env(INNER, "1")
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env_remove("CARGO_BUILD_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo starts, since it runs this");
    assert!(status.success(), "the static workload cannot be built: is there a static libc (glibc-static, musl-dev)?");
    let emit = out.join("emit").join(target).join("release/crun-capture-emit");
    println!("cargo::rustc-env=CRUN_CAPTURE_EMBEDDED_EMIT={}", emit.display());
    println!("cargo::rustc-cfg=embedded_emit");
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("cargo sets {name} for a build script"))
}
