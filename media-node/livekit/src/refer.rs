//! Putting a caller through blind: the far end is told to call somebody itself, by REFER.
//!
//! LiveKit asks `livekit-sip` about a REFER for 3 s, then 5, then 7, and then says that it does not
//! know, while the other telephone still rings. Asking for the same transfer again takes up the
//! waiting where it was left, so that is done until the transfer's own time is over. Only where the
//! answer to the REFER itself was lost, it would begin another transfer.

use crate::call::{Call, MARGIN};
use crate::refusals::{is_answer_lost, is_not_found, is_undecided, sip_status};
use crate::transfer::{UNTOLD, is_harmless};
use livekit_api::services::ServiceError;
use livekit_api::services::sip::TransferSIPParticipantOptions;
use std::time::Duration;
use talkif_telephony::TransferError;
use tokio::time::{Instant, sleep, sleep_until};

/// A transfer's new party may ring this long.
const TRANSFER_WITHIN: Duration = Duration::from_secs(30);
/// Between two questions about the same transfer.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

impl Call {
    /// Tells the far end to call `to` itself; returns when it has reported.
    pub(crate) async fn refer(&self, to: &str) -> Result<(), TransferError> {
        let target = self.refer_to(to).ok_or(UNTOLD)?;
        let until = Instant::now() + TRANSFER_WITHIN;
        let mut begun = false;
        loop {
            match self.ask_to_refer(&target, until.saturating_duration_since(Instant::now())).await {
                Ok(()) => return Ok(()),
                // The call has ended since the transfer began: there is nobody left to come back.
                Err(error) if begun && is_not_found(&error) => return Ok(()),
                Err(error) if is_answer_lost(&error) => {
                    tracing::warn!(room = self.room, %error, "whether the transfer was taken is not known");
                    // If it was, the far end hangs up. Asked again, it would call somebody twice.
                    sleep_until(until).await;
                    return Err(UNTOLD);
                }
                Err(error) if is_undecided(&error) && Instant::now() + AGAIN_AFTER < until => {
                    tracing::debug!(room = self.room, %error, "the transfer is not decided yet");
                    begun = true;
                    sleep(AGAIN_AFTER).await;
                }
                Err(error) => {
                    tracing::info!(room = self.room, %error, "not transferred");
                    return Err(TransferError { sip_status: sip_status(&error) });
                }
            }
        }
    }

    async fn ask_to_refer(&self, target: &str, within: Duration) -> Result<(), ServiceError> {
        let options = TransferSIPParticipantOptions {
            ringing_timeout: Some(within),
            timeout: Some(within + MARGIN),
            ..TransferSIPParticipantOptions::default()
        };
        let (room, identity) = (self.room.clone(), self.identity.clone());
        self.api.livekit.sip().transfer_sip_participant(room, identity, target.to_owned(), options).await
    }

    /// `sip:` and `tel:` addresses as they are; a bare number at the far end's own host.
    fn refer_to(&self, to: &str) -> Option<String> {
        if !is_harmless(to) {
            return None;
        }
        if ["sip:", "sips:", "tel:"].iter().any(|scheme| to.starts_with(scheme)) {
            return Some(to.to_owned());
        }
        Some(match &self.far_host {
            Some(host) => format!("sip:{to}@{host}"),
            None => format!("tel:{to}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Fake, Reply};
    use crate::legs::Legs;
    use std::sync::Arc;

    async fn call(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Fake, Call) {
        let fake = Fake::start(move |method, _| reply(method)).await;
        let seat = Legs::new(1).enter("room");
        let call = Call::new(Arc::clone(&fake.api), "room".into(), "callee".into(), seat);
        (fake, call)
    }

    #[tokio::test]
    async fn a_bare_number_is_transferred_at_the_carriers_host() {
        let (_, mut call) = call(|other| panic!("{other}")).await;
        let mut refer = |host: Option<&str>, to| {
            call.far_host = host.map(str::to_owned);
            call.refer_to(to)
        };
        assert_eq!(
            refer(Some("sip.carrier.example"), "+15550100").unwrap(),
            "sip:+15550100@sip.carrier.example"
        );
        assert_eq!(refer(None, "+15550100").unwrap(), "tel:+15550100");
        assert_eq!(refer(None, "sip:desk@office.example").unwrap(), "sip:desk@office.example");
        for bad in ["", "sip:a b", "<sip:a>", "a,b"] {
            assert_eq!(refer(None, bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn a_far_end_whose_answer_was_lost_is_not_told_twice() {
        let (fake, call) = call(|_| Reply::Lost).await;
        let refer = tokio::time::timeout(AGAIN_AFTER * 10, call.refer("tel:+15550100"));
        assert!(refer.await.is_err(), "it is waited for the far end to hang up");
        assert_eq!(fake.methods(), ["TransferSIPParticipant"]);
    }
}
