//! Entering a room: the signalling socket, the media sockets, and the connections to be.

use super::OpenError;
use super::peer::{Peer, Target};
use super::recovery::Refusal;
use super::shared::Sockets;
use super::signalling::{Signalling, refusal};
use http::Uri;
use livekit_protocol::JoinResponse;
use livekit_signaling::SignalError;
use std::net::SocketAddr;
use std::time::Instant;
use tokio::net::lookup_host;

/// A room that was entered.
pub(super) struct Entry {
    pub(super) signalling: Signalling,
    pub(super) join: JoinResponse,
    pub(super) peer: Peer,
    pub(super) sockets: Sockets,
}

/// Why a room was not entered.
#[derive(Debug, thiserror::Error)]
pub(super) enum EntryError {
    #[error("{0}")]
    Signalling(#[from] SignalError),
    #[error("LiveKit's address cannot be used: {0}")]
    Address(String),
    #[error(transparent)]
    Socket(#[from] std::io::Error),
}

impl EntryError {
    pub(super) fn refusal(&self) -> Refusal {
        match self {
            Self::Signalling(error) => refusal(error),
            Self::Address(_) | Self::Socket(_) => Refusal::Unreachable,
        }
    }
}

impl From<EntryError> for OpenError {
    fn from(error: EntryError) -> Self {
        match error {
            EntryError::Socket(error) => Self::Socket(error),
            other => Self::Signalling(other.to_string()),
        }
    }
}

/// Enters the room that `token` is for.
pub(super) async fn enter(url: &str, token: &str) -> Result<Entry, EntryError> {
    let server = resolve(url).await?;
    let sockets = Sockets::towards(server).await?;
    let (signalling, join) = Signalling::connect(url, token).await?;
    if join.participant.is_none() {
        return Err(EntryError::Address("it speaks another protocol".to_owned()));
    }
    let local = |target| sockets.of(target).local_addr();
    let peer = Peer::new(local(Target::Publisher)?, local(Target::Subscriber)?, Instant::now());
    let peer = peer.map_err(|error| EntryError::Address(error.to_string()))?;
    Ok(Entry { signalling, join, peer, sockets })
}

/// The address of the server's HTTP port, which shows the way to its media.
async fn resolve(url: &str) -> Result<SocketAddr, EntryError> {
    let uri: Uri =
        url.parse().map_err(|error: http::uri::InvalidUri| EntryError::Address(error.to_string()))?;
    let host = uri.host().ok_or_else(|| EntryError::Address("it names no host".to_owned()))?;
    let secure = matches!(uri.scheme_str(), Some("wss" | "https"));
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let mut found = lookup_host((host, port)).await?;
    found.next().ok_or_else(|| EntryError::Address(format!("there is no host {host}")))
}
