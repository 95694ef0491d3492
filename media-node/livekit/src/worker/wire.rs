//! The worker protocol's messages, in and out, and the socket that carries them.

use super::{FromServer, ToServer};
use crate::api::Api;
use crate::names::GUEST;
use livekit_api::access_token::AccessTokenError;
use livekit_protocol as proto;
use prost::Message as _;
use proto::participant_info::Kind;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tokio_tungstenite::tungstenite::{Bytes, Error};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Attributes of a participant who came by telephone.
const FROM: &str = "sip.phoneNumber";
const TO: &str = "sip.trunkPhoneNumber";

/// Why a worker's socket is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("the socket cannot be opened in time")]
    Slow,
    #[error("nothing is heard from LiveKit")]
    Deaf,
    #[error("websocket: {0}")]
    Socket(#[from] Error),
    #[error("token: {0}")]
    Token(#[from] AccessTokenError),
    #[error("not a server's message: {0}")]
    Garbled(#[from] prost::DecodeError),
}

pub(super) async fn connect(api: &Api) -> Result<Socket, WireError> {
    let base = api.url.trim_end_matches('/');
    let base = base.replacen("http", "ws", usize::from(base.starts_with("http")));
    let mut request = format!("{base}/agent?protocol=1").into_client_request()?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", api.worker_token()?));
    request.headers_mut().insert(AUTHORIZATION, bearer.map_err(|error| Error::HttpFormat(error.into()))?);
    let connected = timeout(CONNECT_WITHIN, connect_async_with_config(request, None, true)).await;
    Ok(connected.map_err(|_| WireError::Slow)??.0)
}

pub(super) fn encode(message: ToServer) -> Bytes {
    proto::WorkerMessage { message: Some(message) }.encode_to_vec().into()
}

/// A message of a kind that we do not know counts as an answer to our beat.
pub(super) fn decode(bytes: &[u8]) -> Result<FromServer, WireError> {
    let message = proto::ServerMessage::decode(bytes)?.message;
    Ok(message.unwrap_or(FromServer::Pong(proto::WorkerPong::default())))
}

pub(super) fn register(agent: &str) -> ToServer {
    ToServer::Register(proto::RegisterWorkerRequest {
        r#type: proto::JobType::JtParticipant.into(),
        agent_name: agent.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        allowed_permissions: Some(proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            can_publish_sources: vec![proto::TrackSource::Microphone.into()],
            ..proto::ParticipantPermission::default()
        }),
        ..proto::RegisterWorkerRequest::default()
    })
}

pub(super) fn ping() -> ToServer {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    ToServer::Ping(proto::WorkerPing { timestamp: i64::try_from(now.as_millis()).unwrap_or(i64::MAX) })
}

pub(super) fn standing(status: proto::WorkerStatus, load: f32, jobs: usize) -> ToServer {
    ToServer::UpdateWorker(proto::UpdateWorkerStatus {
        status: Some(status.into()),
        load,
        job_count: u32::try_from(jobs).unwrap_or(u32::MAX),
        ..proto::UpdateWorkerStatus::default()
    })
}

pub(super) fn accept(job_id: String) -> ToServer {
    let participant_identity = format!("agent-{job_id}");
    ToServer::Availability(proto::AvailabilityResponse {
        job_id,
        available: true,
        participant_identity,
        ..proto::AvailabilityResponse::default()
    })
}

/// Somebody else may have a slot.
pub(super) fn full(job_id: String) -> ToServer {
    ToServer::Availability(proto::AvailabilityResponse { job_id, ..proto::AvailabilityResponse::default() })
}

/// There is nothing to do, for us or anybody.
pub(super) fn nobody(job_id: String) -> ToServer {
    ToServer::Availability(proto::AvailabilityResponse {
        job_id,
        terminate: true,
        ..proto::AvailabilityResponse::default()
    })
}

pub(super) fn finished(job_id: String) -> ToServer {
    let status = proto::JobStatus::JsSuccess.into();
    ToServer::UpdateJob(proto::UpdateJobStatus { job_id, status, ..proto::UpdateJobStatus::default() })
}

/// Somebody who came by telephone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) room: String,
    pub(super) identity: String,
    pub(super) from: String,
    pub(super) to: String,
}

impl Caller {
    pub(super) fn of(job: &proto::Job) -> Option<Self> {
        let person = job.participant.as_ref().filter(|person| person.kind == i32::from(Kind::Sip))?;
        if person.attributes.contains_key(GUEST) {
            return None;
        }
        let attribute = |name: &str| person.attributes.get(name).cloned().unwrap_or_default();
        Some(Self {
            room: job.room.as_ref()?.name.clone(),
            identity: person.identity.clone(),
            from: attribute(FROM),
            to: attribute(TO),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: Kind) -> proto::Job {
        let attributes = [(FROM, "+15550111"), (TO, "+15550100")];
        proto::Job {
            id: "AJ_1".to_owned(),
            room: Some(proto::Room { name: "talkif-eu-west-in_1".to_owned(), ..proto::Room::default() }),
            participant: Some(proto::ParticipantInfo {
                identity: "sip_1".to_owned(),
                kind: kind.into(),
                attributes: attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
                ..proto::ParticipantInfo::default()
            }),
            ..proto::Job::default()
        }
    }

    #[test]
    fn only_somebody_who_came_by_telephone_is_a_caller() {
        let caller = Caller::of(&job(Kind::Sip)).unwrap();
        assert_eq!((caller.from.as_str(), caller.to.as_str()), ("+15550111", "+15550100"));
        assert_eq!(caller.room, "talkif-eu-west-in_1");
        assert_eq!(Caller::of(&job(Kind::Standard)), None);
        let mut guest = job(Kind::Sip);
        if let Some(person) = &mut guest.participant {
            person.attributes.insert(GUEST.to_owned(), "transfer".to_owned());
        }
        assert_eq!(Caller::of(&guest), None, "whoever was called into a call is nobody's caller");
        assert_eq!(Caller::of(&proto::Job { participant: None, ..job(Kind::Sip) }), None);
    }

    #[test]
    fn a_message_we_do_not_know_is_no_error_and_garbage_is() {
        assert!(decode(&[]).is_ok());
        assert!(decode(&[0xff, 0xff, 0xff]).is_err());
    }
}
