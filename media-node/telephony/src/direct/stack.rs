//! The SIP endpoint: its sockets, and which call a request belongs to.

use super::auth::Authenticator;
use super::config::DirectConfig;
use super::pending::Pending;
use super::ports::Ports;
use super::{StartError, inbound};
use crate::port::IncomingCall;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::platform::mpsc::UnboundedReceiver;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::{Header, Method, StatusCode};
use rsipstack::transaction::endpoint::{Endpoint, EndpointBuilder, EndpointOption};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::tcp_listener::TcpListenerConnection;
use rsipstack::transport::tls::TlsConfig;
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use rsipstack::transport::{SipAddr, SipConnection, TransportLayer};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Methods we understand, for `Allow`.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";
/// Attempts to find a port that is free for UDP and TCP.
const PORT_ATTEMPTS: usize = 20;

/// What all calls share.
pub(super) struct Stack {
    pub(super) config: DirectConfig,
    pub(super) layer: Arc<DialogLayer>,
    pub(super) listens_at: SocketAddr,
    pub(super) ports: Ports,
    pub(super) pending: Arc<Pending>,
    pub(super) authenticator: Option<Authenticator>,
    /// Calls that wait to be taken by `next_call`.
    pub(super) calls: mpsc::Sender<IncomingCall>,
    endpoint: Endpoint,
    stop: CancellationToken,
}

impl Stack {
    pub(super) async fn start(
        config: DirectConfig,
        calls: mpsc::Sender<IncomingCall>,
    ) -> Result<Arc<Self>, StartError> {
        let address = config.sip_listen;
        let udp = bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let listens_at = udp.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let stop = CancellationToken::new();
        let endpoint = endpoint(&config, udp, listens_at, &stop).await?;
        let transactions =
            endpoint.incoming_transactions().map_err(|error| StartError::Stack(error.to_string()))?;
        let stack = Arc::new(Self {
            layer: Arc::new(DialogLayer::new(endpoint.inner.clone())),
            ports: Ports::new(listens_at.ip(), config.rtp_ports.clone()),
            pending: Pending::new(config.inbound.max_pending, config.inbound.max_pending_per_source),
            authenticator: config.inbound.digest.clone().map(Authenticator::new),
            listens_at,
            config,
            calls,
            endpoint,
            stop,
        });
        stack.spawn(transactions);
        Ok(stack)
    }

    fn spawn(self: &Arc<Self>, transactions: UnboundedReceiver<Transaction>) {
        let endpoint = self.endpoint.inner.clone();
        tokio::spawn(async move {
            if let Err(error) = endpoint.serve().await {
                tracing::error!(%error, "the SIP endpoint stopped");
            }
        });
        let serving = serve(self.clone(), transactions);
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(serving));
    }

    pub(super) fn shutdown(&self) {
        self.stop.cancel();
    }

    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// The address others are to send SIP to.
    pub(super) fn advertised(&self) -> SocketAddr {
        SocketAddr::new(self.config.advertised_ip, self.listens_at.port())
    }
}

/// A UDP socket whose port is free for TCP as well, where any port will do.
async fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let mut outcome = Err(io::Error::from(io::ErrorKind::AddrInUse));
    for _ in 0..PORT_ATTEMPTS {
        let udp = UdpSocket::bind(address).await?;
        // Only a probe: the stack binds its TCP listener itself.
        outcome = TcpListener::bind(udp.local_addr()?).await.map(|_| udp);
        if outcome.is_ok() || address.port() != 0 {
            break;
        }
    }
    outcome
}

async fn endpoint(
    config: &DirectConfig,
    udp: UdpSocket,
    listens_at: SocketAddr,
    stop: &CancellationToken,
) -> Result<Endpoint, StartError> {
    let transport = TransportLayer::new(stop.child_token());
    let external = Some(SocketAddr::new(config.advertised_ip, listens_at.port()));
    let addr = SipAddr { r#type: Some(rsipstack::sip::Transport::Udp), addr: listens_at.into() };
    let udp = UdpInner { conn: Arc::new(udp), addr };
    let udp = UdpConnection::attach(udp, external, Some(stop.child_token())).await;
    transport.add_transport(SipConnection::Udp(udp));
    let tcp = TcpListenerConnection::new(listens_at, external).await;
    let tcp = tcp.map_err(|error| StartError::Stack(error.to_string()))?;
    transport.add_transport(SipConnection::TcpListener(tcp));
    transport.set_tls_config(TlsConfig { ca_certs: config.tls_roots.clone(), ..TlsConfig::default() });
    let options =
        EndpointOption { callid_suffix: Some(config.advertised_ip.to_string()), ..EndpointOption::default() };
    Ok(EndpointBuilder::new()
        .with_user_agent(&config.user_agent)
        .with_cancel_token(stop.child_token())
        .with_transport_layer(transport)
        .with_option(options)
        .build())
}

async fn serve(stack: Arc<Stack>, mut transactions: UnboundedReceiver<Transaction>) {
    while let Some(transaction) = transactions.recv().await {
        tokio::spawn(handle(stack.clone(), transaction));
    }
}

/// Gives a request to its dialog, or starts a new one.
async fn handle(stack: Arc<Stack>, mut transaction: Transaction) {
    if let Some(mut dialog) = stack.layer.match_dialog(&transaction) {
        if let Err(error) = dialog.handle(&mut transaction).await {
            tracing::debug!(%error, "a request inside a dialog failed");
        }
        return;
    }
    let in_dialog = transaction.original.to_header().is_ok_and(|to| matches!(to.tag(), Ok(Some(_))));
    let outcome = match transaction.original.method {
        Method::Ack => Ok(()),
        _ if in_dialog => transaction.reply(StatusCode::CallTransactionDoesNotExist).await,
        Method::Invite => return inbound::invited(&stack, transaction).await,
        Method::Options => transaction.reply_with(StatusCode::OK, vec![allow()], None).await,
        _ => transaction.reply_with(StatusCode::MethodNotAllowed, vec![allow()], None).await,
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a request could not be answered");
    }
}

/// The `Allow` header.
pub(super) fn allow() -> Header {
    Header::Allow(ALLOW.into())
}
