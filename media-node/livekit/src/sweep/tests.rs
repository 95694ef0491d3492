//! Which rooms are ended, when, and how.

use super::*;
use crate::fake::{Fake, Reply};
use livekit_protocol::{
    CreateRoomRequest, DeleteRoomRequest, DeleteRoomResponse, ListParticipantsRequest,
    ListParticipantsResponse, ListRoomsResponse, UpdateParticipantRequest,
};
use prost::Message as _;
use std::collections::HashSet;

fn person(kind: Kind, attributes: &[(&str, &str)]) -> ParticipantInfo {
    let attributes =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    ParticipantInfo { kind: kind.into(), attributes, ..ParticipantInfo::default() }
}

fn caller(status: &str) -> ParticipantInfo {
    person(Kind::Sip, &[("sip.callStatus", status), ("sip.ruleID", "SDR_1")])
}

#[test]
fn a_room_with_an_agent_is_left_alone_and_an_empty_one_for_a_minute() {
    let hour = Duration::from_secs(3_600);
    assert_eq!(verdict_on_empty(ABANDONED), Verdict::Wait);
    assert_eq!(verdict_on_empty(FORGOTTEN), Verdict::End);
    assert_eq!(verdict(&[caller("active"), person(Kind::Agent, &[])], hour, false), Verdict::Attended);
}

#[test]
fn for_who_rings_in_vain_an_agent_is_asked_once_more_and_then_the_call_is_refused() {
    let ringing = [caller("ringing")];
    assert_eq!(verdict(&ringing, Duration::ZERO, false), Verdict::Wait);
    assert_eq!(verdict(&ringing, UNNOTICED, false), Verdict::AskAgain);
    assert_eq!(verdict(&ringing, UNNOTICED, true), Verdict::Wait);
    assert_eq!(verdict(&ringing, UNANSWERED, true), Verdict::End);
}

#[test]
fn two_persons_who_were_left_to_each_other_are_left_alone_until_one_goes() {
    let (caller, target) = (caller("active"), person(Kind::Sip, &[("sip.callStatus", "active")]));
    let agent = person(Kind::Agent, &[]);
    let verdict = |listed: &[ParticipantInfo], present: &[ParticipantInfo], without_agent| {
        verdict_on_handed_over(listed, present, without_agent)
    };
    let both = [caller.clone(), target.clone()];
    assert_eq!(verdict(&both, &both, ABANDONED), Verdict::Attended);
    let leaving = [caller.clone(), agent];
    assert_eq!(verdict(&leaving, &leaving, ABANDONED), Verdict::Attended, "it is leaving");
    assert_eq!(verdict(&both[1..], &both[1..], Duration::ZERO), Verdict::Wait, "the other enters anew");
    assert_eq!(verdict(&both[1..], &both[1..], LEFT), Verdict::End);
    assert_eq!(verdict(&both, &both[1..], UNANSWERED), Verdict::Wait, "the other may come back");
    assert_eq!(verdict(&both, &both[1..], ABANDONED), Verdict::End);
    let hung_up = person(Kind::Sip, &[("sip.callStatus", "hangup")]);
    let one_hung_up = [caller, hung_up];
    assert_eq!(verdict(&one_hung_up, &one_hung_up, Duration::ZERO), Verdict::End);
}

#[test]
fn a_conversation_is_given_up_only_when_its_agent_stays_away() {
    let callee = person(Kind::Sip, &[("sip.callStatus", "ringing")]);
    for abandoned in [caller("active"), callee] {
        assert_eq!(verdict(std::slice::from_ref(&abandoned), UNANSWERED, false), Verdict::Wait);
        assert_eq!(verdict(&[abandoned], ABANDONED, false), Verdict::End);
    }
}

fn sweep(fake: &Fake) -> Sweep {
    Sweep {
        api: Arc::clone(&fake.api),
        legs: Legs::new(1),
        ghosts: Ghosts::new(Arc::clone(&fake.api)),
        trunks: Arc::new(Trunks::new(Arc::clone(&fake.api))),
        allow: Vec::new(),
        numbers: None,
        wake: Arc::default(),
        open: watch::Sender::new(false),
    }
}

/// Rooms in which one person was left by another, and what LiveKit does with each.
fn left_alone(method: &str, body: &[u8]) -> Reply {
    let room = |name: &str| Room {
        name: format!("talkif-eu-west-in-{name}"),
        metadata: HANDED_OVER.to_owned(),
        ..Room::default()
    };
    match method {
        "ListRooms" => {
            Reply::of(&ListRoomsResponse { rooms: ["unseen", "gone", "stuck", "last"].map(room).into() })
        }
        "ListParticipants" => match ListParticipantsRequest::decode(body).unwrap().room.as_str() {
            "talkif-eu-west-in-unseen" => Reply::Refused("internal", None),
            _ => Reply::of(&ListParticipantsResponse { participants: vec![caller("active")] }),
        },
        _ => match DeleteRoomRequest::decode(body).unwrap().room.as_str() {
            "talkif-eu-west-in-gone" => Reply::Refused("not_found", None),
            "talkif-eu-west-in-stuck" => Reply::Refused("internal", None),
            _ => Reply::of(&DeleteRoomResponse::default()),
        },
    }
}

