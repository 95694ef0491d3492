//! Bodies on their way to a guest and from it: a request's has a limit and a deadline, a
//! response's keeps what its request holds until it has been handed over.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::{Error, WasiBody};

/// What turned out to be wrong with a body, known only while it is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault(Arc<AtomicU8>);

const TOO_LONG: u8 = 1;
const TOO_SLOW: u8 = 2;

impl Fault {
    /// Whether the limit was reached so far.
    pub(super) fn too_long(&self) -> bool {
        self.0.load(Ordering::Relaxed) == TOO_LONG
    }

    /// Whether the deadline passed while somebody waited for more.
    pub(super) fn too_slow(&self) -> bool {
        self.0.load(Ordering::Relaxed) == TOO_SLOW
    }
}

/// Whether the client announced more than `limit` bytes.
pub(super) fn announces_more_than(body: &Incoming, limit: usize) -> bool {
    body.size_hint().lower() > limit as u64
}

/// The body, ending in an error after `limit` bytes or at the `deadline`.
pub(super) fn bounded(body: Incoming, limit: usize, deadline: Instant) -> (WasiBody, Fault) {
    let fault = Fault::default();
    let bounded = Bounded {
        body: Limited::new(body, limit),
        limit,
        timer: Box::pin(sleep_until(deadline)),
        fault: fault.clone(),
    };
    (bounded.boxed_unsync(), fault)
}

struct Bounded {
    body: Limited<Incoming>,
    limit: usize,
    timer: Pin<Box<Sleep>>,
    fault: Fault,
}

impl Bounded {
    fn failed(&self, error: Box<dyn std::error::Error + Send + Sync>) -> Error {
        if error.is::<LengthLimitError>() {
            self.fault.0.store(TOO_LONG, Ordering::Relaxed);
            return Error::HttpRequestBodySize(Some(self.limit as u64));
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => Error::Hyper(*error),
            Err(other) => Error::InternalError(Some(other.to_string())),
        }
    }
}

impl Body for Bounded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(|error| self.failed(error))));
        }
        ready!(self.timer.as_mut().poll(cx));
        self.fault.0.store(TOO_SLOW, Ordering::Relaxed);
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// `body`, and what is to be held until it has been handed over or given up.
pub(super) fn holding(body: WasiBody, held: impl Send + Unpin + 'static) -> WasiBody {
    Holding { body, _held: held }.boxed_unsync()
}

struct Holding<H> {
    body: WasiBody,
    _held: H,
}

impl<H: Unpin> Body for Holding<H> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A short text.
pub(super) fn full(text: &'static str) -> WasiBody {
    http_body_util::Full::new(Bytes::from_static(text.as_bytes())).map_err(Error::from).boxed_unsync()
}
