//! Request bodies with a limit, on their way to a guest.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wasmtime_wasi_http::{Error, WasiBody};

/// Whether a body turned out longer than allowed, known only once it has been read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrun(Arc<AtomicBool>);

impl Overrun {
    /// Whether the limit was reached so far.
    pub(crate) fn happened(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether the client announced more than `limit` bytes.
pub(crate) fn announces_more_than(body: &Incoming, limit: usize) -> bool {
    body.size_hint().lower() > limit as u64
}

/// The body, ending in an error after `limit` bytes.
pub(crate) fn limited(body: Incoming, limit: usize) -> (WasiBody, Overrun) {
    let overrun = Overrun::default();
    let seen = overrun.clone();
    let body = Limited::new(body, limit).map_err(move |error| {
        if error.is::<LengthLimitError>() {
            seen.0.store(true, Ordering::Relaxed);
            return Error::HttpRequestBodySize(Some(limit as u64));
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => Error::Hyper(*error),
            Err(other) => Error::InternalError(Some(other.to_string())),
        }
    });
    (body.boxed_unsync(), overrun)
}

/// A body of nothing.
pub(crate) fn empty() -> WasiBody {
    full("")
}

/// A short text.
pub(crate) fn full(text: &'static str) -> WasiBody {
    http_body_util::Full::new(Bytes::from_static(text.as_bytes())).map_err(Error::from).boxed_unsync()
}