#[tokio::test]
async fn a_room_that_makes_trouble_does_not_keep_the_sweep_from_the_others() {
    let fake = Fake::start(left_alone).await;
    let mut absences = HashMap::new();
    let (sweep, begun) = (sweep(&fake), Instant::now());
    sweep.rooms(&mut absences, begun).await.unwrap();
    assert!(!fake.methods().contains(&"DeleteRoom".to_owned()), "whoever left may be entering anew");
    sweep.rooms(&mut absences, begun + LEFT).await.unwrap();
    let ended = fake.requests::<DeleteRoomRequest>("DeleteRoom").into_iter().map(|request| request.room);
    let ended: HashSet<String> = ended.collect();
    let wanted = ["gone", "stuck", "last"].map(|name| format!("talkif-eu-west-in-{name}"));
    assert_eq!(ended, HashSet::from(wanted));
}

#[tokio::test]
async fn an_empty_room_is_taken_over_before_it_is_ended_and_one_with_people_never() {
    let done = |method: &str, _: &[u8]| match method {
        "CreateRoom" => Reply::of(&Room::default()),
        _ => Reply::of(&DeleteRoomResponse::default()),
    };
    let fake = Fake::start(done).await;
    sweep(&fake).delete("talkif-eu-west-in-empty", true).await.unwrap();
    sweep(&fake).delete("talkif-eu-west-in-left", false).await.unwrap();
    assert_eq!(fake.methods(), ["CreateRoom", "DeleteRoom", "DeleteRoom"]);
    assert!(fake.requests::<CreateRoomRequest>("CreateRoom")[0].empty_timeout > 0, "one too many goes");
}

/// Two persons who were left to each other, one of whom only LiveKit's list still has.
fn half_haunted(method: &str, body: &[u8]) -> Reply {
    let person =
        |sid: &str| ParticipantInfo { sid: sid.to_owned(), identity: sid.to_owned(), ..caller("active") };
    match method {
        "ListParticipants" => {
            let participants = vec![person("here"), person("ghost")];
            Reply::of(&ListParticipantsResponse { participants })
        }
        "UpdateParticipant" if UpdateParticipantRequest::decode(body).unwrap().identity == "here" => {
            Reply::of(&ParticipantInfo::default())
        }
        "UpdateParticipant" => Reply::Refused("unavailable", None),
        _ => Reply::of(&DeleteRoomResponse::default()),
    }
}

#[tokio::test]
async fn who_is_left_with_a_ghost_is_given_time_and_then_hung_up_on() {
    let fake = Fake::start(half_haunted).await;
    let (sweep, begun) = (sweep(&fake), Instant::now());
    let room = Room {
        name: "talkif-eu-west-in-half".to_owned(),
        metadata: HANDED_OVER.to_owned(),
        ..Room::default()
    };
    let (mut absence, mut found_out, mut now) = (None, None, begun);
    while fake.requests::<DeleteRoomRequest>("DeleteRoom").is_empty() {
        let look = sweep.room(room.clone(), absence.take(), now).await;
        absence = look.map(|(_, absence)| absence);
        found_out = found_out.or(absence.map(|_| now));
        // The answers come in real time.
        tokio::time::sleep(Duration::from_millis(50)).await;
        now += ROUND;
        assert!(now - begun < ABANDONED * 40, "nobody is left with a ghost");
        if found_out.is_none() {
            sweep.ghosts.presume_ghost(&room.name, "ghost");
        }
    }
    assert!(now - found_out.unwrap() >= ABANDONED, "it may come back");
}

#[tokio::test]
async fn a_room_that_cannot_be_seen_is_not_forgotten() {
    let fake = Fake::start(left_alone).await;
    let since = Instant::now();
    let room = "talkif-eu-west-in-unseen".to_owned();
    let absence = Absence { since, asked: true, told: false, empty: false };
    let mut absences =
        HashMap::from([(room.clone(), absence), ("talkif-eu-west-in-former".to_owned(), absence)]);
    sweep(&fake).rooms(&mut absences, since + ROUND).await.unwrap();
    assert!(absences[&room].asked && absences[&room].since == since, "{absences:?}");
    assert!(!absences.contains_key("talkif-eu-west-in-former"), "{absences:?}");
}
