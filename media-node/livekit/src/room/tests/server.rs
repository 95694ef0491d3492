//! A server of one room on loopback: signalling over a WebSocket, media over UDP.

use super::sfu::Sfu;
use crate::room::peer::Target;
use futures::{SinkExt, StreamExt};
use livekit_protocol::data_packet::Value;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_request::Message as FromAgent;
use livekit_protocol::signal_response::Message as ToAgent;
use livekit_protocol::{
    DataPacket, DisconnectReason, JoinResponse, LeaveRequest, ParticipantInfo, ParticipantUpdate, Pong,
    ReconnectResponse, SessionDescription, SignalRequest, SignalResponse, SipDtmf, TrackInfo,
    TrackPublishedResponse, TrackSubscribed, participant_info,
};
use prost::Message as _;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// What a test has the server do.
enum Order {
    Send(Box<ToAgent>),
    Voice(Vec<u8>),
    Data(Vec<u8>),
    /// Close the WebSocket without a word.
    Hang,
    /// From now on, no session is known.
    Forget,
    /// From now on, no datagram gets through, or all do again.
    Cut(bool),
}

/// What the server has seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What was done to it, in order: `join`, `resume`, `add track`, `offer`, `offer with voice`,
    /// `answer`, `subscribe`, `leave`, `replaced`.
    pub(super) log: Vec<String>,
    /// The tokens that rooms were entered with, in order.
    pub(super) tokens: Vec<String>,
    pub(super) heard: usize,
    pub(super) messages: Vec<DataPacket>,
}

/// The test's handle.
pub(super) struct Server {
    pub(super) url: String,
    seen: Arc<Mutex<Seen>>,
    orders: mpsc::UnboundedSender<Order>,
}

impl Server {
    /// Starts with the person in the room, its call in this state, or without.
    pub(super) async fn start(person: Option<&str>) -> Self {
        Self::with(person.map(|status| vec![info(status)]).unwrap_or_default()).await
    }

    /// Starts with these people in the room.
    pub(super) async fn with(people: Vec<ParticipantInfo>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Seen>>::default();
        let (orders, ordered) = mpsc::unbounded_channel();
        let bind = || UdpSocket::bind("127.0.0.1:0");
        let sockets = [bind().await.unwrap(), bind().await.unwrap()];
        let sfu = new_sfu(&sockets);
        let room = Room {
            sockets,
            sfu,
            people,
            seen: Arc::clone(&seen),
            ordered,
            forgetful: false,
            is_cut: false,
            voice_wanted: false,
        };
        tokio::spawn(room.run(listener));
        Self { url, seen, orders }
    }

    /// The call reaches this state.
    pub(super) fn status(&self, status: &str) {
        let update = ParticipantUpdate { participants: vec![info(status)] };
        self.send(ToAgent::Update(update));
    }

    /// The far end hears the agent.
    pub(super) fn heard_by_person(&self) {
        self.send(ToAgent::TrackSubscribed(TrackSubscribed { track_sid: "TR_agent".to_owned() }));
    }

    pub(super) fn leave(&self, reason: DisconnectReason, action: Action) {
        let (reason, action) = (reason.into(), action.into());
        self.send(ToAgent::Leave(LeaveRequest { reason, action, ..LeaveRequest::default() }));
    }

    pub(super) fn send(&self, message: ToAgent) {
        self.order(Order::Send(Box::new(message)));
    }

    /// A packet of the person's voice.
    pub(super) fn voice(&self, packet: &[u8]) {
        self.order(Order::Voice(packet.to_vec()));
    }

    /// The person presses a key.
    pub(super) fn key(&self, digit: &str) {
        let packet = DataPacket {
            participant_identity: "person".to_owned(),
            value: Some(Value::SipDtmf(SipDtmf { code: 0, digit: digit.to_owned() })),
            ..DataPacket::default()
        };
        self.order(Order::Data(packet.encode_to_vec()));
    }

    /// An offer that no connection survives.
    pub(super) fn nonsense(&self) {
        self.send(ToAgent::Offer(description("offer", "nonsense".to_owned(), 78)));
    }

    pub(super) fn hang(&self) {
        self.order(Order::Hang);
    }

    pub(super) fn forget(&self) {
        self.order(Order::Forget);
    }

    /// Has the way of the media swallow everything, or let it through again.
    pub(super) fn cut(&self, is_cut: bool) {
        self.order(Order::Cut(is_cut));
    }

    fn order(&self, order: Order) {
        assert!(self.orders.send(order).is_ok(), "the server has panicked");
    }

    pub(super) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// How often something was done to the server.
    pub(super) fn count(&self, what: &str) -> usize {
        self.seen(|seen| seen.log.iter().filter(|done| *done == what).count())
    }
}

