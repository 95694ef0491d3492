//! The ways in which a guest can be a bad neighbour.

use crate::{Answer, text};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use spin_sdk::wasip3::clocks::monotonic_clock;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Writes a line to each output stream.
pub(crate) fn print() -> Answer {
    println!("a line on standard output");
    eprintln!("a line on standard error");
    text(200, "printed".to_owned())
}

/// Traps.
pub(crate) fn panic() -> Answer {
    panic!("the guest was asked to panic")
}

/// Never yields.
pub(crate) fn spin() -> Answer {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

/// Holds `mib` mebibytes at once.
pub(crate) fn allocate(mib: u64) -> Answer {
    let blocks: Vec<Vec<u8>> = (0..mib).map(|_| vec![1_u8; 1 << 20]).collect();
    text(200, blocks.iter().map(Vec::len).sum::<usize>().to_string())
}

/// An answer that never ends.
pub(crate) fn endless() -> Answer {
    http::Response::new(Endless.boxed_unsync())
}

/// A body that is always ready to give more.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

/// Answers after `ms` milliseconds.
pub(crate) async fn sleep(ms: u64) -> Answer {
    monotonic_clock::wait_for(ms * 1_000_000).await;
    text(200, "slept".to_owned())
}
