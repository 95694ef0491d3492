//! The HTTP/1.1 server in front of the components.

mod body;
mod headers;
mod respond;

use crate::app::App;
use crate::options::Options;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use respond::Front;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// How long a client may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// The longest request body, in bytes.
    pub max_body: usize,
    /// Requests in flight.
    pub max_requests: usize,
    /// Connections at the same time.
    pub max_connections: usize,
    /// How long requests in flight may go on after the server was told to stop.
    pub shutdown_timeout: Duration,
}

impl From<&Options> for ServerLimits {
    fn from(options: &Options) -> ServerLimits {
        ServerLimits {
            request_timeout: options.request_timeout,
            max_body: options.max_body,
            max_requests: options.max_requests,
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
    let connections = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    while let Some((stream, client)) = accept(&listener, &shutdown).await {
        let Some(Ok(slot)) = shutdown.run_until_cancelled(Arc::clone(&slots).acquire_owned()).await else {
            break;
        };
        let connection = connections.watch(connection(Arc::clone(&front), stream, client));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("connection ended: {error}");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.shutdown_timeout, connections.shutdown()).await.is_err() {
        tracing::warn!("requests were still in flight when the time to stop was up");
    }
    stopped.cancel();
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
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    // Without this a chunked response waits for the client's delayed acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot switch off the delay of small packets: {error}");
    }
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { front.answer(request, client).await }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
}
