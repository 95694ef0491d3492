//! The SIP endpoint: its sockets, and which call a request belongs to. What may get as far as
//! this is decided in `gate`.

use super::admission::Admission;
use super::auth::Authenticator;
use super::callers::Callers;
use super::config::DirectConfig;
use super::gate::{Door, Gate, GuardedSocket, Refusal, Streams, names_a_call};
use super::ports::Ports;
use super::{StartError, inbound, roots};
use crate::port::IncomingCall;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::platform::mpsc::UnboundedReceiver;
use rsipstack::sip::{Header, Method, StatusCode};
use rsipstack::transaction::endpoint::{Endpoint, EndpointBuilder, EndpointInnerRef, EndpointOption};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::tls::TlsConfig;
use rsipstack::transport::udp::{UdpConnection, UdpInner};
use rsipstack::transport::{SipAddr, SipConnection, TransportLayer};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Methods we understand, for `Allow`.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, NOTIFY";
/// Attempts to find a port that is free for UDP and TCP.
const PORT_ATTEMPTS: usize = 20;
/// Room for messages that arrive while the stack is busy.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Calls that are hung up at the end get this long for their last word: a little more than what
/// each of them waits for.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What all calls share.
pub(super) struct Stack {
    pub(super) config: DirectConfig,
    pub(super) layer: Arc<DialogLayer>,
    pub(super) listens_at: SocketAddr,
    pub(super) ports: Ports,
    pub(super) admission: Admission,
    /// Calls we have dialled.
    pub(super) dialled: Arc<Callers>,
    pub(super) authenticator: Option<Authenticator>,
    pub(super) gate: Arc<Gate>,
    /// Calls that wait to be taken by `next_call`.
    pub(super) calls: mpsc::Sender<IncomingCall>,
    /// The control tasks of all calls.
    pub(super) tasks: TaskTracker,
    endpoint: Endpoint,
    /// No more calls, and those that are there hang up.
    closing: CancellationToken,
    /// No more SIP.
    stop: CancellationToken,
}

impl Stack {
    pub(super) async fn start(
        config: DirectConfig,
        calls: mpsc::Sender<IncomingCall>,
    ) -> Result<Arc<Self>, StartError> {
        let address = config.sip_listen;
        let listen = |source| StartError::Listen { address, source };
        let (udp, tcp) = bind(address).await.map_err(listen)?;
        let listens_at = udp.local_addr().map_err(listen)?;
        let stop = CancellationToken::new();
        let gate = Arc::new(Gate::new(&config.inbound, Instant::now()));
        let streams = Arc::new(Streams::new(gate.clone(), config.inbound.limits));
        let door = Door::new(gate.clone(), streams.clone());
        let behind_the_door = door.stack.clone();
        let udp = GuardedSocket { socket: udp, gate: gate.clone() };
        let endpoint = endpoint(&config, udp, listens_at, door, &stop).await;
        let transactions =
            endpoint.incoming_transactions().map_err(|error| StartError::Stack(error.to_string()))?;
        let stack = Arc::new(Self {
            layer: Arc::new(DialogLayer::new(endpoint.inner.clone())),
            ports: Ports::new(listens_at.ip(), config.rtp_ports.clone()),
            admission: Admission::new(config.inbound.max_pending, config.inbound.max_pending_per_source),
            dialled: Arc::default(),
            authenticator: config.inbound.digest.clone().map(Authenticator::new),
            gate,
            listens_at,
            config,
            calls,
            tasks: TaskTracker::new(),
            endpoint,
            closing: CancellationToken::new(),
            stop,
        });
        // The door was made a moment ago, so nothing can have been set.
        let _ = behind_the_door.set(Arc::downgrade(&stack));
        stack.spawn(transactions, streams, tcp);
        Ok(stack)
    }

