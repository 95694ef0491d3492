//! What a node reads out of one datagram, without a socket and without a call.
//!
//! For those who judge captured or invented traffic, such as the fuzz targets: it asks the very
//! functions that `gate`, `inbound` and `requests` ask, in their order. It does not know who sent
//! the datagram, so budgets and allowlists are not part of it.
//!
//! Where a call starts to read another header, read it here as well.

use super::auth::Authenticator;
use super::config::InboundDigest;
use super::gate::{is_sound, looks_like_sip, names_a_call};
use super::{extensions, inbound, requests, session_timer, status};
use rsipstack::sip::{Request, Response, SipMessage, Transport};
use rsipstack::transport::SipConnection;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_media::sdp::{self, Remote};

/// What a datagram is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Dropped: no SIP, or none that the stack can read.
    Junk,
    /// Something is asked of us.
    Request(Box<Asked>),
    /// Something is answered.
    Response(Box<Answered>),
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Whether it claims to be inside a call.
    pub names_a_call: bool,
    /// The user of `From` and of the request's own address.
    pub from: String,
    /// See `from`.
    pub to: String,
    /// Whether it proves the credentials.
    pub proven: bool,
    /// As an INVITE, the status it is refused with, if it is.
    pub refused: Option<u16>,
    /// As an INVITE, its description.
    pub offer: Option<Box<Remote>>,
    /// As an INFO, the key it sends.
    pub key: Option<char>,
    /// How often we are to refresh the session, if we are.
    pub refresh_every: Option<Duration>,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// As the final status of a call that was not answered.
    pub means: LegEnd,
    /// Its description.
    pub answer: Option<Box<Remote>>,
    /// How often we are to refresh the session, if we are.
    pub refresh_every: Option<Duration>,
}

/// Reads datagrams under one configuration.
#[derive(Debug)]
pub struct Reader {
    authenticator: Authenticator,
    min_session: Duration,
}

impl Reader {
    /// A reader that asks callers for `digest` and for sessions no shorter than `min_session`.
    #[must_use]
    pub fn new(digest: InboundDigest, min_session: Duration) -> Self {
        Self { authenticator: Authenticator::new(digest), min_session }
    }

    /// Reads a datagram from `source`.
    #[must_use]
    pub fn read(&self, datagram: &[u8], source: SocketAddr) -> Reading {
        if !looks_like_sip(datagram) || !is_sound(datagram) {
            return Reading::Junk;
        }
        let Ok(message) = SipMessage::try_from(datagram) else { return Reading::Junk };
        match SipConnection::update_msg_received(message, source, Transport::Udp) {
            Ok(SipMessage::Request(request)) => Reading::Request(Box::new(self.asked(&request, source.ip()))),
            Ok(SipMessage::Response(response)) => Reading::Response(Box::new(answered(&response))),
            Err(_) => Reading::Junk,
        }
    }

    fn asked(&self, request: &Request, source: IpAddr) -> Asked {
        let offer =
            extensions::check(request, self.min_session).and_then(|()| inbound::usable_offer(request));
        let refused = offer.as_ref().err().map(|refusal| refusal.status.code());
        let (from, to) = inbound::users(request);
        Asked {
            names_a_call: names_a_call(request),
            from,
            to,
            proven: self.authenticator.admits(request, source),
            refused,
            offer: offer.ok().flatten(),
            key: requests::key_of_info(request),
            refresh_every: session_timer::agree(request).refresh_every,
        }
    }
}

fn answered(response: &Response) -> Answered {
    let status = response.status_code.code();
    Answered {
        status,
        means: status::refused(status),
        answer: sdp::parse(&String::from_utf8_lossy(response.body())).ok().map(Box::new),
        refresh_every: session_timer::told(response),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(datagram: &str) -> Reading {
        let digest = InboundDigest { realm: "r".into(), username: "u".into(), password: "p".into() };
        let source = SocketAddr::from(([192, 0, 2, 1], 5_060));
        Reader::new(digest, Duration::from_secs(90)).read(datagram.as_bytes(), source)
    }

    #[test]
    fn an_invite_is_read_as_a_call_reads_it() {
        let body = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n";
        let invite = format!(
            "INVITE sip:+905320000001@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:+905320000002@192.0.2.1>;tag=a\r\nTo: <sip:1@192.0.2.9>\r\nCall-ID: c\r\n\
             CSeq: 1 INVITE\r\nSession-Expires: 600\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let Reading::Request(asked) = read(&invite) else { panic!("no request") };
        assert_eq!((asked.from.as_str(), asked.to.as_str()), ("+905320000002", "+905320000001"));
        assert_eq!((asked.names_a_call, asked.proven, asked.refused), (false, false, None));
        assert_eq!(asked.offer.map(|offer| offer.port), Some(4_000));
        assert_eq!(asked.refresh_every, Some(Duration::from_secs(300)));
        let short = invite.replace("Session-Expires: 600", "Session-Expires: 6");
        let Reading::Request(asked) = read(&short) else { panic!("no request") };
        assert_eq!(asked.refused, Some(422));
    }

    #[test]
    fn a_response_means_what_the_table_says_and_junk_means_nothing() {
        let busy = "SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
            From: <sip:1@a>;tag=a\r\nTo: <sip:2@a>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n";
        let Reading::Response(answered) = read(busy) else { panic!("no response") };
        assert_eq!((answered.status, answered.means), (486, LegEnd::Busy));
        assert_eq!(read("GET / HTTP/1.1\r\n\r\n"), Reading::Junk);
        assert_eq!(read(&busy.replace("CSeq", "C")), Reading::Junk);
    }
}
