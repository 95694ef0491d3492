//! Putting a caller through attended: by calling the other person into the room. [`crate::refer`]
//! is the other way.

use crate::call::{Call, LONGEST_RING, MARGIN, encryption};
use crate::guest::Guest;
use crate::names::{GUEST, HANDED_OVER, TARGET};
use crate::refusals::{is_not_found, sip_status};
use livekit_api::services::ServiceError;
use livekit_api::services::sip::CreateSIPParticipantOptions;
use livekit_protocol::{ParticipantInfo, SipHeaderOptions, SipOutboundConfig};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use talkif_model::E164;
use talkif_telephony::{TransferError, Transport, Trunk};
use tokio::time::sleep;

/// Between two looks whether both persons are there.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// There was no SIP answer to tell.
pub(crate) const UNTOLD: TransferError = TransferError { sip_status: None };

impl Call {
    /// Calls `to` into the room; returns when it has answered.
    pub(crate) async fn call_in(&self, to: &str, max_ring: Duration) -> Result<(), TransferError> {
        let destination = Destination::of(to).ok_or(UNTOLD)?;
        let way = self.way_to(&destination).await?;
        self.note_guest(Guest::Uncertain);
        let mut called = self.create_guest(&destination, way, max_ring).await;
        if destination.is_number() && called.as_ref().is_err_and(is_not_found) {
            // Somebody has deleted the trunk meanwhile: it is made anew, once.
            self.forget_trunk();
            let way = self.way_to(&destination).await?;
            called = self.create_guest(&destination, way, max_ring).await;
        }
        self.note_guest(Guest::after(&called));
        called.map_err(|error| {
            tracing::info!(room = self.room, %error, "nobody was called in");
            TransferError { sip_status: sip_status(&error) }
        })
    }

    async fn way_to(&self, destination: &Destination) -> Result<Way, TransferError> {
        Ok(match destination {
            Destination::Number(_) => {
                let (trunk, transport) = self.trunk().await?;
                Way { trunk, outside: None, transport }
            }
            Destination::Address { host, transport, .. } => {
                let (outside, transport) = (Some(outside(host, *transport)), *transport);
                Way { trunk: String::new(), outside, transport }
            }
        })
    }

    async fn create_guest(
        &self,
        destination: &Destination,
        way: Way,
        max_ring: Duration,
    ) -> Result<(), ServiceError> {
        let Way { trunk, outside, transport } = way;
        let (from, ring) = (self.own_number(), max_ring.min(LONGEST_RING));
        let options = CreateSIPParticipantOptions {
            participant_identity: TARGET.to_owned(),
            participant_attributes: Some(HashMap::from([(GUEST.to_owned(), "transfer".to_owned())])),
            sip_number: from.map(|from| from.as_str().to_owned()),
            wait_until_answered: Some(true),
            ringing_timeout: Some(ring),
            timeout: Some(ring + MARGIN),
            include_headers: Some(SipHeaderOptions::SipXHeaders),
            media_encryption: Some(encryption(transport)),
            ..CreateSIPParticipantOptions::default()
        };
        let (room, user) = (self.room.clone(), destination.user().to_owned());
        self.api.livekit.sip().create_sip_participant(trunk, user, room, options, outside).await.map(|_| ())
    }

    /// Our number in this call.
    fn own_number(&self) -> Option<&E164> {
        match (&self.dialled, &self.way_out) {
            (Some(dialled), _) => Some(&dialled.request.from),
            (None, way_out) => way_out.as_ref()?.from.as_ref(),
        }
    }

    /// The trunk by which our number calls out.
    async fn trunk(&self) -> Result<(String, Transport), TransferError> {
        let number = self.own_number().ok_or(UNTOLD)?;
        let (trunks, carrier) = match (&self.dialled, &self.way_out) {
            (Some(dialled), _) => (&dialled.trunks, dialled.request.trunk.clone()),
            (None, Some(way_out)) => (&way_out.trunks, self.carrier(number).await.ok_or(UNTOLD)?),
            (None, None) => return Err(UNTOLD),
        };
        let trunk = trunks.ensure(number, &carrier).await.map_err(|error| {
            tracing::warn!(room = self.room, %error, "there is no trunk to call somebody in");
            UNTOLD
        })?;
        Ok((trunk, carrier.transport))
    }

