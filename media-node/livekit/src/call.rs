//! One call's SIP side, over LiveKit's API.

use crate::api::Api;
use crate::control::{PlaceError, SipControl};
use crate::guest::Guest;
use crate::job::Job;
use crate::legs::Seat;
use crate::numbers::Numbers;
use crate::refusals::{is_not_found, place_error};
use crate::trunks::Trunks;
use async_trait::async_trait;
use livekit_api::services::ServiceError;
use livekit_api::services::sip::CreateSIPParticipantOptions;
use livekit_protocol::{SipHeaderOptions, SipMediaEncryption};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_model::E164;
use talkif_telephony::{DialRequest, TransferError, Transport};
use tokio::time::{Instant, timeout};

/// LiveKit waits at most 80 s for an answer; rather than that, we give up ourselves.
pub(crate) const LONGEST_RING: Duration = Duration::from_secs(75);
/// Beyond the ringing, for the answer to the request.
pub(crate) const MARGIN: Duration = Duration::from_secs(5);
/// Somebody who is to be removed while being called may not have joined yet.
pub(crate) const REMOVALS: u32 = 30;
pub(crate) const BETWEEN_REMOVALS: Duration = Duration::from_millis(100);
/// The engine gives up on a hand-over after 5 s; what is done later nobody would know of.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(4);

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
    /// How somebody can be called into an inbound call.
    pub(crate) way_out: Option<WayOut>,
    /// Who was called into the call.
    pub(crate) guest: Mutex<Guest>,
    /// The room may bear the mark of a call that was handed over.
    pub(crate) marked: AtomicBool,
    placing: AtomicBool,
    pub(crate) removed: AtomicBool,
    /// The room is to be left as it is.
    pub(crate) spared: AtomicBool,
    _seat: Seat,
    _job: Option<Job>,
}

/// What an inbound call needs to call somebody else.
pub(crate) struct WayOut {
    /// Our number, as the carrier sent it.
    pub(crate) from: Option<E164>,
    pub(crate) trunks: Arc<Trunks>,
    pub(crate) numbers: Option<Arc<dyn Numbers>>,
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

    pub(crate) fn inbound(
        api: Arc<Api>,
        room: String,
        identity: String,
        seat: Seat,
        job: Job,
        way_out: WayOut,
    ) -> Self {
        Self { _job: Some(job), way_out: Some(way_out), ..Self::new(api, room, identity, seat) }
    }

    pub(crate) fn new(api: Arc<Api>, room: String, identity: String, seat: Seat) -> Self {
        Self {
            api,
            room,
            identity,
            dialled: None,
            far_host: None,
            way_out: None,
            guest: Mutex::default(),
            marked: AtomicBool::new(false),
            placing: AtomicBool::new(false),
            removed: AtomicBool::new(false),
            spared: AtomicBool::new(false),
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
            media_encryption: Some(encryption(request.trunk.transport)),
            ..CreateSIPParticipantOptions::default()
        };
        let to = request.to.as_str().to_owned();
        let sip = self.api.livekit.sip();
        sip.create_sip_participant(trunk, to, self.room.clone(), options, None).await.map(|_| ())
    }

    async fn try_remove(&self) -> Result<(), ServiceError> {
        self.api.livekit.room().remove_participant(&self.room, &self.identity).await
    }
}

/// Carriers that take TLS want the media encrypted too, but not all of them.
pub(crate) const fn encryption(transport: Transport) -> SipMediaEncryption {
    match transport {
        Transport::Tls => SipMediaEncryption::SipMediaEncryptAllow,
        Transport::Udp | Transport::Tcp => SipMediaEncryption::SipMediaEncryptDisable,
    }
}

#[async_trait]
impl SipControl for Call {
    async fn place(&self) -> Result<(), PlaceError> {
        let Some(dialled) = &self.dialled else {
            return Err(PlaceError::Failed("an inbound call is not placed".to_owned()));
        };
        let begun = Instant::now();
        self.placing.store(true, Ordering::SeqCst);
        let placed = self.dial(dialled).await;
        self.placing.store(false, Ordering::SeqCst);
        if self.removed.load(Ordering::SeqCst) && placed.is_ok() {
            // Answered in the moment in which we gave up.
            self.remove().await;
        }
        placed.map_err(|error| place_error(&error, begun.elapsed()))
    }

    async fn remove(&self) {
        if self.spared.load(Ordering::SeqCst) {
            return;
        }
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
        self.refer(to).await
    }

    async fn consult(&self, to: &str, max_ring: Duration) -> Result<(), TransferError> {
        self.call_in(to, max_ring).await
    }

    async fn hand_over(&self) -> Result<(), TransferError> {
        // What an earlier hand-over did is undone if this one finds that one of the two has gone.
        self.spared.store(false, Ordering::SeqCst);
        let Ok(left) = timeout(HAND_OVER_WITHIN, self.leave_persons()).await else {
            tracing::info!(room = self.room, "the call was not handed over in time");
            return Err(TransferError { sip_status: None });
        };
        left?;
        if self.removed.load(Ordering::SeqCst) {
            return Err(TransferError { sip_status: None });
        }
        self.spared.store(true, Ordering::SeqCst);
        Ok(())
    }

    async fn dismiss(&self) {
        self.send_away().await;
    }

    fn yield_room(&self) {
        self.spared.store(true, Ordering::SeqCst);
    }

    async fn close(&self) {
        if self.spared.load(Ordering::SeqCst) {
            return;
        }
        match self.api.livekit.room().delete_room(&self.room).await {
            Err(error) if !is_not_found(&error) => {
                // The sweep finds it, on this node or another.
                tracing::warn!(room = self.room, %error, "the room could not be deleted");
            }
            _ => {}
        }
    }
}
