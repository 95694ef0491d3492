//! The system from outside: the built programs, started as a user starts them.
//!
//! The tests find the programs in the target folder they were built into; `./talkif test`
//! builds them first.

pub mod marks;

use std::path::PathBuf;
use std::process::Command;

/// The built `talkif`.
///
/// # Panics
/// If it has not been built: run `./talkif test`.
#[must_use]
pub fn talkif() -> Command {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = test.ancestors().nth(2).expect("tests lie in target/debug/deps").to_owned();
    let program = folder.join("talkif");
    assert!(program.exists(), "{} is not built: run ./talkif test", program.display());
    let mut command = Command::new(program);
    command.env("TALKIF_HOME", home());
    command
}

/// The project's folder.
#[must_use]
pub fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the project").to_owned()
}
