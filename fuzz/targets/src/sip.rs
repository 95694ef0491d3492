//! Datagrams on the SIP port, from the gate to what a call reads.

use crate::sdp;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;
use talkif_telephony::InboundDigest;
use talkif_telephony::direct::reading::{Answered, Asked, Reader, Reading};

/// RFC 4028: we agree to no shorter session.
const SHORTEST_SESSION: Duration = Duration::from_secs(90);
/// However short a session others agreed to, and however long: half of a day outlives every call.
const MOST_OFTEN: Duration = Duration::from_secs(1);
/// See `MOST_OFTEN`.
const LONGEST_REFRESH: Duration = Duration::from_secs(12 * 3_600);

/// Reads a datagram as a node reads it.
///
/// # Panics
/// If the node would take it for something that it cannot be.
pub fn run(data: &[u8]) {
    let source = SocketAddr::from(([198, 51, 100, 9], 5_060));
    let reading = reader().read(data, source);
    match &reading {
        Reading::Junk => {}
        Reading::Request(asked) => request(asked),
        Reading::Response(answered) => response(answered),
    }
    assert_eq!(reader().read(data, source), reading, "the same datagram means the same");
    if !data.contains(&b'\n') {
        assert_eq!(reading, Reading::Junk, "a message has a first line");
    }
}

fn reader() -> &'static Reader {
    static READER: OnceLock<Reader> = OnceLock::new();
    READER.get_or_init(|| {
        let digest =
            InboundDigest { realm: "talkif".into(), username: "trunk".into(), password: "word".into() };
        Reader::new(digest, SHORTEST_SESSION)
    })
}

fn request(asked: &Asked) {
    assert!(!asked.proven, "nobody was challenged");
    assert!(asked.refused.is_none_or(|status| (400..700).contains(&status)), "{:?}", asked.refused);
    assert!(asked.key.is_none_or(|key| "0123456789*#ABCD".contains(key)), "{:?}", asked.key);
    assert!(asked.refused.is_none() || asked.offer.is_none());
    asked.offer.as_deref().map(sdp::check).unwrap_or_default();
    refresh(asked.refresh_every);
}

fn response(answered: &Answered) {
    assert!((100..700).contains(&answered.status), "{}", answered.status);
    answered.answer.as_deref().map(sdp::check).unwrap_or_default();
    refresh(answered.refresh_every);
}

fn refresh(every: Option<Duration>) {
    let sane = MOST_OFTEN..=LONGEST_REFRESH;
    assert!(every.is_none_or(|every| sane.contains(&every)), "{every:?}");
}
