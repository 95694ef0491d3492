//! The media path of a call in steady state asks the allocator for nothing, whoever loses packets.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(dead_code, unreachable_pub, reason = "shared with the example that measures")]

#[path = "support/call.rs"]
mod call;
#[path = "support/counting.rs"]
mod counting;

use call::{Call, down_from_48k, voice};
use counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations in 500 frames after a start of 500, with every `lost`-th packet lost.
fn in_steady_state(lost: u64) -> u64 {
    let mut call = Call::new();
    let talk: Vec<_> = (0..1_000).map(voice).collect();
    let mut before = 0;
    for (n, talk) in (0..).zip(&talk) {
        if n == 500 {
            before = allocations();
        }
        call.far_end_sends(talk);
        if n % lost != lost - 1 {
            call.take();
        }
        call.play();
        call.listen();
        call.answer(talk);
    }
    allocations() - before
}

#[test]
fn a_clean_line_allocates_nothing() {
    assert_eq!(in_steady_state(u64::MAX), 0);
}

#[test]
fn a_lossy_line_allocates_nothing() {
    assert_eq!(in_steady_state(9), 0);
}

#[test]
fn resampling_allocates_nothing() {
    let (mut resampler, mut out) = (down_from_48k(), Vec::with_capacity(160));
    let frame = [1_000; 960];
    resampler.process(&frame, &mut out);
    let before = allocations();
    for _ in 0..100 {
        out.clear();
        resampler.process(&frame, &mut out);
    }
    assert_eq!((allocations() - before, out.len()), (0, 160));
}
