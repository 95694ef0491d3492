//! Servers that speak a vendor's protocol by script: one closure per test says what happens on
//! the first connection, the second, and so on.

#![allow(dead_code, reason = "each test file uses some of this")]

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::Uri;
use axum::response::IntoResponse;
use axum::routing::any;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// No test waits longer for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(5);

/// A server on a free port; gone with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

pub(crate) async fn serve(router: Router, connections: Arc<AtomicUsize>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { address, connections, task }
}

/// A WebSocket server. `script` gets the connection's number from 0, the request's address and the
/// socket.
pub(crate) async fn websocket_server<S, F>(script: S) -> Server
where
    S: Fn(usize, String, WebSocket) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    let handler = move |uri: Uri, upgrade: WebSocketUpgrade| {
        let number = counter.fetch_add(1, Ordering::SeqCst);
        let script = script.clone();
        async move { upgrade.on_upgrade(move |socket| script(number, uri.to_string(), socket)).into_response() }
    };
    serve(Router::new().fallback(any(handler)), connections).await
}

/// The next text or binary message; `None` when the client is gone.
pub(crate) async fn next_message(socket: &mut WebSocket) -> Option<Message> {
    loop {
        match socket.recv().await?.ok()? {
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return None,
            message => return Some(message),
        }
    }
}

pub(crate) async fn send(socket: &mut WebSocket, value: serde_json::Value) {
    socket.send(Message::text(value.to_string())).await.unwrap();
}

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("nothing happened for 5 s")
}
