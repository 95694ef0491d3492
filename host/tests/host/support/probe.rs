//! The probe and other guests as components, built with the same Cargo and into the same target
//! directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The probe's file; the first call builds it.
pub(crate) fn probe() -> &'static Path {
    static PROBE: OnceLock<PathBuf> = OnceLock::new();
    PROBE.get_or_init(|| build("talkif-host-probe"))
}

/// Where the probe's file lies.
pub(crate) fn probe_directory() -> PathBuf {
    target_directory().join("wasm32-wasip2/guest")
}

/// Builds the guest of `package` and returns its file.
pub(crate) fn build(package: &str) -> PathBuf {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "-p", package, "--target", "wasm32-wasip2", "--profile", "guest"])
        .arg("--target-dir")
        .arg(target_directory())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(status.success(), "{package} does not build");
    probe_directory().join(format!("{}.wasm", package.replace('-', "_")))
}

/// Cargo puts this test into `<target>/<profile>/deps`.
fn target_directory() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}
