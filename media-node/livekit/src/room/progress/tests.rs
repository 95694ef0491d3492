use super::*;
use livekit_protocol::TrackInfo;
use std::collections::HashMap;

const RING: Duration = Duration::from_secs(30);

/// A call with its own clock.
struct Call {
    progress: Progress,
    now: Instant,
}

fn call(direction: Direction) -> Call {
    let now = Instant::now();
    Call { progress: Progress::new(direction, "person".to_owned(), RING, now), now }
}

fn info(sid: &str, version: u32, status: &str) -> ParticipantInfo {
    let attributes = HashMap::from([("sip.callStatus".to_owned(), status.to_owned())]);
    let track = TrackInfo { sid: "TR_voice".to_owned(), ..TrackInfo::default() };
    ParticipantInfo {
        sid: sid.to_owned(),
        identity: "person".to_owned(),
        state: State::Active.into(),
        version,
        attributes,
        tracks: vec![track],
        ..ParticipantInfo::default()
    }
}

impl Call {
    fn status(&mut self, status: &str) {
        let version = self.progress.person.version + 1;
        self.progress.participants(&[info("PA_1", version, status)], self.now);
    }

    fn leaves(&mut self, reason: DisconnectReason) {
        let stub = ParticipantInfo {
            sid: "PA_1".to_owned(),
            state: State::Disconnected.into(),
            version: self.progress.person.version + 1,
            disconnect_reason: reason.into(),
            ..ParticipantInfo::default()
        };
        self.progress.participants(&[stub], self.now);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.progress.tick(self.now);
    }

    fn placed(&mut self, result: Result<(), PlaceError>) {
        self.progress.placed(result, self.now);
    }

    fn steps(&mut self) -> Vec<Step> {
        std::iter::from_fn(|| self.progress.poll()).collect()
    }

    fn talking(direction: Direction) -> Self {
        let mut call = call(direction);
        call.status("ringing");
        call.progress.answer(call.now);
        call.status("active");
        call.progress.heard();
        assert_eq!(call.steps().last(), Some(&answered()));
        call
    }
}

fn ended(how: LegEnd, sip_status: Option<u16>) -> Vec<Step> {
    vec![Step::Report(LegEvent::Ended { how, sip_status }), Step::Over]
}

fn failed(detail: &str) -> Vec<Step> {
    ended(LegEnd::Failed { detail: detail.to_owned() }, None)
}

fn answered() -> Step {
    Step::Report(LegEvent::Answered)
}

#[test]
fn an_outbound_call_rings_once_and_is_answered_when_the_far_end_hears_us() {
    let mut call = call(Direction::Outbound);
    call.status("dialing");
    assert!(call.steps().is_empty());
    call.status("ringing");
    call.status("ringing");
    assert_eq!(call.steps(), [Step::Report(LegEvent::Ringing)]);
    call.status("active");
    assert!(call.steps().is_empty(), "nobody would hear the first word yet");
    call.progress.heard();
    assert_eq!(call.steps(), [answered()]);
    call.placed(Ok(()));
    assert!(call.steps().is_empty());
}

#[test]
fn the_answer_to_our_request_alone_connects_too_and_silence_about_the_track_does_not_hold_it_up() {
    let mut call = call(Direction::Outbound);
    call.placed(Ok(()));
    assert!(call.steps().is_empty());
    call.wait(AUDIBLE);
    assert_eq!(call.steps(), [answered()]);
}

