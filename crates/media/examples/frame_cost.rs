//! What 20 ms of one call cost in the media path, step by step.
//!
//! `cargo run -p talkif-media --release --example frame_cost` prints nanoseconds and allocations
//! a frame. A call has 50 frames a second each way.

#![allow(clippy::unwrap_used, reason = "a measurement, not a product")]
#![allow(dead_code, unreachable_pub, reason = "shared with the test of allocations")]

#[path = "../tests/support/call.rs"]
mod call;
#[path = "../tests/support/counting.rs"]
mod counting;

use call::{Call, down_from_48k, voice};
use counting::{Counting, allocations};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const WARM_UP: u64 = 2_000;
const FRAMES: u64 = 50_000;

/// Time and allocations of one step, over all frames.
#[derive(Default)]
struct Cost {
    time: Duration,
    allocations: u64,
}

impl Cost {
    fn measure(&mut self, step: impl FnOnce()) {
        let (before, start) = (allocations(), Instant::now());
        step();
        self.time += start.elapsed();
        self.allocations += allocations() - before;
    }

    fn report(&self, name: &str) {
        let nanos = self.time.as_nanos() / u128::from(FRAMES);
        #[expect(clippy::cast_precision_loss, reason = "counts of a short run")]
        let allocations = self.allocations as f64 / FRAMES as f64;
        println!("{name:<34}{nanos:>8} ns a frame {allocations:>8.3} allocations a frame");
    }
}

fn main() {
    let talk: Vec<_> = (0..1_000).map(voice).collect();
    for (name, lost) in [("a clean line", u64::MAX), ("one packet in twenty lost", 20)] {
        println!("{name}");
        run(&talk, lost);
    }
    resampling();
}

fn run(talk: &[[i16; 160]], lost: u64) {
    let mut call = Call::new();
    let mut costs: [Cost; 5] = Default::default();
    for n in 0..WARM_UP + FRAMES {
        if n == WARM_UP {
            costs = Default::default();
        }
        let talk = &talk[usize::try_from(n % 1_000).unwrap()];
        let [take, play, listen, answer, all] = &mut costs;
        call.far_end_sends(talk);
        all.measure(|| {
            take.measure(|| {
                if n % lost != lost - 1 {
                    call.take();
                }
            });
            play.measure(|| call.play());
            listen.measure(|| call.listen());
            answer.measure(|| call.answer(talk));
        });
    }
    let names =
        ["  parse, decode, buffer", "  play out, conceal", "  voice activity", "  encode, stamp", "  all"];
    for (name, cost) in names.iter().zip(&costs) {
        cost.report(name);
    }
}

fn resampling() {
    let (mut resampler, mut out, mut cost) = (down_from_48k(), Vec::with_capacity(160), Cost::default());
    let frame = [1_000; 960];
    resampler.process(&frame, &mut out);
    for _ in 0..FRAMES {
        out.clear();
        cost.measure(|| resampler.process(&frame, &mut out));
    }
    cost.report("resampling 48 to 8 kHz");
}
