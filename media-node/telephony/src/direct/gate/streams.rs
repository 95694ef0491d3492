//! TCP connections that others open: how many, and for how long without a word.
//!
//! A connection costs the stack two buffers of 64 KiB, so they are few. One that has not brought
//! a request worth having within the first seconds is closed: that ends those that trickle.

use super::{Gate, Standing};
use crate::direct::config::Limits;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::tcp::TcpConnection;
use rsipstack::transport::{SipAddr, SipConnection};
use socket2::SockRef;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream as Handle};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, sleep};

/// How often connections are looked at.
const ROUND: Duration = Duration::from_millis(500);
/// What a peer does not read within this time is lost, and its connection with it: otherwise
/// answers to it would pile up.
const UNREAD: Duration = Duration::from_secs(10);
/// After `accept` itself failed, usually for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections that are open.
#[derive(Debug)]
pub(in crate::direct) struct Streams {
    gate: Arc<Gate>,
    limits: Limits,
    open: Mutex<HashMap<SocketAddr, Open>>,
}

#[derive(Debug)]
struct Open {
    /// A second handle, by which the connection is closed under the stack's hands.
    handle: Handle,
    since: Instant,
    useful: bool,
}

impl Streams {
    pub(in crate::direct) fn new(gate: Arc<Gate>, limits: Limits) -> Self {
        Self { gate, limits, open: Mutex::default() }
    }

    /// Accepts connections for the stack until the future is dropped.
    pub(in crate::direct) async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        local: SocketAddr,
        endpoint: EndpointInnerRef,
    ) {
        let mut rounds = interval(ROUND);
        loop {
            tokio::select! {
                _ = rounds.tick() => self.close_the_useless(Instant::now()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, from)) => self.take(stream, from, local, &endpoint),
                    Err(error) => {
                        tracing::debug!(%error, "a SIP connection could not be accepted");
                        sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    fn take(&self, stream: TcpStream, from: SocketAddr, local: SocketAddr, endpoint: &EndpointInnerRef) {
        if !self.has_room(from.ip()) {
            self.gate.count_dropped();
            return;
        }
        let local = SipAddr { r#type: Some(rsipstack::sip::Transport::Tcp), addr: local.into() };
        let opened = self.register(stream, from).and_then(|stream| {
            TcpConnection::from_stream(stream, local, None)
                .map_err(|error| io::Error::other(error.to_string()))
        });
        match opened {
            Ok(connection) => endpoint.transport_layer.add_connection(SipConnection::Tcp(connection)),
            Err(error) => {
                self.open().remove(&from);
                tracing::debug!(%error, "a SIP connection could not be opened");
            }
        }
    }

    fn has_room(&self, from: IpAddr) -> bool {
        let welcome = self.gate.may_call(from) || self.gate.standing(from) != Standing::Stranger;
        let open = self.open();
        let of_source = open.keys().filter(|peer| peer.ip() == from).count();
        welcome && open.len() < self.limits.streams && of_source < self.limits.streams_per_source
    }

    fn register(&self, stream: TcpStream, from: SocketAddr) -> io::Result<TcpStream> {
        SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD))?;
        let stream = stream.into_std()?;
        let open = Open { handle: stream.try_clone()?, since: Instant::now(), useful: false };
        self.open().insert(from, open);
        TcpStream::from_std(stream)
    }

    /// Whether it is one of those that others opened.
    pub(super) fn know(&self, connection: &SipConnection) -> bool {
        peer(connection).is_some_and(|peer| self.open().contains_key(&peer))
    }

    /// The connection brought a request of a call.
    pub(super) fn note_useful(&self, connection: &SipConnection) {
        if let Some(peer) = peer(connection)
            && let Some(open) = self.open().get_mut(&peer)
        {
            open.useful = true;
        }
    }

    pub(super) fn close(&self, connection: &SipConnection) {
        if let Some(peer) = peer(connection)
            && let Some(open) = self.open().get(&peer)
        {
            open.close();
        }
    }

    /// The stack has let go of it.
    pub(super) fn closed(&self, connection: &SipConnection) {
        if let Some(peer) = peer(connection) {
            self.open().remove(&peer);
        }
    }

    fn close_the_useless(&self, now: Instant) {
        let patience = self.limits.first_request;
        let idle = |open: &&Open| !open.useful && now.saturating_duration_since(open.since) > patience;
        self.open().values().filter(idle).for_each(Open::close);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<SocketAddr, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn close(&self) {
        // An error means that it is closed already.
        let _ = self.handle.shutdown(Shutdown::Both);
    }
}

/// The far address of a TCP connection.
fn peer(connection: &SipConnection) -> Option<SocketAddr> {
    match connection {
        SipConnection::Tcp(_) => connection.get_remote_addr()?.get_socketaddr().ok(),
        _ => None,
    }
}
