//! What a leg asks of LiveKit's API. The room side knows only this trait, so it can be tested
//! without a server.

use async_trait::async_trait;
use std::time::Duration;
use talkif_telephony::TransferError;

/// The SIP side of one room.
#[async_trait]
pub trait SipControl: Send + Sync {
    /// Outbound: creates the SIP participant and waits for the answer. Inbound legs never call it.
    async fn place(&self) -> Result<(), PlaceError>;

    /// Removes the SIP participant: BYE when it was answered, CANCEL or 486 before.
    async fn remove(&self);

    /// Blind transfer; returns when the far end has reported.
    async fn transfer(&self, to: &str) -> Result<(), TransferError>;

    /// Calls somebody into the room; returns when they have answered.
    async fn consult(&self, _to: &str, _max_ring: Duration) -> Result<(), TransferError> {
        Err(TransferError { sip_status: None })
    }

    /// Leaves the persons in the room to each other: from then on [`Self::remove`] and
    /// [`Self::close`] spare it. Fails if one of them has gone.
    async fn hand_over(&self) -> Result<(), TransferError> {
        Err(TransferError { sip_status: None })
    }

    /// Removes whoever [`Self::consult`] called in, or may still call in, unless they were handed
    /// the call.
    async fn dismiss(&self) {}

    /// Another agent has the room: from then on [`Self::remove`] and [`Self::close`] spare it.
    fn yield_room(&self);

    /// Deletes the room. Idempotent.
    async fn close(&self);
}

/// The call was not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// The far end answered with this final SIP status.
    #[error("SIP {0}")]
    Status(u16),
    /// Rang until the limit, or was cancelled: LiveKit reports both alike.
    #[error("rang without an answer")]
    NotAnswered,
    /// LiveKit had no room for another call: worth another try.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Trunk, network or server.
    #[error("{0}")]
    Failed(String),
}
