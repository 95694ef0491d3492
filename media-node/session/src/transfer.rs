//! Putting the caller through: what is asked of the leg, and the music meanwhile.

use crate::music::Music;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::time::Duration;
use talkif_call_engine::io::TransferEnd;
use talkif_model::flow::TransferMode;
use talkif_telephony::{CallLeg, Transfer, TransferError, Transferred};

/// What the leg was asked for last.
pub(crate) struct Transfers {
    asked: Option<BoxFuture<'static, TransferEnd>>,
    music: Music,
}

impl Transfers {
    pub(crate) const fn new(rate: u32) -> Self {
        Self { asked: None, music: Music::new(rate) }
    }

    /// Asks the leg to put the caller through; music plays until that is decided.
    pub(crate) fn begin(&mut self, leg: &dyn CallLeg, to: String, mode: TransferMode, max_ring: Duration) {
        let asked = leg.begin_transfer(Transfer { to, mode, max_ring });
        self.asked = Some(asked.map(of_begun).boxed());
        self.music.play();
    }

    /// Asks the leg to leave the caller and the other person to each other.
    pub(crate) fn hand_over(&mut self, leg: &dyn CallLeg) {
        self.asked = Some(leg.hand_over().map(of_handed_over).boxed());
    }

    /// Nobody waits for it any more. The leg sends away whoever it has called in.
    pub(crate) fn give_up(&mut self) {
        self.asked = None;
        self.music.stop();
    }

    /// What has become of it. Cancel-safe.
    pub(crate) async fn next(&mut self) -> TransferEnd {
        let Some(asked) = &mut self.asked else { return std::future::pending().await };
        let end = asked.await;
        self.asked = None;
        self.music.stop();
        end
    }

    /// The agent has something to say.
    pub(crate) fn quiet(&mut self) {
        self.music.stop();
    }

    /// Adds the music to what is sent.
    pub(crate) fn add_music(&mut self, frame: &mut [i16]) {
        self.music.add_to(frame);
    }
}

fn of_begun(result: Result<Transferred, TransferError>) -> TransferEnd {
    match result {
        Ok(Transferred::Away) => TransferEnd::Away,
        Ok(Transferred::Joined) => TransferEnd::Joined,
        Err(error) => TransferEnd::Failed { sip_status: error.sip_status },
    }
}

fn of_handed_over(result: Result<(), TransferError>) -> TransferEnd {
    match result {
        Ok(()) => TransferEnd::HandedOver,
        Err(error) => TransferEnd::Failed { sip_status: error.sip_status },
    }
}
