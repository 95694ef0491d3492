//! One call: the engine, its leg and its providers on a 20 ms clock, with recording.
//!
//! [`job`] is what the workers hand in and what a session reports while it runs.

pub mod job;
