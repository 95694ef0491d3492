//! Writing descriptions.

use super::{Agreed, Direction, Local, MediaLine, PTIME_MS, Remote, TELEPHONE_EVENT};
use crate::g711::Law;
use std::fmt::Write as _;
use std::net::IpAddr;

pub(super) fn offer(local: &Local) -> String {
    let mut text = session_part(local);
    audio(&mut text, local.port, &local.codecs, Some(TELEPHONE_EVENT), Direction::SendRecv);
    text
}

pub(super) fn answer(local: &Local, offer: &Remote, agreed: Agreed) -> String {
    let mut text = session_part(local);
    for line in &offer.media {
        if line.chosen {
            let port = if offer.port == 0 { 0 } else { local.port };
            audio(&mut text, port, &[agreed.codec], agreed.telephone_event, offer.direction.reversed());
        } else {
            refused(&mut text, line);
        }
    }
    text
}

fn session_part(local: &Local) -> String {
    let Local { address, session, version, .. } = local;
    let family = if matches!(address, IpAddr::V4(_)) { "IP4" } else { "IP6" };
    format!(
        "v=0\r\no=- {session} {version} IN {family} {address}\r\ns=-\r\n\
         c=IN {family} {address}\r\nt=0 0\r\n"
    )
}

fn audio(text: &mut String, port: u16, codecs: &[Law], event: Option<u8>, direction: Direction) {
    let numbers = codecs.iter().map(|codec| codec.payload_type()).chain(event);
    let formats: Vec<String> = numbers.map(|number| number.to_string()).collect();
    let mut lines = vec![format!("m=audio {port} RTP/AVP {}", formats.join(" "))];
    for codec in codecs {
        lines.push(format!("a=rtpmap:{} {codec}/8000", codec.payload_type()));
    }
    if let Some(event) = event {
        lines.push(format!("a=rtpmap:{event} telephone-event/8000"));
        lines.push(format!("a=fmtp:{event} 0-15"));
    }
    lines.push(format!("a=ptime:{PTIME_MS}"));
    lines.push(format!("a={}", direction.name()));
    for line in lines {
        // Writing to a String cannot fail.
        let _ = write!(text, "{line}\r\n");
    }
}

fn refused(text: &mut String, line: &MediaLine) {
    let MediaLine { kind, protocol, formats, .. } = line;
    let _ = write!(text, "m={kind} 0 {protocol} {formats}\r\n");
}