#[test]
fn a_refusal_ends_with_its_sip_status_whichever_news_comes_first() {
    let table = [
        (PlaceError::Status(486), LegEnd::Busy, Some(486)),
        (PlaceError::Status(600), LegEnd::Busy, Some(600)),
        (PlaceError::Status(603), LegEnd::Declined, Some(603)),
        (PlaceError::Status(404), LegEnd::InvalidNumber, Some(404)),
        (PlaceError::Status(480), LegEnd::NoAnswer, Some(480)),
        (PlaceError::Status(487), LegEnd::NoAnswer, Some(487)),
        (PlaceError::NotAnswered, LegEnd::NoAnswer, None),
        (PlaceError::Failed("trunk".into()), LegEnd::Failed { detail: "trunk".into() }, None),
        (PlaceError::Unavailable("full".into()), LegEnd::Failed { detail: "full".into() }, None),
    ];
    for (error, how, status) in table {
        let mut call = call(Direction::Outbound);
        call.status("dialing");
        call.placed(Err(error.clone()));
        assert_eq!(call.steps(), ended(how.clone(), status));
        let mut call = self::call(Direction::Outbound);
        call.status("dialing");
        call.leaves(DisconnectReason::UserRejected);
        assert!(call.steps().is_empty(), "the status is on its way");
        call.placed(Err(error));
        assert_eq!(call.steps(), ended(how, status));
    }
    let mut call = call(Direction::Outbound);
    call.placed(Err(PlaceError::Status(503)));
    assert_eq!(call.steps(), ended(LegEnd::Failed { detail: "503 Service Unavailable".into() }, Some(503)));
}

#[test]
fn without_the_answer_to_our_request_the_reason_for_leaving_decides() {
    for (reason, how) in [
        (DisconnectReason::UserUnavailable, LegEnd::NoAnswer),
        (DisconnectReason::UserRejected, LegEnd::Busy),
        (DisconnectReason::SipTrunkFailure, LegEnd::Failed { detail: "LiveKit: SIP_TRUNK_FAILURE".into() }),
    ] {
        let mut call = call(Direction::Outbound);
        call.status("ringing");
        call.steps();
        call.leaves(reason);
        call.wait(LAST_WORD);
        assert_eq!(call.steps(), ended(how, None));
    }
}

#[test]
fn a_call_too_short_to_be_seen_was_answered_and_hung_up() {
    let mut call = call(Direction::Outbound);
    call.status("hangup");
    call.placed(Ok(()));
    assert_eq!(call.steps(), [vec![answered()], ended(LegEnd::RemoteHangup, None)].concat());
}

#[test]
fn our_hang_up_cancels_before_the_answer_and_the_error_it_causes_is_not_the_reason() {
    let mut call = call(Direction::Outbound);
    call.status("ringing");
    call.steps();
    call.progress.hang_up(call.now);
    call.progress.hang_up(call.now);
    assert_eq!(call.steps(), [Step::Remove]);
    call.placed(Err(PlaceError::NotAnswered));
    assert_eq!(call.steps(), ended(LegEnd::Canceled, None));
    call.progress.removed();
    assert!(call.steps().is_empty());
}

#[test]
fn our_hang_up_after_the_answer_ends_when_the_person_is_removed_or_leaves_or_after_seconds() {
    for confirm in [
        (|call: &mut Call| call.progress.removed()) as fn(&mut Call),
        |call| call.leaves(DisconnectReason::ParticipantRemoved),
        |call| call.wait(LAST_WORD),
        |call| call.progress.lost("the server is gone"),
    ] {
        let mut call = Call::talking(Direction::Outbound);
        call.progress.hang_up(call.now);
        assert_eq!(call.steps(), [Step::Remove]);
        confirm(&mut call);
        assert_eq!(call.steps(), ended(LegEnd::LocalHangup, None));
        confirm(&mut call);
        assert!(call.steps().is_empty(), "it ends once");
    }
}

#[test]
fn an_inbound_call_is_answered_by_publishing() {
    let mut call = call(Direction::Inbound);
    call.status("ringing");
    assert!(call.steps().is_empty(), "we know that it rings");
    assert!(!call.progress.is_published());
    assert!(call.progress.answer(call.now));
    assert!(call.progress.is_published());
    assert!(!call.progress.answer(call.now));
    assert!(!call.progress.reject(call.now));
    assert_eq!(call.steps(), [Step::Publish]);
    call.progress.heard();
    call.status("active");
    assert_eq!(call.steps(), [answered()]);
}

#[test]
fn a_refused_inbound_call_is_removed_unpublished() {
    let mut call = call(Direction::Inbound);
    call.status("ringing");
    assert!(call.progress.reject(call.now));
    assert!(!call.progress.answer(call.now));
    assert_eq!(call.steps(), [Step::Remove]);
    assert!(!call.progress.is_published());
    call.progress.removed();
    assert_eq!(call.steps(), ended(LegEnd::LocalHangup, Some(486)));
}

