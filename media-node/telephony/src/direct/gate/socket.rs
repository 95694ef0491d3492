//! The UDP socket as the stack sees it: only datagrams that are whole SIP messages, within their
//! source's budget.

use super::Gate;
use async_trait::async_trait;
use rsipstack::dialog::DialogId;
use rsipstack::platform::net::UdpSocket as StackSocket;
use rsipstack::sip::SipMessage;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use std::net::SocketAddr;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;

/// Longest first line of a message; it holds a method, an address and a version.
const MAX_FIRST_LINE: usize = 1_024;
/// Statuses there are (RFC 3261 section 7.2). A carrier that makes up others is not understood.
const STATUSES: std::ops::Range<u16> = 100..700;
/// After the socket itself failed, before it is asked again.
const PAUSE: Duration = Duration::from_millis(10);

/// A socket with the gate in front.
pub(in crate::direct) struct GuardedSocket {
    pub(in crate::direct) socket: UdpSocket,
    pub(in crate::direct) gate: Arc<Gate>,
}

#[async_trait]
impl StackSocket for GuardedSocket {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        loop {
            match self.socket.recv_from(buffer).await {
                // A datagram that fills the buffer was cut off.
                Ok((length, from)) if length < buffer.len() && self.admits(buffer.get(..length), from) => {
                    return Ok((length, from));
                }
                Ok(_) => self.gate.count_dropped(),
                Err(error) => {
                    tracing::debug!(%error, "the SIP socket failed to receive");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn send_to(&self, buffer: &[u8], to: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.socket.send_to(buffer, to).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}

impl GuardedSocket {
    /// What costs least is asked first.
    fn admits(&self, datagram: Option<&[u8]>, from: SocketAddr) -> bool {
        datagram.is_some_and(|datagram| {
            let keep_alive = !datagram.is_empty() && datagram.iter().all(u8::is_ascii_whitespace);
            let looks_right = keep_alive || looks_like_sip(datagram);
            looks_right && self.gate.admits(from.ip()) && (keep_alive || is_sound(datagram))
        })
    }
}

/// Whether the first line is one of a SIP message.
pub(in crate::direct) fn looks_like_sip(datagram: &[u8]) -> bool {
    let head = datagram.get(..MAX_FIRST_LINE).unwrap_or(datagram);
    let Some(line) = head.split(|byte| *byte == b'\n').next().filter(|line| line.len() < head.len()) else {
        return false;
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.starts_with(b"SIP/2.0 ") || line.ends_with(b" SIP/2.0")
}

/// Whether the stack can read the message to the last header it needs. The stack reads datagrams
/// in one task for all: a parser that panics on one of them would leave the node deaf, so it is
/// tried here first.
pub(in crate::direct) fn is_sound(datagram: &[u8]) -> bool {
    catch_unwind(|| SipMessage::try_from(datagram).is_ok_and(|message| names_its_transaction(&message)))
        .unwrap_or(false)
}

fn names_its_transaction(message: &SipMessage) -> bool {
    match message {
        SipMessage::Request(request) => {
            TransactionKey::from_request(request, TransactionRole::Server).is_ok()
                && DialogId::try_from((request, TransactionRole::Server)).is_ok()
        }
        SipMessage::Response(response) => {
            STATUSES.contains(&response.status_code.code())
                && TransactionKey::from_response(response, TransactionRole::Client).is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OPTIONS: &str = "OPTIONS sip:100@127.0.0.1 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-1;rport\r\nFrom: \"sipvicious\" <sip:100@1.1.1.1>;tag=1\r\n\
        To: <sip:100@1.1.1.1>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContact: <sip:100@127.0.0.1:5061>\r\n\
        User-Agent: friendly-scanner\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_whole_message_passes_and_each_missing_header_stops_it() {
        assert!(looks_like_sip(OPTIONS.as_bytes()) && is_sound(OPTIONS.as_bytes()));
        let answer = OPTIONS.replace("OPTIONS sip:100@127.0.0.1 SIP/2.0", "SIP/2.0 200 OK");
        assert!(is_sound(answer.as_bytes()));
        for status in ["000", "099", "700"] {
            assert!(!is_sound(answer.replace("200", status).as_bytes()), "{status} means nothing");
        }
        for header in ["Via", "From", "To", "Call-ID", "CSeq"] {
            let without: String =
                OPTIONS.split_inclusive("\r\n").filter(|line| !line.starts_with(header)).collect();
            assert!(!is_sound(without.as_bytes()), "without {header}");
        }
    }

    #[test]
    fn what_is_no_sip_is_seen_at_its_first_line() {
        let stun = [0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, b'\n'];
        for junk in [&b""[..], b"INVITE", b"GET / HTTP/1.1\r\n\r\n", &[0xff; 2_000], b"\x80\x00\x00\n", &stun]
        {
            assert!(!looks_like_sip(junk), "{junk:?}");
        }
        let mut giant = b"INVITE sip:".to_vec();
        giant.resize(5_000, b'9');
        giant.extend(b" SIP/2.0\r\n\r\n");
        assert!(!looks_like_sip(&giant));
    }

    proptest! {
        #[test]
        fn damaged_messages_are_judged_and_never_panic(
            damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut message = OPTIONS.as_bytes().to_vec();
            for (at, byte) in damage {
                let at = at.index(message.len());
                message[at] = byte;
            }
            let whole = std::panic::catch_unwind(|| SipMessage::try_from(&message[..]).map(|_| ()).ok());
            prop_assert!(whole.is_ok(), "the parser panics on {:?}", String::from_utf8_lossy(&message));
            message.truncate(cut.index(message.len()));
            is_sound(&message);
        }
    }
}
