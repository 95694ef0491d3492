//! A SIP party made by hand, for what no well-behaved stack would send.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

/// One UDP party.
pub(crate) struct Party {
    pub(crate) socket: UdpSocket,
}

/// A received message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) from: SocketAddr,
}

impl Message {
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    pub(crate) fn is(&self, start: &str) -> bool {
        self.text.starts_with(start)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.text.split("\r\n\r\n").next()?.lines().skip(1);
        lines.find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(crate) fn status(&self) -> Option<u16> {
        self.text.strip_prefix("SIP/2.0 ")?.split(' ').next()?.parse().ok()
    }

    /// The RTP port of the description inside.
    pub(crate) fn media_port(&self) -> u16 {
        let line = self.body().lines().find_map(|line| line.strip_prefix("m=audio ")).unwrap();
        line.split(' ').next().unwrap().parse().unwrap()
    }

    /// The address in `Contact`.
    pub(crate) fn contact(&self) -> String {
        let contact = self.header("Contact").unwrap();
        contact.split(['<', '>']).nth(1).unwrap_or(contact).to_owned()
    }
}

/// A description with our media at `port`.
pub(crate) fn description(port: u16, formats: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
}

impl Party {
    pub(crate) async fn at(ip: &str) -> Self {
        Self { socket: UdpSocket::bind((ip, 0)).await.unwrap() }
    }

    pub(crate) async fn new() -> Self {
        Self::at("127.0.0.1").await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap()
    }

    pub(crate) async fn send(&self, text: &str, to: SocketAddr) {
        self.socket.send_to(text.as_bytes(), to).await.unwrap();
    }

    /// The next message within `wait` for which `wanted` holds; others are skipped.
    pub(crate) async fn next_within(
        &self,
        wait: Duration,
        wanted: impl Fn(&Message) -> bool,
    ) -> Option<Message> {
        let until = Instant::now() + wait;
        let mut buffer = vec![0; 65_536];
        loop {
            let (length, from) = timeout_at(until, self.socket.recv_from(&mut buffer)).await.ok()?.unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let message = Message { text, from };
            if wanted(&message) {
                return Some(message);
            }
        }
    }

    pub(crate) async fn next(&self, start: &str) -> Message {
        let found = self.next_within(Duration::from_secs(10), |message| message.is(start)).await;
        found.unwrap_or_else(|| panic!("no {start}"))
    }

    /// The final answer to a request just sent.
    pub(crate) async fn answer(&self) -> Message {
        let is_final = |message: &Message| message.status().is_some_and(|status| status >= 200);
        self.next_within(Duration::from_secs(10), is_final).await.expect("an answer")
    }

    /// Answers a request.
    pub(crate) async fn reply(&self, request: &Message, status: &str, tag: &str, more: &str, body: &str) {
        let copy = |name: &str| format!("{name}: {}\r\n", request.header(name).unwrap_or_default());
        let to = request.header("To").unwrap();
        let tag = if to.contains(";tag=") { String::new() } else { format!(";tag={tag}") };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "SIP/2.0 {status}\r\n{}{}To: {to}{tag}\r\n{}{}Contact: <sip:raw@{}>\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            copy("Via"),
            copy("From"),
            copy("Call-ID"),
            copy("CSeq"),
            self.address(),
            body.len(),
        );
        self.send(&text, request.from).await;
    }

    /// A request outside calls, or the first of one.
    pub(crate) fn request(&self, method: &str, call: &str, more: &str, body: &str) -> String {
        self.request_to("<sip:+905321234218@127.0.0.1>", method, 1, call, more, body)
    }

    /// A request with a `To` of its own.
    pub(crate) fn request_to(
        &self,
        to: &str,
        method: &str,
        cseq: u32,
        call: &str,
        more: &str,
        body: &str,
    ) -> String {
        static BRANCH: AtomicU32 = AtomicU32::new(0);
        let (branch, address) = (BRANCH.fetch_add(1, Ordering::Relaxed), self.address());
        let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} sip:+905321234218@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bKraw{branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+15550100199@127.0.0.1>;tag=raw\r\nTo: {to}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:raw@{address}>\r\n{more}{kind}Content-Length: {}\r\n\r\n{body}",
            body.len(),
        )
    }
}
