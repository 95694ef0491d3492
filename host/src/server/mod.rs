//! The HTTP/1.1 server in front of the components.

mod body;
mod connections;
mod headers;
mod refusal;
mod respond;

use crate::app::App;
use crate::options::Options;
use connections::{Connections, Place};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use respond::Front;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// How much longer than its request a response may take to be handed over.
const HAND_OVER: Duration = Duration::from_secs(1);
/// The longest request head, in bytes.
const MAX_HEAD: usize = 64 * 1024;
/// The most request headers.
const MAX_HEADERS: usize = 100;
/// How long to wait after the system could not accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the server allows.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// From the request's head to the response's head.
    pub request_timeout: Duration,
    /// From the end of one request to the end of the next one's head.
    pub header_timeout: Duration,
    /// From the request's head to the end of its body.
    pub body_timeout: Duration,
    /// The longest request body, in bytes.
    pub max_body: usize,
    /// Requests in flight.
    pub max_requests: usize,
    /// How long further ones wait.
    pub queue_timeout: Duration,
    /// Connections at the same time.
    pub max_connections: usize,
    /// How long requests in flight may go on after the server was told to stop.
    pub shutdown_timeout: Duration,
}

impl From<&Options> for ServerLimits {
    fn from(options: &Options) -> ServerLimits {
        ServerLimits {
            request_timeout: options.request_timeout,
            header_timeout: options.header_timeout,
            body_timeout: options.body_timeout,
            max_body: options.max_body,
            max_requests: options.max_requests,
            queue_timeout: options.queue_timeout,
            max_connections: options.max_connections,
            shutdown_timeout: options.shutdown_timeout,
        }
    }
}

/// Serves `app` on `listener` until `shutdown` is cancelled, then lets requests in flight finish
/// within the limit.
pub async fn serve(app: App, listener: TcpListener, limits: ServerLimits, shutdown: CancellationToken) {
    let stopped = app.stopped.clone();
    let front = Arc::new(Front::new(app, limits));
    let graceful = GracefulShutdown::new();
    let connections = Connections::new(limits.max_connections);
    while let Some((stream, client)) = accept(&listener, &shutdown).await {
        let Some(place) = shutdown.run_until_cancelled(connections.place()).await else { break };
        let connection = connection(Arc::clone(&front), stream, client, Arc::clone(&place), limits);
        let longest = limits.request_timeout + HAND_OVER;
        tokio::spawn(run(graceful.watch(connection), place, longest));
    }
    drop(listener);
    let finished = async {
        graceful.shutdown().await;
        front.finished().await;
    };
    if tokio::time::timeout(limits.shutdown_timeout, finished).await.is_err() {
        tracing::warn!("requests were still in flight when the time to stop was up");
    }
    stopped.cancel();
}

/// Serves a connection until it ends, has to make room, or holds a request for too long.
async fn run(connection: impl Future<Output = hyper::Result<()>>, place: Arc<Place>, longest: Duration) {
    tokio::select! {
        ended = connection => if let Err(error) = ended {
            tracing::debug!("connection ended: {error}");
        },
        () = place.closed() => tracing::debug!("an idle connection was closed for a new one"),
        () = place.overdue(longest) => tracing::debug!("a client did not read its response"),
    }
}

/// The next connection, or nothing once the server is to stop.
async fn accept(listener: &TcpListener, shutdown: &CancellationToken) -> Option<(TcpStream, SocketAddr)> {
    loop {
        match shutdown.run_until_cancelled(listener.accept()).await? {
            Ok(accepted) => return Some(accepted),
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn connection(
    front: Arc<Front>,
    stream: TcpStream,
    client: SocketAddr,
    place: Arc<Place>,
    limits: ServerLimits,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Without this a chunked response waits for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot switch off the delay of small packets: {error}");
    }
    let service = service_fn(move |request| {
        let (front, busy) = (Arc::clone(&front), place.busy());
        front.answer(request, client, busy)
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
}
