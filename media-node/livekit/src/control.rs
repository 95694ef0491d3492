//! What a leg asks of LiveKit's API. The room side knows only this trait, so it can be tested
//! without a server.

use async_trait::async_trait;
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
