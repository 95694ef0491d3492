//! SIP and RTP without `LiveKit`: dials carriers and phones directly and takes their calls.
//!
//! [`DirectTelephony`] owns the SIP stack. Every call is one control task (`call`) that owns
//! the dialog, and one receiving task for its audio (`media`); the leg that the user holds
//! only has queues to the first and shares the second. A call's task ends with the call and
//! takes its dialog out of the stack.
//!
//! Nothing reaches a call or the stack that `gate` did not let in.
//!
//! To support another SIP method inside calls, see `requests`; another meaning of a final
//! status, see `status`; who may send us what, see `gate`.
//!
//! The stack logs whole messages, numbers included, at `info`. Keep it at `warn`: see
//! [`LOG_DIRECTIVE`].

mod admission;
mod auth;
mod call;
mod callers;
mod config;
mod ending;
mod extensions;
mod gate;
mod inbound;
mod leg;
mod media;
mod outbound;
mod pending;
mod ports;
pub mod reading;
mod requests;
mod roots;
mod session_timer;
mod stack;
mod status;
mod transfer;

use crate::port::{CallLeg, DialError, DialRequest, IncomingCall, Telephony};
use async_trait::async_trait;
use stack::Stack;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};

pub use config::{DirectConfig, InboundDigest, InboundPolicy, Limits};
pub use status::refused;

/// The filter directive every log subscriber needs: below `warn` the SIP stack prints whole
/// messages, which hold telephone numbers.
pub const LOG_DIRECTIVE: &str = "rsipstack=warn";

/// Direct SIP could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The SIP port cannot be used.
    #[error("SIP cannot listen on {address}: {source}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The stack refused to start.
    #[error("SIP stack: {0}")]
    Stack(String),
}

/// Places and takes calls by SIP and RTP. End it with [`Self::close`]; dropping it does the same
/// in the background, as long as the runtime lives.
pub struct DirectTelephony {
    stack: Arc<Stack>,
    incoming: Mutex<mpsc::Receiver<IncomingCall>>,
}

impl DirectTelephony {
    /// Binds the SIP port and starts listening.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(config: DirectConfig) -> Result<Self, StartError> {
        let (calls, incoming) = mpsc::channel(config.inbound.max_pending.max(1));
        let stack = Stack::start(config, calls).await?;
        Ok(Self { stack, incoming: Mutex::new(incoming) })
    }

    /// Where SIP listens, with the port that was taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.stack.listens_at
    }

    /// Dialogs the stack holds at present: one a call, none when idle.
    #[must_use]
    pub fn dialogs(&self) -> usize {
        self.stack.layer.len()
    }

    /// What the SIP port has to do at present.
    #[must_use]
    pub fn load(&self) -> SipLoad {
        let stats = self.stack.endpoint().get_stats();
        SipLoad {
            dialogs: self.dialogs(),
            transactions: stats.running_transactions,
            remembered_answers: stats.finished_transactions,
            streams: self.stack.endpoint().transport_layer.connections_count(),
            dropped: self.stack.gate.dropped(),
        }
    }

    /// Takes no more calls, so that [`Telephony::next_call`] returns `None`, hangs up those that
    /// are there, and ends when they have said their last word, after 5 s at the latest.
    pub async fn close(&self) {
        self.stack.close().await;
    }

    /// [`Self::close`] in the background.
    pub fn shutdown(&self) {
        self.stack.begin_to_close();
        if let Ok(runtime) = Handle::try_current() {
            let stack = self.stack.clone();
            runtime.spawn(async move { stack.close().await });
        }
    }
}

/// What the SIP port has to do: figures that return to zero when nobody calls, but for `dropped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SipLoad {
    /// Calls.
    pub dialogs: usize,
    /// Requests under way.
    pub transactions: usize,
    /// Answers kept for half a minute, in case a request is repeated.
    pub remembered_answers: usize,
    /// TCP and TLS connections.
    pub streams: usize,
    /// Messages and connections turned away without an answer, since the start.
    pub dropped: u64,
}

impl Drop for DirectTelephony {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[async_trait]
impl Telephony for DirectTelephony {
    async fn dial(&self, request: DialRequest) -> Result<Box<dyn CallLeg>, DialError> {
        if self.stack.is_closing() {
            return Err(DialError::Sip("SIP is shutting down".to_owned()));
        }
        outbound::dial(&self.stack, request).await
    }

    async fn next_call(&self) -> Option<IncomingCall> {
        let mut incoming = self.incoming.lock().await;
        tokio::select! {
            biased;
            () = self.stack.closing() => None,
            call = incoming.recv() => call,
        }
    }
}