/// The person, with a voice.
pub(super) fn info(status: &str) -> ParticipantInfo {
    let attribute = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let attributes = [
        attribute("sip.callStatus", status),
        attribute("sip.callIDFull", "abc@carrier"),
        attribute("sip.phoneNumber", "+12125550100"),
    ];
    ParticipantInfo {
        sid: "PA_person".to_owned(),
        identity: "person".to_owned(),
        state: participant_info::State::Active.into(),
        attributes: HashMap::from(attributes),
        tracks: vec![TrackInfo { sid: "TR_person".to_owned(), ..TrackInfo::default() }],
        ..ParticipantInfo::default()
    }
}

pub(super) fn agent_of_another_node() -> ParticipantInfo {
    ParticipantInfo {
        sid: "PA_other".to_owned(),
        identity: "agent-other".to_owned(),
        kind: participant_info::Kind::Agent.into(),
        ..ParticipantInfo::default()
    }
}

fn new_sfu(sockets: &[UdpSocket; 2]) -> Sfu {
    let [publisher, subscriber] = sockets.each_ref().map(|socket| socket.local_addr().unwrap());
    Sfu::new(publisher, subscriber, false, Instant::now())
}

struct Room {
    sockets: [UdpSocket; 2],
    sfu: Sfu,
    people: Vec<ParticipantInfo>,
    seen: Arc<Mutex<Seen>>,
    ordered: mpsc::UnboundedReceiver<Order>,
    forgetful: bool,
    is_cut: bool,
    voice_wanted: bool,
}

type Socket = WebSocketStream<TcpStream>;

/// Somebody at the door.
struct Visit {
    socket: Socket,
    resumes: bool,
}

/// From an old session's end to the beginning of the one that replaces it.
const HEARD_BEFORE: Duration = Duration::from_millis(200);

impl Room {
    async fn run(mut self, listener: TcpListener) {
        let mut newcomer = None;
        loop {
            let visit = match newcomer.take() {
                Some(visit) => Some(visit),
                None => self.visit(listener.accept().await.unwrap().0).await,
            };
            // What is dropped without a closing handshake looks like a lost network.
            if let Some(mut visit) = visit
                && self.greet(&mut visit.socket, visit.resumes).await
            {
                newcomer = self.serve(&mut visit.socket, &listener).await;
            }
        }
    }

    async fn visit(&self, stream: TcpStream) -> Option<Visit> {
        let (mut query, mut token) = (String::new(), String::new());
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let note = |request: &Request, response: Response| {
            request.uri().query().unwrap_or_default().clone_into(&mut query);
            let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
            bearer.unwrap_or_default().trim_start_matches("Bearer ").clone_into(&mut token);
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, note).await;
        self.seen.lock().unwrap().tokens.push(token);
        Some(Visit { socket: socket.ok()?, resumes: query.contains("reconnect=1") })
    }

    /// Somebody comes while a session is on: who enters under the same name ends it, and is
    /// greeted only after that.
    async fn replaced(&self, old: &mut Socket, stream: TcpStream) -> Option<Visit> {
        let visit = self.visit(stream).await?;
        if !visit.resumes {
            let (reason, action) = (DisconnectReason::DuplicateIdentity.into(), Action::Disconnect.into());
            send(old, ToAgent::Leave(LeaveRequest { reason, action, ..LeaveRequest::default() })).await;
            self.note("replaced");
            tokio::time::sleep(HEARD_BEFORE).await;
        }
        Some(visit)
    }

    async fn greet(&mut self, socket: &mut Socket, resumes: bool) -> bool {
        self.note(if resumes { "resume" } else { "join" });
        if resumes && self.forgetful {
            let (reason, action) = (DisconnectReason::StateMismatch.into(), Action::Reconnect.into());
            send(socket, ToAgent::Leave(LeaveRequest { reason, action, ..LeaveRequest::default() })).await;
            return false;
        }
        if resumes {
            send(socket, ToAgent::Reconnect(ReconnectResponse::default())).await;
        } else {
            self.sfu = new_sfu(&self.sockets);
            self.forgetful = false;
            let agent = ParticipantInfo { sid: "PA_agent".to_owned(), ..ParticipantInfo::default() };
            let join = JoinResponse {
                participant: Some(agent),
                other_participants: self.people.clone(),
                ping_interval: 5,
                ping_timeout: 15,
                ..JoinResponse::default()
            };
            send(socket, ToAgent::Join(join)).await;
        }
        self.offer(socket, false, resumes).await;
        true
    }

