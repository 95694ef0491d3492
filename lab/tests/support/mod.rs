//! A lab for a test, and a minimal caller: SIP by rsipstack, RTP by hand, speech by the lab's
//! modem.
#![allow(dead_code, reason = "every test file uses its own part")]

use rsipstack::EndpointBuilder;
use rsipstack::dialog::authenticate::Credential;
use rsipstack::dialog::dialog::DialogState;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::Uri;
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use talkif_lab::phones::{CallRecord, CarrierOptions, Trunk};
use talkif_lab::speech::{Decoder, Voice, encode_text};
use talkif_lab::standins::{Delays, Faults, Vendors, VoiceKind};
use talkif_lab::{Lab, LabOptions};
use talkif_media::g711::Law;
use talkif_media::rtp::{Packet, Stamper};
use talkif_media::sdp::{self, Local};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

pub(crate) async fn lab(trunk: Option<(&str, &str)>) -> Lab {
    let trunk = trunk.map(|(user, password)| Trunk { user: user.into(), password: password.into() });
    let ring = Duration::from_millis(100);
    Lab::start(LabOptions {
        http: loopback(),
        carrier: CarrierOptions { listen: loopback(), rtp_ports: None, trunk, ring },
        vendors: Vendors {
            delays: Delays::none(),
            faults: Faults::default(),
            key: Some("secret".into()),
            voice: VoiceKind::Modem,
        },
    })
    .await
    .unwrap()
}

pub(crate) async fn put(lab: &Lab, path: &str, body: serde_json::Value) {
    let url = format!("http://{}{path}", lab.http());
    let response = reqwest::Client::new().put(url).json(&body).send().await.unwrap();
    assert!(response.status().is_success(), "{path}: {}", response.status());
}

