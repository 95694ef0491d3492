//! The signalling socket: LiveKit's own client, with a queue in front of it so that nobody waits.

use super::recovery::Refusal;
use super::socket;
use livekit_protocol::signal_request::Message as ToServer;
use livekit_protocol::signal_response::Message as FromServer;
use livekit_protocol::{DisconnectReason, JoinResponse, LeaveRequest, ReconnectReason, leave_request};
use livekit_signaling::{SignalClient, SignalError, SignalEvent, SignalOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// The newest protocol that the dual peer connections of [`super::peer`] are made for.
const PROTOCOL: u32 = 16;
/// A server that does not take the socket within so long is not there.
const CONNECT: Duration = Duration::from_secs(5);

/// What the socket brings.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message of the server.
    Message(Box<FromServer>),
    /// The socket was lost, or closed by the server.
    Lost,
}

enum Outgoing {
    Message(Box<ToServer>),
    Confirm,
}

/// The socket. Dropping it sends what is queued and closes it.
pub(super) struct Signalling {
    client: Arc<SignalClient>,
    queue: mpsc::UnboundedSender<Outgoing>,
    events: mpsc::UnboundedReceiver<SignalEvent>,
}

impl Signalling {
    /// Enters the room.
    pub(super) async fn connect(url: &str, token: &str) -> Result<(Self, JoinResponse), SignalError> {
        socket::install();
        let (client, join, events) = SignalClient::connect(url, token, options(), None).await?;
        let client = Arc::new(client);
        // A handful of messages a call; the socket takes them as fast as they come.
        let (queue, queued) = mpsc::unbounded_channel();
        tokio::spawn(send_queued(Arc::clone(&client), queued));
        Ok((Self { client, queue, events }, join))
    }

    /// Queues a message.
    pub(super) fn send(&self, message: Box<ToServer>) {
        // The queue's reader goes only after the queue.
        let _ = self.queue.send(Outgoing::Message(message));
    }

    /// The resumed session is whole: messages that were held back may go.
    pub(super) fn confirm(&self) {
        let _ = self.queue.send(Outgoing::Confirm);
    }

    /// Says goodbye. To be dropped next.
    pub(super) fn leave(&self) {
        self.send(Box::new(ToServer::Leave(LeaveRequest {
            reason: DisconnectReason::ClientInitiated.into(),
            action: leave_request::Action::Disconnect.into(),
            ..LeaveRequest::default()
        })));
    }

    /// What comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Incoming {
        match self.events.recv().await {
            Some(SignalEvent::Message(message)) => Incoming::Message(message),
            Some(SignalEvent::Close(why)) => {
                tracing::debug!(%why, "the signalling socket is lost");
                Incoming::Lost
            }
            // The client holds the other end itself.
            None => std::future::pending().await,
        }
    }

    /// The latest token: the server replaces the first one before it expires.
    pub(super) fn token(&self) -> String {
        self.client.token()
    }

    /// Opens the socket again for the same session.
    pub(super) fn resume(
        &self,
        reason: ReconnectReason,
    ) -> impl Future<Output = Result<(), Refusal>> + Send + use<> {
        let client = Arc::clone(&self.client);
        async move { client.restart(reason).await.map(|_| ()).map_err(|error| refusal(&error)) }
    }
}

async fn send_queued(client: Arc<SignalClient>, mut queued: mpsc::UnboundedReceiver<Outgoing>) {
    while let Some(next) = queued.recv().await {
        match next {
            Outgoing::Message(message) => client.send(*message).await,
            Outgoing::Confirm => client.set_reconnected().await,
        }
    }
    client.close().await;
}

/// Whether it makes sense to try the same again.
pub(super) fn refusal(error: &SignalError) -> Refusal {
    tracing::debug!(%error, "the signalling socket could not be opened");
    match error {
        SignalError::LeaveRequest { .. } | SignalError::Client(..) => Refusal::Unknown,
        SignalError::Handshake { status } if status.is_client_error() => Refusal::Unknown,
        _ => Refusal::Unreachable,
    }
}

fn options() -> SignalOptions {
    let mut options = SignalOptions::default();
    options.auto_subscribe = false;
    options.region_failover = false;
    options.protocol_version = PROTOCOL;
    options.client_capabilities = Vec::new();
    options.client_protocol = 0;
    options.connect_timeout = CONNECT;
    options
}
