//! One call's SIP side, over LiveKit's API.

use crate::api::Api;
use crate::control::{PlaceError, SipControl};
use crate::job::Job;
use crate::legs::Seat;
use crate::refusals::{is_not_found, place_error, sip_status};
use crate::trunks::Trunks;
use async_trait::async_trait;
use livekit_api::services::ServiceError;
use livekit_api::services::sip::{CreateSIPParticipantOptions, TransferSIPParticipantOptions};
use livekit_protocol::{SipHeaderOptions, SipMediaEncryption};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use talkif_telephony::{DialRequest, TransferError, Transport};

/// LiveKit waits at most 80 s for an answer; rather than that, we give up ourselves.
const LONGEST_RING: Duration = Duration::from_secs(75);
/// Beyond the ringing, for the answer to the request.
const MARGIN: Duration = Duration::from_secs(5);
/// A transfer's new party may ring this long.
const TRANSFER_WITHIN: Duration = Duration::from_secs(30);
/// Somebody who is to be removed while being called may not have joined yet.
const REMOVALS: u32 = 30;
const BETWEEN_REMOVALS: Duration = Duration::from_millis(100);

/// What a call of either direction has.
pub(crate) struct Call {
    pub(crate) api: Arc<Api>,
    pub(crate) room: String,
    /// The person's identity in the room.
    pub(crate) identity: String,
    /// Whom to call, for outbound calls.
    pub(crate) dialled: Option<Dialled>,
    /// The host of the person's side, where it is known: bare numbers are transferred there.
    pub(crate) far_host: Option<String>,
    placing: AtomicBool,
    removed: AtomicBool,
    _seat: Seat,
    _job: Option<Job>,
}

/// An outbound call and the trunks it may take.
pub(crate) struct Dialled {
    pub(crate) request: DialRequest,
    pub(crate) trunks: Arc<Trunks>,
}

impl Call {
    pub(crate) fn outbound(
        api: Arc<Api>,
        room: String,
        identity: String,
        dialled: Dialled,
        seat: Seat,
    ) -> Self {
        let far_host = Some(dialled.request.trunk.address.clone());
        Self { dialled: Some(dialled), far_host, ..Self::new(api, room, identity, seat) }
    }

    pub(crate) fn inbound(api: Arc<Api>, room: String, identity: String, seat: Seat, job: Job) -> Self {
        Self { _job: Some(job), ..Self::new(api, room, identity, seat) }
    }

    fn new(api: Arc<Api>, room: String, identity: String, seat: Seat) -> Self {
        Self {
            api,
            room,
            identity,
            dialled: None,
            far_host: None,
            placing: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            _seat: seat,
            _job: None,
        }
    }

    /// A trunk that somebody has deleted meanwhile is made anew, once.
    async fn dial(&self, dialled: &Dialled) -> Result<(), ServiceError> {
        let (number, carrier) = (&dialled.request.from, &dialled.request.trunk);
        let trunk = dialled.trunks.ensure(number, carrier).await?;
        match self.create_participant(dialled, trunk).await {
            Err(error) if is_not_found(&error) => {
                dialled.trunks.forget(number);
                let trunk = dialled.trunks.ensure(number, carrier).await?;
                self.create_participant(dialled, trunk).await
            }
            other => other,
        }
    }

    async fn create_participant(&self, dialled: &Dialled, trunk: String) -> Result<(), ServiceError> {
        let request = &dialled.request;
        let ring = request.max_ring.min(LONGEST_RING);
        let encryption = match request.trunk.transport {
            // Carriers that take TLS want the media encrypted too, but not all of them.
            Transport::Tls => SipMediaEncryption::SipMediaEncryptAllow,
            Transport::Udp | Transport::Tcp => SipMediaEncryption::SipMediaEncryptDisable,
        };
        let call = ("talkif.call".to_owned(), request.call_id.to_string());
        let options = CreateSIPParticipantOptions {
            participant_identity: self.identity.clone(),
            participant_attributes: Some(HashMap::from([call])),
            sip_number: Some(request.from.as_str().to_owned()),
            wait_until_answered: Some(true),
            ringing_timeout: Some(ring),
            timeout: Some(ring + MARGIN),
            headers: Some(request.headers.iter().cloned().collect()),
            include_headers: Some(SipHeaderOptions::SipXHeaders),
            media_encryption: Some(encryption),
            ..CreateSIPParticipantOptions::default()
        };
        let to = request.to.as_str().to_owned();
        let sip = self.api.livekit.sip();
        sip.create_sip_participant(trunk, to, self.room.clone(), options, None).await.map(|_| ())
    }