#[test]
fn a_caller_who_gives_up_while_it_rings_or_connects_has_canceled() {
    let mut ringing = call(Direction::Inbound);
    ringing.status("ringing");
    ringing.leaves(DisconnectReason::ClientInitiated);
    assert_eq!(ringing.steps(), ended(LegEnd::Canceled, None));
    let mut connecting = call(Direction::Inbound);
    connecting.status("ringing");
    connecting.progress.answer(connecting.now);
    connecting.steps();
    connecting.status("hangup");
    assert_eq!(connecting.steps(), ended(LegEnd::Canceled, None));
}

#[test]
fn a_caller_who_is_not_in_the_room_when_we_enter_has_canceled() {
    let mut call = call(Direction::Inbound);
    call.progress.entered(&[], call.now);
    call.wait(APPEARING);
    assert_eq!(call.steps(), ended(LegEnd::Canceled, None));
}

#[test]
fn a_hang_up_of_the_far_end_is_told_from_lost_media() {
    for direction in [Direction::Inbound, Direction::Outbound] {
        let mut call = Call::talking(direction);
        call.status("hangup");
        assert_eq!(call.steps(), ended(LegEnd::RemoteHangup, None));
        call.leaves(DisconnectReason::ClientInitiated);
        assert!(call.steps().is_empty());
        let mut call = Call::talking(direction);
        call.leaves(DisconnectReason::ClientInitiated);
        assert_eq!(call.steps(), failed("media lost"));
        let mut call = Call::talking(direction);
        call.leaves(DisconnectReason::RoomDeleted);
        assert_eq!(call.steps(), failed("LiveKit: ROOM_DELETED"));
    }
}

#[test]
fn nobody_rings_for_ever_and_an_answer_must_connect() {
    for direction in [Direction::Inbound, Direction::Outbound] {
        let mut call = call(direction);
        call.progress.entered(&[info("PA_1", 1, "dialing")], call.now);
        call.wait(RING + BEYOND_RINGING);
        assert_eq!(call.steps(), ended(LegEnd::NoAnswer, None));
    }
    let mut call = call(Direction::Inbound);
    call.progress.answer(call.now);
    call.steps();
    call.wait(CONNECTING);
    assert_eq!(call.steps(), failed("the answered call was not connected"));
}

#[test]
fn old_news_and_other_people_change_nothing() {
    let mut call = Call::talking(Direction::Outbound);
    call.progress.participants(&[info("PA_1", 0, "hangup")], call.now);
    let stranger = ParticipantInfo { identity: "somebody".into(), ..info("PA_2", 9, "hangup") };
    call.progress.participants(&[stranger], call.now);
    assert!(call.steps().is_empty());
    assert_eq!(call.progress.tracks(), ("PA_1", &["TR_voice".to_owned()][..]));
}

#[test]
fn who_is_missing_after_a_resume_has_left_and_who_is_there_has_not() {
    let mut call = Call::talking(Direction::Outbound);
    call.progress.census(&[info("PA_1", 9, "active")], call.now);
    assert!(call.steps().is_empty());
    call.progress.census(&[], call.now);
    assert_eq!(call.steps(), failed("media lost"));
}

#[test]
fn a_person_who_vanishes_from_a_connected_call_is_a_lost_line_and_from_another_nothing() {
    let mut call = call(Direction::Outbound);
    call.status("ringing");
    call.progress.vanished();
    assert_eq!(call.steps(), [Step::Report(LegEvent::Ringing)]);
    call.status("active");
    call.wait(AUDIBLE);
    call.progress.vanished();
    let how = LegEnd::Failed { detail: "media lost".to_owned() };
    let ended = LegEvent::Ended { how, sip_status: None };
    assert_eq!(call.steps(), [Step::Report(LegEvent::Answered), Step::Report(ended), Step::Over]);
    call.progress.vanished();
    assert_eq!(call.steps(), []);
}
