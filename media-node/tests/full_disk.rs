//! The node's own log lies on a disk that is full.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::process::{Command, Stdio};

fn full() -> Stdio {
    // Writing to this device always fails with "no space left".
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn a_log_that_cannot_be_written_panics_nobody() {
    let mut node = Command::new(env!("CARGO_BIN_EXE_talkif-node"));
    // Without configuration it says so, and ends.
    let status = node.env_clear().stdin(Stdio::null()).stdout(full()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(1), "a panic ends with 101");
}
