//! The WebSocket under LiveKit's signalling client.
//!
//! The client's own keeps 128 KiB for each socket and clears them before every read, and lets two
//! messages in a row wait for each other's acknowledgement. A call exchanges some fifty messages
//! of a few kilobytes, most of them while somebody waits for it to begin.

use async_trait::async_trait;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use livekit_net::{Header, TransportError, WsClient, WsConnectResult, WsConnection, set_ws_client};
use std::sync::{Arc, Once};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, Request};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Read at a time: a session description and its message.
const READ: usize = 8 * 1_024;
/// A room of two people and an agent never fills this.
const MAX_MESSAGE: usize = 1 << 20;

/// Has the signalling client use this socket, in the whole process.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Libraries of the process bring different cryptography; without a choice a TLS connection
        // panics. Whoever was first has chosen for all.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        set_ws_client(Arc::new(Sockets));
    });
}

struct Sockets;

#[async_trait]
impl WsClient for Sockets {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let request = request(url, headers).map_err(TransportError::Other)?;
        let connecting = connect_async_with_config(request, Some(limits()), true);
        let connected = timeout(Duration::from_millis(timeout_ms), connecting).await;
        let (stream, _) = connected.map_err(|_| TransportError::Timeout)?.map_err(refused)?;
        let (writer, reader) = stream.split();
        let connection = Arc::new(Socket { writer: Mutex::new(writer), reader: Mutex::new(reader) });
        Ok(WsConnectResult { connection })
    }
}

fn request(url: String, headers: Vec<Header>) -> Result<Request<()>, String> {
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    for Header { name, value } in headers {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = HeaderValue::try_from(value).map_err(|error| error.to_string())?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE))
}

/// The client asks the server for its reasons only after an answer in HTTP.
fn refused(error: Error) -> TransportError {
    match error {
        Error::Http(response) => TransportError::Http { status: response.status().as_u16() },
        other => TransportError::Connection(other.to_string()),
    }
}

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One socket. Reading and writing do not wait for each other.
struct Socket {
    writer: Mutex<SplitSink<Stream, Message>>,
    reader: Mutex<SplitStream<Stream>>,
}

#[async_trait]
impl WsConnection for Socket {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        let sent = self.writer.lock().await.send(Message::Binary(frame.into())).await;
        sent.map_err(|error| TransportError::Connection(error.to_string()))
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut reader = self.reader.lock().await;
        loop {
            match reader.next().await {
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes.into())),
                // The library's answer to a ping goes out with the next thing that is sent.
                Some(Ok(Message::Ping(_))) => drop(self.writer.lock().await.flush().await),
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                Some(Err(error)) if is_end(&error) => return Ok(None),
                Some(Err(error)) => return Err(TransportError::Connection(error.to_string())),
            }
        }
    }

    async fn close(&self) {
        // The socket may be gone already.
        let _ = self.writer.lock().await.close().await;
    }
}

/// Servers that go down do not say goodbye.
fn is_end(error: &Error) -> bool {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => true,
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        Error::Io(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}
