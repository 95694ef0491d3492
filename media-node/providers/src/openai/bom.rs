//! Byte order marks in front of an answer, which some services send.
//!
//! A stream of events may begin with one, but the client's reader of streams panics over it, with
//! the stream's text in its message. So they are taken away before it sees them.

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use futures::{FutureExt, Stream, StreamExt};
use std::task::{Context, Poll};
use tower_service::Service;

const MARK: &[u8] = b"\xef\xbb\xbf";

/// The client's transport. Answers come through it without marks.
#[derive(Debug, Clone)]
pub(super) struct Transport(pub(super) reqwest::Client);

impl Service<HttpRequestFactory> for Transport {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let client = self.0.clone();
        async move {
            let response = client.execute(request.build().await?).await.map_err(OpenAIError::Reqwest)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = reqwest::Body::wrap_stream(without_mark(response.bytes_stream()));
            let mut clean = http::Response::new(body);
            (*clean.status_mut(), *clean.headers_mut()) = (status, headers);
            Ok(clean.into())
        }
        .boxed()
    }
}

/// The bytes of a stream without the marks that it begins with, however the network cuts them.
pub fn without_mark<E>(pieces: impl Stream<Item = Result<Bytes, E>>) -> impl Stream<Item = Result<Bytes, E>> {
    // What has come while it may still be a mark; `None` once it is not.
    pieces.scan(Some(Vec::new()), |begun, piece| ready(Some(piece.map(|piece| strip(begun, piece)))))
}

fn strip(begun: &mut Option<Vec<u8>>, piece: Bytes) -> Bytes {
    let Some(mut bytes) = begun.take() else { return piece };
    bytes.extend(piece);
    while bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    if MARK.starts_with(&bytes) {
        *begun = Some(bytes);
        return Bytes::new();
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::executor::block_on;
    use futures::stream;
    use std::convert::Infallible;

    fn read(body: &[u8], piece: usize) -> Vec<u8> {
        let pieces = body.chunks(piece).map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece)));
        let pieces: Vec<_> = block_on(without_mark(stream::iter(pieces)).collect());
        pieces.into_iter().flat_map(Result::unwrap).collect()
    }

    #[test]
    fn marks_vanish_from_the_beginning_only_however_they_are_cut() {
        for piece in 1..8 {
            assert_eq!(read(b"\xef\xbb\xbfdata: a\xef\xbb\xbf", piece), b"data: a\xef\xbb\xbf");
            assert_eq!(read(b"\xef\xbb\xbf\xef\xbb\xbfdata", piece), b"data");
            assert_eq!(read(b"\xef\xbbdata", piece), b"\xef\xbbdata");
            assert_eq!(read(b"data", piece), b"data");
        }
    }
}
