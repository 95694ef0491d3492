//! Whole calls in virtual time. Each test plays a script and compares the timeline with the
//! recorded one: read `snapshots/` as you would read a transcript.
//!
//! To add one: a script under its name in the module it belongs to, then
//! `INSTA_UPDATE=always cargo test -p talkif-call-engine`, then read what was recorded.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../support/mod.rs"]
mod support;

/// A test that plays a script and compares its timeline.
macro_rules! call {
    ($(#[$meta:meta])* $name:ident, $scenario:expr) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(stringify!($name), $scenario.timeline());
            });
        }
    };
}

mod barge_in;
mod conversation;
mod ends;
mod transfers;
mod trouble;
mod turns;
