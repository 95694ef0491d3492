use super::*;
use proptest::prelude::*;

const OFFER: &str = "v=0\r\no=alice 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 9 8 0 96\r\na=rtpmap:9 G722/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
    a=fmtp:96 0-15\r\na=ptime:30\r\n";

fn local() -> Local {
    Local {
        address: IpAddr::from([203, 0, 113, 7]),
        port: 20_000,
        session: 5,
        version: 1,
        codecs: vec![Law::Mu, Law::A],
    }
}

#[test]
fn an_offer_reads_back() {
    let remote = parse(&local().offer()).unwrap();
    assert_eq!(remote.address(), Some(local().address));
    assert_eq!((remote.port, remote.codecs), (20_000, vec![Law::Mu, Law::A]));
    assert_eq!(remote.telephone_event, Some(TELEPHONE_EVENT));
    assert_eq!((remote.ptime_ms, remote.direction), (Some(20), Direction::SendRecv));
}

#[test]
fn an_answer_follows_the_offerers_order_and_numbers() {
    let offer = parse(OFFER).unwrap();
    let (text, agreed) = local().answer(&offer).unwrap();
    assert_eq!(agreed, Agreed { codec: Law::A, telephone_event: Some(96) });
    assert!(text.contains("m=audio 20000 RTP/AVP 8 96\r\n"), "{text}");
    let answer = parse(&text).unwrap();
    assert_eq!(local().accept(&answer), Ok(agreed));
}

#[test]
fn other_codecs_only_are_no_common_codec() {
    let opus = OFFER.replace("9 8 0 96", "9 111").replace("G722", "opus");
    assert_eq!(local().answer(&parse(&opus).unwrap()), Err(SdpError::NoCodec));
    let encrypted = OFFER.replace("RTP/AVP", "RTP/SAVP");
    assert_eq!(parse(&encrypted), Err(SdpError::NoCodec));
}

#[test]
fn an_answer_with_port_zero_is_a_refusal() {
    let answer = parse(&OFFER.replace("audio 40000", "audio 0")).unwrap();
    assert_eq!(local().accept(&answer), Err(SdpError::Refused));
}

#[test]
fn the_address_of_the_media_line_wins_over_the_sessions() {
    let text = OFFER.replace("a=ptime", "c=IN IP4 198.51.100.9\r\na=ptime");
    assert_eq!(parse(&text).unwrap().host, "198.51.100.9");
    let only_media = text.replacen("c=IN IP4 192.0.2.1\r\n", "", 1);
    assert_eq!(parse(&only_media).unwrap().host, "198.51.100.9");
}

#[test]
fn holds_of_both_generations_are_seen_and_answered() {
    for (attribute, answered) in [
        ("sendonly", "recvonly"),
        ("inactive", "inactive"),
        ("recvonly", "sendonly"),
        ("sendrecv", "sendrecv"),
    ] {
        let offer = parse(&format!("{OFFER}a={attribute}\r\n")).unwrap();
        let (answer, _) = local().answer(&offer).unwrap();
        assert!(answer.contains(&format!("a={answered}\r\n")), "{attribute}: {answer}");
        assert_eq!(offer.holds(), matches!(attribute, "sendonly" | "inactive"), "{attribute}");
    }
    let old = parse(&OFFER.replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0")).unwrap();
    assert_eq!(old.direction, Direction::Inactive);
    assert!(old.holds());
}

#[test]
fn video_is_refused_in_place() {
    let offer = parse(&OFFER.replace("m=audio", "m=video 5000 RTP/AVP 99\r\nm=audio")).unwrap();
    let (answer, _) = local().answer(&offer).unwrap();
    let lines: Vec<&str> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(lines, ["m=video 0 RTP/AVP 99", "m=audio 20000 RTP/AVP 8 96"]);
}

#[test]
fn static_payload_types_need_no_rtpmap_and_lines_may_end_in_newline_only() {
    let remote = parse("v=0\nc=IN IP4 192.0.2.1\nm=audio 4000/2 RTP/AVP 0\n").unwrap();
    assert_eq!((remote.port, remote.codecs), (4_000, vec![Law::Mu]));
    assert_eq!(remote.telephone_event, None);
}

#[test]
fn text_without_audio_is_refused() {
    for text in [
        "",
        "hello",
        "m=",
        "m=audio",
        "m=audio x RTP/AVP 0",
        "v=0\r\nm=image 1 udptl t38\r\nc=IN IP4 1.2.3.4",
    ] {
        assert!(matches!(parse(text), Err(SdpError::NoAudio | SdpError::NoCodec)), "{text}");
    }
}

#[test]
fn a_number_is_not_a_codec_and_keys_at_once() {
    let text =
        "c=IN IP4 192.0.2.1\nm=audio 9 RTP/AVP 0\na=rtpmap:0 PCMU/8000\na=rtpmap:0 telephone-event/8000\n";
    let remote = parse(text).unwrap();
    assert_eq!((remote.codecs, remote.telephone_event), (vec![Law::Mu], None));
}

proptest! {
    #[test]
    fn parsing_any_text_never_panics(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn parsing_shuffled_lines_never_panics(lines in proptest::collection::vec(
        prop_oneof![
            "[a-z]=[ -~]{0,40}",
            "m=(audio|video|) [0-9/]{0,7} RTP/AVP [0-9 ]{0,20}",
            "a=(rtpmap|fmtp|ptime|sendonly|):?[ -~]{0,20}",
            "c=IN IP[46] [0-9.:/]{0,20}",
        ], 0..30)) {
        if let Ok(remote) = parse(&lines.join("\r\n")) {
            let _ = local().answer(&remote);
        }
    }
}
