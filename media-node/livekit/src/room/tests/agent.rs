//! A leg, and LiveKit's API, as tests want them.

use super::server::{Server, until};
use crate::control::{PlaceError, SipControl};
use crate::room::audio::{Encoder, FRAME};
use crate::room::{RoomLeg, RoomLegConfig, Rooms, open};
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_model::Direction;
use talkif_telephony::{CallLeg, FRAME as TICK, LegEvent, Received, TransferError};
use tokio::sync::Notify;
use tokio::time::{interval, timeout};

/// LiveKit's API as a test wants it.
#[derive(Default)]
pub(super) struct Control {
    log: Mutex<Vec<&'static str>>,
    placed: Mutex<Option<Result<(), PlaceError>>>,
    decided: Notify,
}

impl Control {
    pub(super) fn decide(&self, result: Result<(), PlaceError>) {
        *self.placed.lock().unwrap() = Some(result);
        self.decided.notify_one();
    }

    pub(super) fn log(&self) -> Vec<&'static str> {
        self.log.lock().unwrap().clone()
    }

    fn note(&self, what: &'static str) {
        self.log.lock().unwrap().push(what);
    }
}

#[async_trait]
impl SipControl for Control {
    async fn place(&self) -> Result<(), PlaceError> {
        self.note("place");
        self.decided.notified().await;
        self.placed.lock().unwrap().take().unwrap()
    }

    async fn remove(&self) {
        self.note("remove");
    }

    async fn transfer(&self, to: &str) -> Result<(), TransferError> {
        assert_eq!(to, "+12125550111");
        Err(TransferError { sip_status: Some(603) })
    }

    fn yield_room(&self) {
        self.note("yield");
    }

    async fn dismiss(&self) {
        self.note("dismiss");
    }

    async fn consult(&self, to: &str, _max_ring: Duration) -> Result<(), TransferError> {
        self.note("consult");
        match to {
            "refused" => Err(TransferError { sip_status: None }),
            "silent" => std::future::pending().await,
            _ => Ok(()),
        }
    }

    /// As an API does, it takes a while.
    async fn close(&self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.note("close");
    }
}

/// A leg that is served every 20 ms, as a session does it.
pub(super) struct Agent {
    pub(super) leg: RoomLeg,
    pub(super) rooms: Rooms,
    pub(super) control: Arc<Control>,
    pub(super) heard: usize,
}

pub(super) fn config(server: &Server, direction: Direction) -> RoomLegConfig {
    RoomLegConfig {
        url: server.url.clone(),
        token: "token".to_owned(),
        room: "room".to_owned(),
        sip_identity: "person".to_owned(),
        direction,
        max_ring: Duration::from_secs(30),
    }
}

impl Agent {
    pub(super) async fn enter(server: &Server, direction: Direction) -> Self {
        let control = Arc::<Control>::default();
        let rooms = Rooms::default();
        let leg = open(config(server, direction), Arc::clone(&control) as _, &rooms).await.unwrap();
        Self { leg, rooms, control, heard: 0 }
    }

    /// A call in which both sides talk.
    pub(super) async fn talking(server: &Server) -> Self {
        let mut agent = Self::enter(server, Direction::Outbound).await;
        server.status("active");
        server.heard_by_person();
        assert_eq!(agent.event().await, LegEvent::Answered);
        agent
            .until("both are heard", |agent| agent.heard > 5 && server.seen(|seen| seen.heard) > 5, server)
            .await;
        agent
    }

    pub(super) async fn event(&mut self) -> LegEvent {
        timeout(Duration::from_secs(30), self.leg.event()).await.expect("something happens")
    }

    pub(super) async fn ends(&mut self) -> (LegEnd, Option<u16>) {
        loop {
            if let LegEvent::Ended { how, sip_status } = self.event().await {
                return (how, sip_status);
            }
        }
    }

    /// Serves the leg, and the person speaks, until `done`.
    pub(super) async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool, server: &Server) {
        let packet = Encoder::new().encode(&[3_000; FRAME]).unwrap().to_vec();
        let mut ticks = interval(TICK);
        let served = timeout(Duration::from_secs(30), async {
            while !done(self) {
                ticks.tick().await;
                let mut frame = [0; FRAME];
                if self.leg.receive(&mut frame) == Received::Audio {
                    self.heard += 1;
                }
                self.leg.send(&[2_000; FRAME]);
                server.voice(&packet);
            }
        });
        assert!(served.await.is_ok(), "{what}: {} frames", self.heard);
    }

    /// The room is free: the person is removed, the room closed, and the agent gone.
    pub(super) async fn freed(&self, server: &Server) {
        until("the room is closed", || self.control.log().ends_with(&["remove", "close"])).await;
        until("the agent leaves", || server.count("leave") == 1).await;
    }
}
