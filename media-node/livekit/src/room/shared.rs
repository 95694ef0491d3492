//! What the leg and its task share: the machine and its sockets.
//!
//! The leg's `receive` and `send` run on the session's clock: they take a lock for the time of a
//! packet and never wait for the network.

use super::audio::{Encoder, FRAME, Speaking};
use super::core::Core;
use super::peer::Target;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::Notify;

/// The task need not be woken for a deadline that is nearer by less than this.
const NEARER: Duration = Duration::from_millis(2);

/// The sockets of the two connections. The server tells connections apart by our address, so each
/// has its own.
#[derive(Debug, Clone)]
pub(super) struct Sockets {
    publisher: Arc<UdpSocket>,
    subscriber: Arc<UdpSocket>,
}

impl Sockets {
    /// Two sockets on the interface that leads to `server`.
    pub(super) async fn towards(server: SocketAddr) -> std::io::Result<Self> {
        let any: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let probe = UdpSocket::bind(any).await?;
        // Sends nothing; the system looks up the way.
        probe.connect(server).await?;
        let local = SocketAddr::new(probe.local_addr()?.ip(), 0);
        let bind = || async { UdpSocket::bind(local).await.map(Arc::new) };
        Ok(Self { publisher: bind().await?, subscriber: bind().await? })
    }

    pub(super) fn of(&self, target: Target) -> &Arc<UdpSocket> {
        match target {
            Target::Publisher => &self.publisher,
            Target::Subscriber => &self.subscriber,
        }
    }
}

/// The leg's and its task's common state.
pub(super) struct Shared {
    line: Mutex<Line>,
    /// Whether frames are sent: from the answer on.
    pub(super) talks: AtomicBool,
    /// Wakes the task: there is something to do, or an earlier deadline.
    pub(super) changed: Notify,
    /// The carrier's id of the call, once it is known.
    pub(super) call_id: OnceLock<String>,
}

/// The machine and its sockets, which change together.
pub(super) struct Line {
    pub(super) core: Core,
    pub(super) sockets: Sockets,
    /// When the task will wake by itself.
    pub(super) wakes: Instant,
}

impl Shared {
    pub(super) fn new(core: Core, sockets: Sockets, now: Instant) -> Self {
        let call_id = core.attributes().get("sip.callIDFull").cloned();
        Self {
            line: Mutex::new(Line { core, sockets, wakes: now }),
            talks: AtomicBool::new(false),
            changed: Notify::new(),
            call_id: call_id.map(OnceLock::from).unwrap_or_default(),
        }
    }

    /// Nothing that a panic leaves behind here is worse than the call's end.
    pub(super) fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the carrier's id of the call as soon as the person's attributes tell it.
    pub(super) fn note_call_id(&self, core: &Core) {
        if self.call_id.get().is_none()
            && let Some(id) = core.attributes().get("sip.callIDFull")
        {
            // Whoever was faster has set the same.
            let _ = self.call_id.set(id.clone());
        }
    }

    /// Sends a frame, if the far end is there to hear it.
    pub(super) fn speak(&self, speaking: &mut Speaking, frame: &[i16]) {
        if !self.talks.load(Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        let Some(spoken) = speaking.packet(frame, now) else { return };
        let mut line = self.line();
        line.core.speak(spoken, now);
        line.send_datagrams();
        if line.core.has_requests() || line.core.deadline() + NEARER < line.wakes {
            self.changed.notify_one();
        }
    }
}

impl Line {
    /// Sends what waits. A full socket buffer loses a packet, as any network may.
    pub(super) fn send_datagrams(&mut self) {
        while let Some(datagram) = self.core.poll_datagram() {
            let socket = self.sockets.of(datagram.from);
            let _ = socket.try_send_to(&datagram.contents, datagram.to);
        }
    }
}

/// The sending side with the random numbers RFC 3550 asks for.
pub(super) fn new_voice() -> Speaking {
    Speaking::new(Encoder::new(), rand::random(), rand::random())
}

/// The samples of a frame, for callers that bring another.
pub(super) fn is_frame(frame: &[i16]) -> bool {
    frame.len() == FRAME
}
