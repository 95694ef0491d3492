//! The agent's side of a room: signalling, peer connections, Opus, and the leg made of them.

use crate::control::SipControl;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use talkif_model::Direction;
use talkif_telephony::{CallLeg, LegError, LegEvent, LegQuality, Received, Rejection, TransferError};

/// What a leg in a room needs to know.
#[derive(Clone)]
pub struct RoomLegConfig {
    /// `ws://…` or `wss://…` of `livekit-server`.
    pub url: String,
    /// Lets its bearer into the room, with the right to publish, to subscribe and to send data.
    pub token: String,
    /// The room's name.
    pub room: String,
    /// The identity of the person's SIP participant in the room.
    pub sip_identity: String,
    /// Who calls whom.
    pub direction: Direction,
    /// After so much ringing the leg gives up.
    pub max_ring: Duration,
}

/// The room could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection to the server, or it refused the token.
    #[error("the room cannot be entered: {0}")]
    Signalling(String),
    /// No socket for media.
    #[error("no media socket: {0}")]
    Socket(#[from] std::io::Error),
}

/// A leg in a room.
pub struct RoomLeg(Infallible);

/// Enters the room; an outbound call is placed at once.
///
/// # Errors
/// If the room cannot be entered.
#[allow(clippy::unused_async)]
pub async fn open(config: RoomLegConfig, control: Arc<dyn SipControl>) -> Result<RoomLeg, OpenError> {
    drop((config, control));
    Err(OpenError::Signalling("being built".to_owned()))
}

impl RoomLeg {
    /// The latest attributes of the person's participant: `sip.callID`, `sip.phoneNumber`, `sip.h.…`.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, String> {
        match self.0 {}
    }
}

#[async_trait]
impl CallLeg for RoomLeg {
    fn id(&self) -> &str {
        match self.0 {}
    }
    fn sample_rate(&self) -> u32 {
        match self.0 {}
    }
    async fn event(&mut self) -> LegEvent {
        match self.0 {}
    }
    fn receive(&mut self, _: &mut [i16]) -> Received {
        match self.0 {}
    }
    fn send(&mut self, _: &[i16]) {
        match self.0 {}
    }
    async fn answer(&mut self) -> Result<(), LegError> {
        match self.0 {}
    }
    async fn reject(&mut self, _: Rejection) -> Result<(), LegError> {
        match self.0 {}
    }
    fn hang_up(&mut self) {
        match self.0 {}
    }
    fn send_dtmf(&mut self, _: &str) {
        match self.0 {}
    }
    async fn transfer(&mut self, _: &str) -> Result<(), TransferError> {
        match self.0 {}
    }
    fn quality(&self) -> LegQuality {
        match self.0 {}
    }
}
