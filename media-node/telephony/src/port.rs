use async_trait::async_trait;
use futures::future::BoxFuture;
use std::collections::BTreeMap;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_model::flow::TransferMode;
use talkif_model::{CallId, E164};

/// Length of every frame that crosses the port.
pub const FRAME: Duration = Duration::from_millis(20);

/// What a leg reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegEvent {
    /// The far end rings (180, 183).
    Ringing,
    /// Answered: media flows.
    Answered,
    /// A key, once for each press.
    Dtmf(char),
    /// The leg is gone: the last event. `sip_status` is the final response, where there was one.
    Ended {
        /// How.
        how: LegEnd,
        /// Final SIP status, for the record.
        sip_status: Option<u16>,
    },
}

/// What [`CallLeg::receive`] put into the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The caller's audio.
    Audio,
    /// Made up for a lost or late packet.
    Concealed,
    /// Silence: nothing has been received yet, or the far end pauses.
    Silence,
}

/// Quality of a leg so far, receiving side.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LegQuality {
    /// Packets received.
    pub packets_received: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// RFC 3550 interarrival jitter, milliseconds.
    pub jitter_ms: f64,
    /// Present depth of the jitter buffer, milliseconds.
    pub buffer_ms: f64,
    /// Mean opinion score by the E-model, 1 to 4.5.
    pub mos: f64,
}

/// One telephone leg. Dropping it ends the call without ceremony.
#[async_trait]
pub trait CallLeg: Send {
    /// The carrier's id of the call: SIP Call-ID.
    fn id(&self) -> &str;

    /// Samples per second of all frames: 8000 (direct) or 48000 (LiveKit).
    fn sample_rate(&self) -> u32;

    /// The next event. Cancel-safe. After `Ended` it never returns again.
    async fn event(&mut self) -> LegEvent;

    /// Takes the next 20 ms of the caller's audio; call it once a tick. `frame` holds
    /// `sample_rate / 50` mono samples. Never blocks.
    fn receive(&mut self, frame: &mut [i16]) -> Received;

    /// Hands 20 ms to the wire now; call it once a tick, with silence when nothing plays. Never
    /// blocks.
    fn send(&mut self, frame: &[i16]);

    /// Answers an inbound call; `Answered` follows.
    async fn answer(&mut self) -> Result<(), LegError>;

    /// Refuses an inbound call; `Ended` follows.
    async fn reject(&mut self, why: Rejection) -> Result<(), LegError>;

    /// CANCEL before the answer, BYE after it; `Ended` follows, at the latest after a few seconds.
    fn hang_up(&mut self);

    /// Queues keys as telephone-events.
    fn send_dtmf(&mut self, digits: &str);

    /// Blind transfer by REFER; on failure the call goes on.
    async fn transfer(&mut self, to: &str) -> Result<(), TransferError>;

    /// Begins a transfer and goes on meanwhile: the leg is to be served as ever. A leg that cannot
    /// call somebody into its call makes an attended transfer a blind one.
    fn begin_transfer(&self, _transfer: Transfer) -> BoxFuture<'static, Result<Transferred, TransferError>> {
        Box::pin(async { Err(TransferError { sip_status: None }) })
    }

    /// After [`Transferred::Joined`]: from now on the caller and the other person need us no more,
    /// and hanging up leaves them to each other. Fails if one of them has gone.
    fn hand_over(&self) -> BoxFuture<'static, Result<(), TransferError>> {
        Box::pin(async { Err(TransferError { sip_status: None }) })
    }

    /// What the carrier, and servers on the way, tell about the call: `sip.callIDFull`,
    /// `sip.h.x-…` and so on, as LiveKit names them. Personal.
    fn attributes(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("sip.callIDFull".to_owned(), self.id().to_owned())])
    }

    /// Quality so far.
    fn quality(&self) -> LegQuality;
}

/// A transfer to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// E.164, or a `sip:` or `tel:` address.
    pub to: String,
    /// How.
    pub mode: TransferMode,
    /// Ring at most this long, where we do the ringing.
    pub max_ring: Duration,
}

/// What a transfer has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transferred {
    /// The caller is with the other person, without us; `Ended` follows.
    Away,
    /// The other person has answered and hears the caller and us.
    Joined,
}

/// Places and takes calls.
#[async_trait]
pub trait Telephony: Send + Sync {
    /// Sends the INVITE and returns as soon as the trunk is found; progress comes as events of the
    /// leg.
    async fn dial(&self, request: DialRequest) -> Result<Box<dyn CallLeg>, DialError>;

    /// The next inbound call, unanswered. `None` when shut down.
    async fn next_call(&self) -> Option<IncomingCall>;
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct DialRequest {
    /// For logs.
    pub call_id: CallId,
    /// Our number.
    pub from: E164,
    /// The person's number.
    pub to: E164,
    /// The carrier.
    pub trunk: Trunk,
    /// Ring at most this long, then CANCEL and end as `NoAnswer`.
    pub max_ring: Duration,
    /// `X-…` headers of the INVITE.
    pub headers: Vec<(String, String)>,
}

/// A carrier's address and credentials.
#[derive(Clone)]
pub struct Trunk {
    /// `host` or `host:port`.
    pub address: String,
    /// Transport.
    pub transport: Transport,
    /// Digest user.
    pub username: Option<String>,
    /// Digest password.
    pub password: Option<String>,
}

impl std::fmt::Debug for Trunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Trunk({} {:?})", self.address, self.transport)
    }
}

/// SIP transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

/// An inbound call that waits for `answer` or `reject` on its leg.
pub struct IncomingCall {
    /// User part of From: usually E.164, but as the carrier sent it.
    pub from: String,
    /// User part of the Request-URI: the dialled number.
    pub to: String,
    /// The leg, ringing.
    pub leg: Box<dyn CallLeg>,
}

/// Why an inbound call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// 404: not our number.
    UnknownNumber,
    /// 480: our number, but no flow answers it.
    NoFlow,
    /// 486: no free slot.
    Busy,
    /// 503: draining or broken.
    Unavailable,
}

/// A call could not even be attempted.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The trunk's address makes no sense or cannot be resolved.
    #[error("trunk address `{0}` cannot be used")]
    Address(String),
    /// No free media port, or sockets failed.
    #[error("no media: {0}")]
    Media(String),
    /// SIP failed to start.
    #[error("sip: {0}")]
    Sip(String),
}

/// An operation on a leg failed; `Ended` follows if the leg is gone.
#[derive(Debug, thiserror::Error)]
#[error("leg: {0}")]
pub struct LegError(pub String);

/// A transfer failed; the call goes on.
#[derive(Debug, thiserror::Error)]
#[error("transfer refused: {sip_status:?}")]
pub struct TransferError {
    /// Final SIP status of the transfer, where there was one.
    pub sip_status: Option<u16>,
}
