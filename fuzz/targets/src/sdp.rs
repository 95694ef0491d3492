//! Descriptions of audio, as offers and answers bring them.

use std::net::{IpAddr, Ipv4Addr};
use talkif_media::g711::Law;
use talkif_media::sdp::{Local, Remote, parse};

/// Descriptions with more media lines are cut there.
const MOST_MEDIA: usize = 16;

/// Reads a description and answers it.
///
/// # Panics
/// If it is read into something that no call can use, or our answer does not say what was agreed.
pub fn run(data: &[u8]) {
    if let Ok(remote) = parse(&String::from_utf8_lossy(data)) {
        check(&remote);
    }
}

/// What must hold for every description, wherever it was read from.
pub(crate) fn check(remote: &Remote) {
    assert!(remote.media.len() <= MOST_MEDIA);
    assert_eq!(remote.media.iter().filter(|line| line.chosen).count(), 1);
    assert!(!remote.host.is_empty() && !remote.host.contains(char::is_whitespace));
    assert!(remote.codecs.len() <= 2 && remote.codecs.iter().all(|law| law.payload_type() < 128));
    if let Some(event) = remote.telephone_event {
        assert!(event < 128);
        assert!(remote.codecs.iter().all(|law| law.payload_type() != event), "keys and audio are told apart");
    }
    for codecs in [vec![Law::Mu, Law::A], vec![Law::A]] {
        answer(remote, codecs);
    }
}

fn answer(remote: &Remote, codecs: Vec<Law>) {
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
    let local = Local { address, port: 40_000, session: 1, version: 2, codecs };
    let Ok((text, agreed)) = local.answer(remote) else { return };
    assert!(local.codecs.contains(&agreed.codec) && remote.codecs.contains(&agreed.codec));
    assert!(
        text.ends_with("\r\n") && text.lines().all(|line| line.as_bytes().get(1) == Some(&b'=')),
        "{text}"
    );
    // RFC 3264: as many media lines as the offer has, in its order, with its formats or fewer.
    let written = parse(&text).unwrap_or_else(|error| panic!("our own answer: {error}\n{text}"));
    assert_eq!(written.media.len(), remote.media.len(), "{text}");
    assert_eq!(written.codecs, [agreed.codec]);
    assert_eq!(written.telephone_event, agreed.telephone_event);
    assert_eq!(written.port == 0, remote.port == 0);
    assert_eq!(written.direction, remote.direction.reversed());
    assert_eq!(written.address(), Some(address));
}