    fn forget_trunk(&self) {
        let Some(number) = self.own_number() else { return };
        let of_dialled = self.dialled.as_ref().map(|dialled| &dialled.trunks);
        if let Some(trunks) = of_dialled.or_else(|| Some(&self.way_out.as_ref()?.trunks)) {
            trunks.forget(number);
        }
    }

    async fn carrier(&self, number: &E164) -> Option<Trunk> {
        let numbers = self.way_out.as_ref()?.numbers.as_ref()?;
        match numbers.carrier(number).await {
            Ok(carrier) => carrier,
            Err(error) => {
                tracing::warn!(room = self.room, error, "the carrier of our number cannot be told");
                None
            }
        }
    }

    /// Marks the room, so that no sweep ends it while two persons talk in it.
    pub(crate) async fn leave_persons(&self) -> Result<(), TransferError> {
        let rooms = self.api.livekit.room();
        let untold = |error: ServiceError| {
            tracing::info!(room = self.room, %error, "the call was not handed over");
            UNTOLD
        };
        while !self.both_talk().await.map_err(untold)?.ok_or(UNTOLD)? {
            sleep(BETWEEN_LOOKS).await;
        }
        self.marked.store(true, Ordering::SeqCst);
        rooms.update_room_metadata(&self.room, HANDED_OVER).await.map_err(untold)?;
        Ok(())
    }

    /// Whether both persons' calls have been answered; none when one of them has gone.
    async fn both_talk(&self) -> Result<Option<bool>, ServiceError> {
        let people = self.api.livekit.room().list_participants(&self.room).await?;
        let mut both = true;
        for identity in [self.identity.as_str(), TARGET] {
            match people.iter().find(|person| person.identity == identity).map(talks) {
                Some(Talks::Yes) => {}
                // Somebody who has answered may be listed as ringing for ever.
                Some(Talks::NotYet) => match talks(&self.api.person(&self.room, identity).await?) {
                    Talks::NoMore => return Ok(None),
                    now => both &= now == Talks::Yes,
                },
                Some(Talks::NoMore) | None => return Ok(None),
            }
        }
        Ok(Some(both))
    }
}

/// How far somebody's call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Talks {
    NotYet,
    Yes,
    NoMore,
}

fn talks(person: &ParticipantInfo) -> Talks {
    match person.attributes.get("sip.callStatus").map(String::as_str) {
        Some("active") => Talks::Yes,
        Some("hangup") => Talks::NoMore,
        _ => Talks::NotYet,
    }
}

/// Whom to call in.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    /// By our number's carrier.
    Number(String),
    /// Somewhere of its own.
    Address { user: String, host: String, transport: Transport },
}

impl Destination {
    fn of(to: &str) -> Option<Self> {
        if !is_harmless(to) {
            return None;
        }
        let Some(address) = to.strip_prefix("sip:") else {
            return to
                .strip_prefix("tel:")
                .unwrap_or(to)
                .parse::<E164>()
                .ok()
                .map(|number| Self::Number(number.as_str().to_owned()));
        };
        let (address, parameters) = address.split_once(';').unwrap_or((address, ""));
        let (user, host) = address.split_once('@')?;
        let transport = match parameters.split(';').find_map(|part| part.strip_prefix("transport=")) {
            Some("tcp") => Transport::Tcp,
            Some("tls") => Transport::Tls,
            _ => Transport::Udp,
        };
        (!user.is_empty() && !host.is_empty()).then(|| Self::Address {
            user: user.to_owned(),
            host: host.to_owned(),
            transport,
        })
    }

    const fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }

    fn user(&self) -> &str {
        match self {
            Self::Number(user) | Self::Address { user, .. } => user,
        }
    }
}