    /// Until the socket is gone, or somebody else comes.
    async fn serve(&mut self, socket: &mut Socket, listener: &TcpListener) -> Option<Visit> {
        let (mut one, mut other) = ([0; 1_500], [0; 1_500]);
        loop {
            self.flush().await;
            tokio::select! {
                frame = socket.next() => match frame {
                    Some(Ok(Frame::Binary(bytes))) => {
                        let request = SignalRequest::decode(bytes).unwrap();
                        self.take(request.message.unwrap(), socket).await;
                    }
                    Some(Ok(_)) => {}
                    _ => return None,
                },
                Ok((stream, _)) = listener.accept() => return self.replaced(socket, stream).await,
                Some(order) = self.ordered.recv() => match order {
                    Order::Send(message) => {
                        let is_last = matches!(*message, ToAgent::Leave(_));
                        if let ToAgent::Update(update) = &*message {
                            self.people.clone_from(&update.participants);
                        }
                        send(socket, *message).await;
                        if is_last {
                            return None;
                        }
                    }
                    Order::Voice(packet) => drop(self.sfu.speak(&packet, Instant::now())),
                    Order::Data(message) => self.sfu.send(&message, Instant::now()),
                    Order::Hang => return None,
                    Order::Forget => self.forgetful = true,
                    Order::Cut(is_cut) => self.is_cut = is_cut,
                },
                Ok((length, from)) = self.sockets[0].recv_from(&mut one) => {
                    self.receive(Target::Publisher, from, &one[..length]);
                }
                Ok((length, from)) = self.sockets[1].recv_from(&mut other) => {
                    self.receive(Target::Subscriber, from, &other[..length]);
                }
                () = tokio::time::sleep_until(self.sfu.deadline().into()) => self.sfu.tick(Instant::now()),
            }
        }
    }

    fn receive(&mut self, target: Target, from: SocketAddr, datagram: &[u8]) {
        if !self.is_cut {
            self.sfu.receive(target, from, datagram, Instant::now());
        }
    }

    async fn flush(&mut self) {
        for (target, to, contents) in std::mem::take(&mut self.sfu.sent) {
            if self.is_cut {
                continue;
            }
            let socket = match target {
                Target::Publisher => &self.sockets[0],
                Target::Subscriber => &self.sockets[1],
            };
            let _ = socket.send_to(&contents, to).await;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.heard += self.sfu.heard.drain(..).count();
        let messages = self.sfu.messages.drain(..);
        seen.messages.extend(messages.map(|message| DataPacket::decode(&message[..]).unwrap()));
    }

    async fn take(&mut self, message: FromAgent, socket: &mut Socket) {
        match message {
            FromAgent::AddTrack(request) => {
                self.note("add track");
                let track = Some(TrackInfo { sid: "TR_agent".to_owned(), ..TrackInfo::default() });
                send(socket, ToAgent::TrackPublished(TrackPublishedResponse { cid: request.cid, track }))
                    .await;
            }
            FromAgent::Offer(offer) => {
                self.note(if offer.sdp.contains("m=audio") { "offer with voice" } else { "offer" });
                let sdp = self.sfu.answer(&offer.sdp, Instant::now());
                send(socket, ToAgent::Answer(description("answer", sdp, offer.id))).await;
            }
            FromAgent::Answer(answer) => {
                self.note("answer");
                assert_eq!(answer.id, 77, "the answer names the offer");
                self.sfu.take_answer(&answer.sdp, Instant::now());
                self.offer_voice(socket).await;
            }
            FromAgent::Subscription(request) => {
                self.note("subscribe");
                assert_eq!(request.track_sids, ["TR_person"]);
                self.voice_wanted = true;
                self.offer_voice(socket).await;
            }
            FromAgent::Leave(_) => self.note("leave"),
            FromAgent::PingReq(ping) => {
                let pong = Pong { last_ping_timestamp: ping.timestamp, timestamp: ping.timestamp };
                send(socket, ToAgent::PongResp(pong)).await;
            }
            _ => {}
        }
    }

    /// One offer at a time.
    async fn offer_voice(&mut self, socket: &mut Socket) {
        if self.voice_wanted && !self.sfu.is_negotiating() {
            self.voice_wanted = false;
            self.offer(socket, true, false).await;
        }
    }

    async fn offer(&mut self, socket: &mut Socket, with_voice: bool, restart: bool) {
        let sdp = self.sfu.offer(with_voice, restart, Instant::now());
        send(socket, ToAgent::Offer(description("offer", sdp, 77))).await;
    }

    fn note(&self, what: &str) {
        self.seen.lock().unwrap().log.push(what.to_owned());
    }
}

async fn send(socket: &mut Socket, message: ToAgent) {
    let bytes = SignalResponse { message: Some(message) }.encode_to_vec();
    // The agent may have gone.
    let _ = socket.send(Frame::Binary(bytes.into())).await;
}

fn description(kind: &str, sdp: String, id: u32) -> SessionDescription {
    SessionDescription { r#type: kind.to_owned(), sdp, id, ..SessionDescription::default() }
}

/// Waits until `done`; long enough for a busy machine.
pub(super) async fn until(what: &str, done: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