    async fn try_remove(&self) -> Result<(), ServiceError> {
        self.api.livekit.room().remove_participant(&self.room, &self.identity).await
    }

    /// `sip:` and `tel:` addresses as they are; a bare number at the far end's own host.
    fn refer_to(&self, to: &str) -> Option<String> {
        let harmless = |c: char| c.is_ascii_graphic() && !"<>\",".contains(c);
        if to.is_empty() || !to.chars().all(harmless) {
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

#[async_trait]
impl SipControl for Call {
    async fn place(&self) -> Result<(), PlaceError> {
        let Some(dialled) = &self.dialled else {
            return Err(PlaceError::Failed("an inbound call is not placed".to_owned()));
        };
        self.placing.store(true, Ordering::SeqCst);
        let placed = self.dial(dialled).await;
        self.placing.store(false, Ordering::SeqCst);
        if self.removed.load(Ordering::SeqCst) && placed.is_ok() {
            // Answered in the moment in which we gave up.
            self.remove().await;
        }
        placed.map_err(|error| place_error(&error))
    }

    async fn remove(&self) {
        self.removed.store(true, Ordering::SeqCst);
        for _ in 0..REMOVALS {
            match self.try_remove().await {
                Err(error) if is_not_found(&error) && self.placing.load(Ordering::SeqCst) => {
                    tokio::time::sleep(BETWEEN_REMOVALS).await;
                }
                Err(error) if !is_not_found(&error) => {
                    tracing::debug!(room = self.room, %error, "the person could not be removed");
                    return;
                }
                _ => return,
            }
        }
    }

    async fn transfer(&self, to: &str) -> Result<(), TransferError> {
        let target = self.refer_to(to).ok_or(TransferError { sip_status: None })?;
        let options = TransferSIPParticipantOptions {
            ringing_timeout: Some(TRANSFER_WITHIN),
            timeout: Some(TRANSFER_WITHIN + MARGIN),
            ..TransferSIPParticipantOptions::default()
        };
        let (room, identity) = (self.room.clone(), self.identity.clone());
        let transferred = self.api.livekit.sip().transfer_sip_participant(room, identity, target, options);
        transferred.await.map_err(|error| {
            tracing::info!(room = self.room, %error, "not transferred");
            TransferError { sip_status: sip_status(&error) }
        })
    }

    async fn close(&self) {
        match self.api.livekit.room().delete_room(&self.room).await {
            Err(error) if !is_not_found(&error) => {
                // The sweep finds it, on this node or another.
                tracing::warn!(room = self.room, %error, "the room could not be deleted");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LiveKitConfig;
    use crate::legs::Legs;
    use talkif_model::Region;

    fn call(far_host: Option<&str>) -> Call {
        let config = LiveKitConfig {
            url: "ws://127.0.0.1:9".to_owned(),
            api_key: "key".to_owned(),
            api_secret: "secret".to_owned(),
            region: Region::EuWest,
            slots: 1,
            allow: Vec::new(),
            numbers: None,
        };
        let seat = Legs::new(1).enter("room");
        let call = Call::new(Arc::new(Api::new(&config)), "room".into(), "callee".into(), seat);
        Call { far_host: far_host.map(str::to_owned), ..call }
    }

    #[test]
    fn a_bare_number_is_transferred_at_the_carriers_host() {
        let refer = |host, to| call(host).refer_to(to);
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
}
