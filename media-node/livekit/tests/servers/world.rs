//! One pair of servers, one node in front of them, and telephones behind.

use crate::logs::Logs;
use crate::party::Party;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_embedded::LiveKit;
use talkif_livekit::{LiveKitConfig, LiveKitTelephony};
use talkif_model::{CallId, E164, Region};
use talkif_telephony::{
    DialRequest, DirectConfig, DirectTelephony, IncomingCall, Rejection, Telephony, Transport, Trunk,
};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longest wait for anything that is to happen soon.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The servers and the node.
pub(crate) struct World {
    pub(crate) servers: tokio::sync::Mutex<LiveKit>,
    pub(crate) telephony: Arc<LiveKitTelephony>,
    /// Where `livekit-sip` takes calls.
    pub(crate) sip: SocketAddr,
    pub(crate) url: String,
    /// Where `livekit-server` posts its events.
    pub(crate) webhook: String,
    pub(crate) key: (String, String),
    /// Whoever waits for calls to a number. Calls to others are refused as unknown.
    expected: Expected,
    folder: TempDir,
    begun: Logs,
}

type Expected = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<IncomingCall>>>>;

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_slots(1_000).await
    }

    pub(crate) async fn with_slots(slots: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let webhook = format!("http://{}/livekit/webhook", http.local_addr().unwrap());
        let servers = LiveKit::start(folder.path(), Some(&webhook)).await.unwrap();
        let key = (servers.api_key().to_owned(), servers.api_secret().to_owned());
        let telephony = Arc::new(LiveKitTelephony::start(settings(servers.url(), &key, slots)));
        let routes = telephony.routes();
        tokio::spawn(async move { axum::serve(http, routes).await });
        timeout(SOON, telephony.ready()).await.expect("calls can come in soon");
        let expected = Expected::default();
        tokio::spawn(route(Arc::clone(&telephony), Arc::clone(&expected)));
        let (sip, url) = (servers.sip(), servers.url());
        let begun = Logs::of(folder.path());
        Self { servers: servers.into(), telephony, sip, url, webhook, key, expected, folder, begun }
    }

    /// The other person in the `room` has hung up, and `listener` is told in `time`.
    pub(crate) async fn is_hung_up_on(&self, listener: &mut Party, room: &str, time: Duration) {
        let ended = listener.ended_within(time).await;
        if !matches!(ended, Some((LegEnd::RemoteHangup, _))) {
            self.begun.excuse_lost_goodbye(room);
        }
        assert_eq!(ended.expect("the call ends in time").0, LegEnd::RemoteHangup);
    }

    /// What is said from now on.
    pub(crate) fn logs(&self) -> Logs {
        Logs::of(self.folder.path())
    }

    /// A second node at the same servers, ready for calls.
    pub(crate) async fn another_node(&self) -> LiveKitTelephony {
        let node = LiveKitTelephony::start(settings(self.url.clone(), &self.key, 1_000));
        timeout(SOON, node.ready()).await.expect("calls can come in soon");
        node
    }

    /// A second node that goes with its runtime, as a process that is killed.
    pub(crate) async fn another_node_on(&self, runtime: &tokio::runtime::Runtime) -> LiveKitTelephony {
        let settings = settings(self.url.clone(), &self.key, 1_000);
        runtime.spawn(async { LiveKitTelephony::start(settings) }).await.unwrap()
    }

    /// From now on, calls to `number` are the caller's to answer.
    pub(crate) fn expect(&self, number: &E164) -> mpsc::UnboundedReceiver<IncomingCall> {
        let (calls, expected) = mpsc::unbounded_channel();
        self.expected.lock().unwrap().insert(number.as_str().to_owned(), calls);
        expected
    }

    /// Our side of a call to somebody at `address`.
    pub(crate) async fn dial(&self, request: DialRequest) -> Party {
        Party::new(self.telephony.dial(request).await.expect("the room can be entered"))
    }

    /// A telephone's side of a call that comes in to `number`.
    pub(crate) async fn call_in(&self, number: &E164) -> Party {
        let phone = phone().await;
        let leg = phone.dial(request(self.sip, number)).await.unwrap();
        Party::with_phone(phone, leg)
    }
}

impl Drop for World {
    /// A case's own world, when the case fails.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.begun.tell();
        }
    }
}

fn settings(url: String, (key, secret): &(String, String), slots: usize) -> LiveKitConfig {
    LiveKitConfig {
        url,
        api_key: key.clone(),
        api_secret: secret.clone(),
        region: Region::EuWest,
        slots,
        allow: vec!["127.0.0.0/8".to_owned()],
        numbers: None,
    }
}

async fn route(telephony: Arc<LiveKitTelephony>, expected: Expected) {
    while let Some(mut call) = telephony.next_call().await {
        let desk = expected.lock().unwrap().get(&call.to).cloned();
        match desk {
            Some(desk) => drop(desk.send(call)),
            None => drop(call.leg.reject(Rejection::UnknownNumber).await),
        }
    }
}

/// A telephone, or a carrier with one.
pub(crate) async fn phone() -> DirectTelephony {
    let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    DirectTelephony::start(DirectConfig::new(own, 0..=0, Ipv4Addr::LOCALHOST.into())).await.unwrap()
}

/// The next call to a telephone.
pub(crate) async fn rings(phone: &DirectTelephony) -> Party {
    Party::new(timeout(SOON, phone.next_call()).await.expect("it rings soon").unwrap().leg)
}

/// A number that no other case uses.
pub(crate) fn fresh_number() -> E164 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("+1212555{:04}", COUNT.fetch_add(1, Ordering::Relaxed)).parse().unwrap()
}

/// A call from a number of its own to `to`, by way of `address`.
pub(crate) fn request(address: SocketAddr, to: &E164) -> DialRequest {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    DialRequest {
        call_id: CallId::new(u64::try_from(now).unwrap(), rand::random()),
        from: fresh_number(),
        to: to.clone(),
        trunk: Trunk {
            address: address.to_string(),
            transport: Transport::Udp,
            username: None,
            password: None,
        },
        max_ring: Duration::from_secs(30),
        headers: vec![("X-Talkif-Case".to_owned(), "seen".to_owned())],
    }
}