    fn spawn(
        self: &Arc<Self>,
        transactions: UnboundedReceiver<Transaction>,
        streams: Arc<Streams>,
        tcp: TcpListener,
    ) {
        let (endpoint, closing) = (self.endpoint.inner.clone(), self.closing.clone());
        tokio::spawn(async move {
            // However it ends, without an endpoint there are no calls.
            let _closing = closing.drop_guard();
            if let Err(error) = endpoint.serve().await {
                tracing::error!(%error, "the SIP endpoint stopped");
            }
        });
        let streams = streams.serve(tcp, self.advertised(), self.endpoint.inner.clone());
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(streams));
        let serving = serve(Arc::downgrade(self), transactions);
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(serving));
    }

    pub(super) fn endpoint(&self) -> &EndpointInnerRef {
        &self.endpoint.inner
    }

    /// Takes no more calls and hangs up those that are there; then SIP ends.
    pub(super) async fn close(&self) {
        self.begin_to_close();
        if timeout(LAST_WORDS, self.tasks.wait()).await.is_err() {
            tracing::warn!(calls = self.tasks.len(), "calls were left without a last word");
        }
        self.stop.cancel();
    }

    pub(super) fn begin_to_close(&self) {
        self.closing.cancel();
        self.tasks.close();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Ends when no more calls are taken.
    pub(super) async fn closing(&self) {
        self.closing.cancelled().await;
    }

    /// The address others are to send SIP to.
    pub(super) fn advertised(&self) -> SocketAddr {
        SocketAddr::new(self.config.advertised_ip, self.listens_at.port())
    }
}

/// Sockets of one port, which is free for UDP and TCP where any port will do.
async fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    let mut outcome = Err(io::Error::from(io::ErrorKind::AddrInUse));
    for _ in 0..PORT_ATTEMPTS {
        let udp = UdpSocket::bind(address).await?;
        // The kernel gives what it allows; less only means that a burst loses messages sooner.
        let _ = SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER);
        outcome = TcpListener::bind(udp.local_addr()?).await.map(|tcp| (udp, tcp));
        if outcome.is_ok() || address.port() != 0 {
            break;
        }
    }
    outcome
}

async fn endpoint(
    config: &DirectConfig,
    udp: GuardedSocket,
    listens_at: SocketAddr,
    door: Door,
    stop: &CancellationToken,
) -> Endpoint {
    let transport = TransportLayer::new(stop.child_token());
    let external = Some(SocketAddr::new(config.advertised_ip, listens_at.port()));
    let addr = SipAddr { r#type: Some(rsipstack::sip::Transport::Udp), addr: listens_at.into() };
    let udp = UdpInner { conn: Arc::new(udp), addr };
    let udp = UdpConnection::attach(udp, external, Some(stop.child_token())).await;
    transport.add_transport(SipConnection::Udp(udp));
    // Libraries of the process bring different cryptography; without a choice a TLS connection
    // panics. Who came first has chosen; that is fine.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let ca_certs = config.tls_roots.clone().or_else(roots::of_the_system);
    transport.set_tls_config(TlsConfig { ca_certs, ..TlsConfig::default() });
    let options =
        EndpointOption { callid_suffix: Some(config.advertised_ip.to_string()), ..EndpointOption::default() };
    EndpointBuilder::new()
        .with_user_agent(&config.user_agent)
        .with_cancel_token(stop.child_token())
        .with_transport_layer(transport)
        .with_transport_inspector(Box::new(door))
        .with_option(options)
        .build()
}

async fn serve(stack: Weak<Stack>, mut transactions: UnboundedReceiver<Transaction>) {
    while let Some(transaction) = transactions.recv().await {
        let Some(stack) = stack.upgrade() else { return };
        tokio::spawn(handle(stack, transaction));
    }
}

/// Gives a request to its dialog, or starts a new one. The door has answered all others.
async fn handle(stack: Arc<Stack>, mut transaction: Transaction) {
    if let Some(mut dialog) = stack.layer.match_dialog(&transaction) {
        if let Err(error) = dialog.handle(&mut transaction).await {
            tracing::debug!(%error, "a request inside a dialog failed");
        }
        if transaction.last_response.is_none() {
            not_now(&mut transaction).await;
        }
        return;
    }
    let starts_a_call = transaction.original.method == Method::Invite && !names_a_call(&transaction.original);
    if starts_a_call {
        return inbound::invited(&stack, transaction).await;
    }
    // Its call has ended since the door let it pass.
    if let Err(error) = transaction.reply(StatusCode::CallTransactionDoesNotExist).await {
        tracing::debug!(%error, "a request could not be answered");
    }
}

/// Answers what the stack passes over: most requests before the call is answered, and those that
/// come after later ones. Without an answer they would be repeated for half a minute.
async fn not_now(transaction: &mut Transaction) {
    if transaction.original.method == Method::Ack {
        return;
    }
    let Refusal { status, headers } = Refusal::not_now();
    if let Err(error) = transaction.reply_with(status, headers, None).await {
        tracing::debug!(%error, "a request could not be answered");
    }
}

/// The `Allow` header.
pub(super) fn allow() -> Header {
    Header::Allow(ALLOW.into())
}
