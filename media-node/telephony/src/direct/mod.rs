//! SIP and RTP without `LiveKit`: dials carriers and phones directly and takes their calls.
//!
//! [`DirectTelephony`] owns the SIP stack. Every call is one control task (`call`) that owns
//! the dialog, and one receiving task for its audio (`media`); the leg that the user holds
//! only has queues to the first and shares the second. A call's task ends with the call and
//! takes its dialog out of the stack.
//!
//! To support another SIP method inside calls, see `requests`; another meaning of a final
//! status, see `status`.
//!
//! The stack logs whole messages, numbers included, at `info`. Keep it at `warn`: see
//! [`LOG_DIRECTIVE`].

mod auth;
mod call;
mod config;
mod ending;
mod inbound;
mod leg;
mod media;
mod outbound;
mod pending;
mod ports;
mod requests;
mod stack;
mod status;
mod transfer;

use crate::port::{CallLeg, DialError, DialRequest, IncomingCall, Telephony};
use async_trait::async_trait;
use stack::Stack;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc};

pub use config::{DirectConfig, InboundDigest, InboundPolicy};

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

/// Places and takes calls by SIP and RTP. Dropping it ends the listening; calls in progress
/// lose their signalling, so hang up first.
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

    /// Stops listening and makes [`Telephony::next_call`] return `None`. Hang up calls before.
    pub fn shutdown(&self) {
        self.stack.shutdown();
    }
}

impl Drop for DirectTelephony {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[async_trait]
impl Telephony for DirectTelephony {
    async fn dial(&self, request: DialRequest) -> Result<Box<dyn CallLeg>, DialError> {
        outbound::dial(&self.stack, request).await
    }

    async fn next_call(&self) -> Option<IncomingCall> {
        let mut incoming = self.incoming.lock().await;
        tokio::select! {
            biased;
            () = self.stack.stopped() => None,
            call = incoming.recv() => call,
        }
    }
}
