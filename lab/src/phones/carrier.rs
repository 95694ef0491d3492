//! The trunk: one SIP socket, all numbers behind it.

use super::incoming;
use super::line::RtpPorts;
use super::log::CallLog;
use super::{PhoneBook, outgoing};
use rsipstack::EndpointBuilder;
use rsipstack::dialog::authenticate::verify_digest;
use rsipstack::dialog::dialog::Dialog;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::sip::prelude::HeadersExt;
use rsipstack::sip::typed::Authorization;
use rsipstack::sip::{Header, Method, Request, StatusCode, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const REALM: &str = "lab";
/// How long the dialogs may take to say goodbye when the lab stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Credentials that callers of the trunk need.
#[derive(Clone)]
pub struct Trunk {
    /// Digest user.
    pub user: String,
    /// Digest password.
    pub password: String,
}

impl std::fmt::Debug for Trunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trunk").finish_non_exhaustive()
    }
}

/// How the carrier is set up.
#[derive(Debug, Clone)]
pub struct CarrierOptions {
    /// Where SIP listens; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// RTP ports; `None` lets the system choose.
    pub rtp_ports: Option<RangeInclusive<u16>>,
    /// Without it nobody is challenged.
    pub trunk: Option<Trunk>,
    /// How long phones ring unless they say otherwise.
    pub ring: Duration,
}

/// The carrier could not start or place a call.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// SIP failed.
    #[error("sip: {0}")]
    Sip(String),
    /// A socket failed.
    #[error("media: {0}")]
    Media(#[from] std::io::Error),
}

impl From<rsipstack::Error> for CarrierError {
    fn from(error: rsipstack::Error) -> Self {
        Self::Sip(error.to_string())
    }
}

/// The running carrier. Cloning it makes another handle.
#[derive(Clone)]
pub struct Carrier {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) options: CarrierOptions,
    pub(super) address: SocketAddr,
    pub(super) layer: Arc<DialogLayer>,
    pub(super) phones: Arc<PhoneBook>,
    pub(super) log: CallLog,
    pub(super) ports: RtpPorts,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Carrier {
    /// Binds the SIP socket and begins to answer.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn start(
        options: CarrierOptions,
        phones: Arc<PhoneBook>,
        log: CallLog,
    ) -> Result<Self, CarrierError> {
        let stop = CancellationToken::new();
        let transport = TransportLayer::new(stop.clone());
        let udp = UdpConnection::create_connection(options.listen, None, Some(stop.child_token())).await?;
        let port = udp.get_addr().addr.port.map_or(0, u16::from);
        let address = SocketAddr::new(options.listen.ip(), port);
        transport.add_transport(udp.into());
        let endpoint = EndpointBuilder::new()
            .with_user_agent("talkif-lab")
            .with_transport_layer(transport)
            .with_cancel_token(stop.clone())
            .build();
        let incoming = endpoint.incoming_transactions()?;
        let layer = Arc::new(DialogLayer::new(endpoint.inner.clone()));
        let ports = RtpPorts::new(options.rtp_ports.clone());
        let tasks = TaskTracker::new();
        let inner = Arc::new(Inner { options, address, layer, phones, log, ports, stop, tasks });
        inner.tasks.spawn(async move { endpoint.serve().await });
        inner.spawn(Arc::clone(&inner).serve(incoming));
        Ok(Self { inner })
    }

    /// Where SIP listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.inner.address
    }

    /// Places a call into the product; the log tells how it goes.
    ///
    /// # Errors
    /// If the target is no SIP address or no RTP port is free.
    pub async fn place(&self, placement: outgoing::Placement) -> Result<(), CarrierError> {
        outgoing::place(&self.inner, placement).await
    }

    /// Stops; calls in progress are cut.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        let _ = tokio::time::timeout(DRAIN, self.inner.tasks.wait()).await;
    }
}

impl Inner {
    async fn serve(self: Arc<Self>, mut incoming: TransactionReceiver) {
        while let Some(transaction) = incoming.recv().await {
            self.spawn(Arc::clone(&self).handle(transaction));
        }
    }

    /// Runs a task that ends when the carrier stops.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    async fn handle(self: Arc<Self>, mut transaction: Transaction) {
        if let Some(dialog) = self.layer.match_dialog(&transaction) {
            return handle_inside(dialog, transaction).await;
        }
        match transaction.original.method {
            Method::Invite => incoming::answer(self, transaction).await,
            Method::Options => refuse(transaction, StatusCode::OK, Vec::new()).await,
            Method::Ack => {}
            _ => {
                let _ = transaction.reply(StatusCode::CallTransactionDoesNotExist).await;
            }
        }
    }

    /// Checks the digest of an INVITE; `Err` holds the challenge to answer with, and whether
    /// credentials were given at all.
    pub(super) fn authenticate(&self, request: &Request) -> Result<(), (Header, bool)> {
        let Some(trunk) = &self.options.trunk else { return Ok(()) };
        let given = request.headers.iter().find_map(|header| match header {
            Header::ProxyAuthorization(value) => Some(value.value().trim()),
            _ => None,
        });
        let valid = given.is_some_and(|value| {
            Authorization::parse(value).is_ok_and(|auth| {
                auth.username == trunk.user && verify_digest(&auth, &trunk.password, &Method::Invite, value)
            })
        });
        if valid {
            return Ok(());
        }
        let nonce = format!("{:032x}", rand::random::<u128>());
        let challenge = format!(r#"Digest realm="{REALM}", nonce="{nonce}", algorithm=MD5, qop="auth""#);
        Err((Header::ProxyAuthenticate(challenge.into()), given.is_some()))
    }

    /// A SIP address at this carrier.
    pub(super) fn uri(&self, number: &str) -> Result<Uri, CarrierError> {
        let text = format!("sip:{number}@{}", self.address);
        Uri::try_from(text.as_str()).map_err(|error| CarrierError::Sip(error.to_string()))
    }

    pub(super) fn media_address(&self) -> IpAddr {
        self.address.ip()
    }
}

async fn handle_inside(mut dialog: Dialog, mut transaction: Transaction) {
    if let Err(error) = dialog.handle(&mut transaction).await {
        tracing::debug!(%error, "a request inside a dialog failed");
    }
}

/// Sends a final response and waits for what belongs to it (ACK, retransmissions).
pub(super) async fn refuse(mut transaction: Transaction, status: StatusCode, headers: Vec<Header>) {
    if transaction.reply_with(status, headers, None).await.is_ok() {
        while transaction.receive().await.is_some() {}
    }
}

/// The number in a request's To or From: the user part of its address.
pub(super) fn number_of(uri: Option<Uri>) -> String {
    uri.and_then(|uri| uri.auth.map(|auth| auth.user)).unwrap_or_default()
}

pub(super) fn caller_of(request: &Request) -> String {
    number_of(request.from_header().ok().and_then(|from| from.uri().ok()))
}