/// How somebody is reached.
struct Way {
    /// Empty: not by a trunk.
    trunk: String,
    outside: Option<SipOutboundConfig>,
    transport: Transport,
}

fn outside(host: &str, transport: Transport) -> SipOutboundConfig {
    SipOutboundConfig {
        hostname: host.to_owned(),
        transport: crate::trunks::transport(transport).into(),
        ..SipOutboundConfig::default()
    }
}

pub(crate) fn is_harmless(to: &str) -> bool {
    !to.is_empty() && to.chars().all(|c| c.is_ascii_graphic() && !"<>\",".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::WayOut;
    use crate::fake::{Fake, Reply};
    use crate::legs::Legs;
    use crate::numbers::Numbers;
    use crate::trunks::Trunks;
    use livekit_protocol::{
        CreateSipParticipantRequest, ListSipOutboundTrunkResponse, SipOutboundTrunkInfo, SipParticipantInfo,
    };
    use prost::Message as _;
    use std::collections::HashSet;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn whom_to_call_in_is_read_from_a_number_or_an_address() {
        let number = Some(Destination::Number("+442079460999".to_owned()));
        assert_eq!(Destination::of("+442079460999"), number);
        assert_eq!(Destination::of("tel:+442079460999"), number);
        assert_eq!(
            Destination::of("sip:desk@office.example:5070;transport=tcp"),
            Some(Destination::Address {
                user: "desk".to_owned(),
                host: "office.example:5070".to_owned(),
                transport: Transport::Tcp
            })
        );
        for bad in ["", "desk", "sip:office.example", "sip:@x", "sip:a b@x", "tel:desk"] {
            assert_eq!(Destination::of(bad), None, "{bad}");
        }
    }

    struct Carrier;

    #[async_trait::async_trait]
    impl Numbers for Carrier {
        async fn all(&self) -> Result<HashSet<E164>, String> {
            Ok(HashSet::new())
        }

        async fn carrier(&self, _: &E164) -> Result<Option<Trunk>, String> {
            Ok(Some(Trunk {
                address: "sip.carrier.example".to_owned(),
                transport: Transport::Udp,
                username: None,
                password: None,
            }))
        }
    }

    /// Makes trunks in turn, of which the first is deleted at once.
    fn forgetful(method: &str, body: &[u8]) -> Reply {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        match method {
            "ListSIPOutboundTrunk" => Reply::of(&ListSipOutboundTrunkResponse::default()),
            "CreateSIPOutboundTrunk" => {
                let sip_trunk_id = format!("ST_{}", MADE.fetch_add(1, Ordering::SeqCst));
                Reply::of(&SipOutboundTrunkInfo { sip_trunk_id, ..SipOutboundTrunkInfo::default() })
            }
            "CreateSIPParticipant" => {
                match CreateSipParticipantRequest::decode(body).unwrap().sip_trunk_id.as_str() {
                    "ST_0" => Reply::Refused("not_found", None),
                    _ => Reply::of(&SipParticipantInfo::default()),
                }
            }
            other => panic!("{other}"),
        }
    }

    #[tokio::test]
    async fn a_trunk_that_was_deleted_meanwhile_is_made_anew_for_whom_to_call_in() {
        let fake = Fake::start(forgetful).await;
        let seat = Legs::new(1).enter("room");
        let mut call = Call::new(Arc::clone(&fake.api), "room".into(), "callee".into(), seat);
        call.way_out = Some(WayOut {
            from: Some("+442079460123".parse().unwrap()),
            trunks: Arc::new(Trunks::new(Arc::clone(&fake.api))),
            numbers: Some(Arc::new(Carrier)),
        });
        call.call_in("+442079460999", Duration::from_secs(20)).await.unwrap();
        let asked = fake.requests::<CreateSipParticipantRequest>("CreateSIPParticipant");
        let trunks: Vec<_> = asked.into_iter().map(|request| request.sip_trunk_id).collect();
        assert_eq!(trunks, ["ST_0", "ST_1"]);
    }
}