/// Waits until the log's newest record satisfies the condition.
pub(crate) async fn until(lab: &Lab, condition: impl Fn(&CallRecord) -> bool) -> CallRecord {
    let search = async {
        loop {
            if let Some(record) = lab.calls().pop().filter(|record| condition(record)) {
                return record;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, search).await.unwrap_or_else(|_| panic!("it never came to that: {:#?}", lab.calls()))
}

/// A user agent with one SIP socket.
pub(crate) struct Caller {
    layer: Arc<DialogLayer>,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Caller {
    pub(crate) async fn new() -> Self {
        let stop = CancellationToken::new();
        let transport = TransportLayer::new(stop.clone());
        let udp = UdpConnection::create_connection(loopback(), None, Some(stop.clone())).await.unwrap();
        let port = udp.get_addr().addr.port.map_or(0, u16::from);
        transport.add_transport(udp.into());
        let endpoint =
            EndpointBuilder::new().with_transport_layer(transport).with_cancel_token(stop.clone()).build();
        let mut incoming = endpoint.incoming_transactions().unwrap();
        let layer = Arc::new(DialogLayer::new(endpoint.inner.clone()));
        let inside = Arc::clone(&layer);
        tokio::spawn(async move { endpoint.serve().await });
        tokio::spawn(async move {
            while let Some(mut transaction) = incoming.recv().await {
                if let Some(mut dialog) = inside.match_dialog(&transaction) {
                    tokio::spawn(async move { dialog.handle(&mut transaction).await });
                }
            }
        });
        Self { layer, address: ([127, 0, 0, 1], port).into(), stop }
    }

    /// Calls a number; the call's answer is still to come.
    pub(crate) async fn dial(&self, lab: &Lab, number: &str, law: Law, password: Option<&str>) -> Dialing {
        let socket = UdpSocket::bind(loopback()).await.unwrap();
        let rtp = socket.local_addr().unwrap();
        let local = Local { address: rtp.ip(), port: rtp.port(), session: 1, version: 1, codecs: vec![law] };
        let uri = |text: String| Uri::try_from(text.as_str()).unwrap();
        let (sender, states) = self.layer.new_dialog_state_channel();
        let (mut relay, receiver) = (states, mpsc::unbounded_channel());
        let (forward, received) = receiver;
        tokio::spawn(async move {
            while let Some(state) = relay.recv().await {
                let _ = forward.send(state);
            }
        });
        let invite = InviteOption {
            caller: uri(format!("sip:+15550100@{}", self.address)),
            contact: uri(format!("sip:+15550100@{}", self.address)),
            callee: uri(format!("sip:{number}@{}", lab.sip())),
            content_type: Some("application/sdp".into()),
            offer: Some(local.offer().into_bytes()),
            credential: password.map(|password| Credential {
                username: "trunk".into(),
                password: password.into(),
                ..Credential::default()
            }),
            ..InviteOption::default()
        };
        let (dialog, answer) = self.layer.do_invite_async(invite, sender).unwrap();
        let answer = tokio::spawn(async move {
            let (_, response) = answer.await.unwrap().unwrap();
            let response = response.unwrap();
            let sdp = String::from_utf8(response.body).unwrap();
            (u16::from(response.status_code), sdp)
        });
        Dialing { dialog, answer, states: received, socket, local }
    }
}

/// A call that is not answered yet.
pub(crate) struct Dialing {
    pub(crate) dialog: InviteDialog,
    answer: JoinHandle<(u16, String)>,
    states: mpsc::UnboundedReceiver<DialogState>,
    socket: UdpSocket,
    local: Local,
}

impl Dialing {
    /// The final status.
    pub(crate) async fn status(self) -> u16 {
        timeout(PATIENCE, self.answer).await.unwrap().unwrap().0
    }

    pub(crate) async fn answered(self) -> Talk {
        let (status, sdp) = timeout(PATIENCE, self.answer).await.unwrap().unwrap();
        assert_eq!(status, 200);
        let remote = sdp::parse(&sdp).unwrap();
        let agreed = self.local.accept(&remote).unwrap();
        let address = (remote.address().unwrap(), remote.port).into();
        Talk {
            dialog: self.dialog,
            states: self.states,
            socket: self.socket,
            remote: address,
            law: agreed.codec,
            stamper: Stamper::new(7, 1, 0),
            decoder: Decoder::new(8000).unwrap(),
            heard: Vec::new(),
            keys: talkif_media::telephone_event::Receiver::default(),
            pressed: String::new(),
        }
    }
}

/// An answered call.
pub(crate) struct Talk {
    pub(crate) dialog: InviteDialog,
    states: mpsc::UnboundedReceiver<DialogState>,
    socket: UdpSocket,
    remote: SocketAddr,
    law: Law,
    stamper: Stamper,
    decoder: Decoder,
    pub(crate) heard: Vec<String>,
    keys: talkif_media::telephone_event::Receiver,
    pub(crate) pressed: String,
}

impl Talk {
    /// Says a text, listening meanwhile.
    pub(crate) async fn say(&mut self, text: &str) {
        let words = encode_text(text, 8000, Voice::Agent);
        let samples: Vec<i16> = words.into_iter().flat_map(|word| word.samples).collect();
        self.send(&samples, |_| false).await;
    }

    /// Listens until a word is heard that satisfies the condition.
    pub(crate) async fn hear(&mut self, condition: impl Fn(&str) -> bool) {
        let silence = vec![0; 8000 * PATIENCE.as_secs() as usize];
        let start = self.heard.len();
        let found = |talk: &Self| talk.heard[start..].iter().any(|word| condition(word));
        self.send(&silence, found).await;
        assert!(found(self), "heard only {:?}", self.heard);
    }

    pub(crate) async fn listen(&mut self, duration: Duration) {
        self.send(&vec![0; 8 * duration.as_millis() as usize], |_| false).await;
    }

    async fn send(&mut self, samples: &[i16], done: impl Fn(&Self) -> bool) {
        let mut ticks = interval(Duration::from_millis(20));
        let mut frames = samples.chunks(160);
        let mut buffer = [0; 2048];
        while !done(self) {
            tokio::select! {
                _ = ticks.tick() => {
                    let Some(frame) = frames.next() else { return };
                    let codes: Vec<u8> = frame.iter().map(|sample| self.law.encode(*sample)).collect();
                    let mut datagram = Vec::new();
                    self.stamper.stamp(self.law.payload_type(), false).write(&codes, &mut datagram);
                    self.stamper.advance(160);
                    self.socket.send_to(&datagram, self.remote).await.unwrap();
                }
                received = self.socket.recv(&mut buffer) => {
                    let Ok(length) = received else { continue };
                    self.take(&buffer[..length]);
                }
            }
        }
    }

    fn take(&mut self, datagram: &[u8]) {
        let Packet { header, payload } = Packet::parse(datagram).unwrap();
        if header.payload_type == sdp::TELEPHONE_EVENT {
            self.pressed.extend(self.keys.receive(header.timestamp, payload));
            return;
        }
        assert_eq!(header.payload_type, self.law.payload_type());
        let samples: Vec<i16> = payload.iter().map(|code| self.law.decode(*code)).collect();
        self.heard.extend(self.decoder.push(&samples).into_iter().map(|heard| heard.word));
    }

    /// Waits until the phone hangs up.
    pub(crate) async fn hung_up(&mut self) {
        let start = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            let state = timeout(left, self.states.recv()).await.expect("the phone did not hang up");
            if matches!(state, Some(DialogState::Terminated(..)) | None) {
                return;
            }
        }
    }
}
