//! Whole legs against a server on loopback, in real time.

use super::agent::{Agent, Control, config};
use super::server::{Server, agent_of_another_node, info, until};
use crate::control::PlaceError;
use crate::room::audio::FRAME;
use crate::room::{OpenError, RoomLegConfig, Rooms, open};
use livekit_protocol::DisconnectReason;
use livekit_protocol::data_packet::Value;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_response::Message as ToAgent;
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_model::Direction;
use talkif_model::flow::TransferMode;
use talkif_telephony::{CallLeg, LegEvent, Rejection, Transfer, Transferred};
use tokio::time::timeout;

/// Long before the way to a server that is not listened to would be given up (12 s).
const SOON: Duration = Duration::from_secs(7);

#[tokio::test]
async fn an_outbound_call_publishes_subscribes_and_talks_from_the_answer_on() {
    let server = Server::start(None).await;
    let mut agent = Agent::enter(&server, Direction::Outbound).await;
    assert_eq!(agent.leg.id(), "room");
    server.status("ringing");
    assert_eq!(agent.event().await, LegEvent::Ringing);
    assert_eq!(agent.leg.id(), "abc@carrier");
    assert_eq!(agent.leg.attributes()["sip.phoneNumber"], "+12125550100");
    until("all is negotiated", || server.count("subscribe") == 1 && server.count("answer") == 2).await;
    agent.leg.send(&[2_000; FRAME]);
    server.status("active");
    server.heard_by_person();
    assert_eq!(agent.event().await, LegEvent::Answered);
    agent.until("the agent is heard", |_| server.seen(|seen| seen.heard) > 10, &server).await;
    agent.until("the person is heard", |agent| agent.heard > 10, &server).await;
    agent.leg.hang_up();
    assert_eq!(agent.ends().await, (LegEnd::LocalHangup, None));
    agent.freed(&server).await;
    assert_eq!(agent.control.log(), ["place", "remove", "close"]);
    let log = server.seen(|seen| seen.log.clone());
    let at = |what: &str| log.iter().position(|done| done == what).unwrap();
    assert!(at("join") < at("add track") && at("add track") < at("offer with voice"), "{log:?}");
}

#[tokio::test]
async fn a_refused_call_ends_with_its_status_and_frees_the_room() {
    let server = Server::start(None).await;
    let mut agent = Agent::enter(&server, Direction::Outbound).await;
    agent.control.decide(Err(PlaceError::Status(486)));
    assert_eq!(agent.ends().await, (LegEnd::Busy, Some(486)));
    agent.freed(&server).await;
}

#[tokio::test]
async fn an_inbound_call_is_published_only_when_it_is_answered() {
    let server = Server::start(Some("ringing")).await;
    let mut agent = Agent::enter(&server, Direction::Inbound).await;
    assert_eq!(agent.leg.id(), "abc@carrier");
    until("the channels are negotiated", || server.count("offer") == 1).await;
    assert_eq!(server.count("add track"), 0);
    agent.leg.answer().await.unwrap();
    until("the voice is negotiated", || server.count("offer with voice") == 1).await;
    assert_eq!(server.count("add track"), 1);
    server.heard_by_person();
    server.status("active");
    assert_eq!(agent.event().await, LegEvent::Answered);
    assert!(agent.leg.answer().await.is_err(), "it is answered already");
    server.status("hangup");
    assert_eq!(agent.ends().await, (LegEnd::RemoteHangup, None));
    agent.freed(&server).await;
    assert!(!agent.control.log().contains(&"place"));
}

#[tokio::test]
async fn a_refused_caller_is_removed_and_never_hears_us() {
    let server = Server::start(Some("ringing")).await;
    let mut agent = Agent::enter(&server, Direction::Inbound).await;
    agent.leg.reject(Rejection::Busy).await.unwrap();
    assert_eq!(agent.ends().await, (LegEnd::LocalHangup, Some(486)));
    agent.freed(&server).await;
    assert_eq!(server.count("add track"), 0);
}

#[tokio::test]
async fn a_dropped_leg_frees_the_room() {
    let server = Server::start(None).await;
    let agent = Agent::talking(&server).await;
    let Agent { leg, control, .. } = agent;
    drop(leg);
    let freed = timeout(SOON, async {
        until("the room is closed", || control.log().ends_with(&["remove", "close"])).await;
        until("the agent leaves", || server.count("leave") == 1).await;
    });
    assert!(freed.await.is_ok(), "its task goes on with nobody to serve: {:?}", control.log());
}

#[tokio::test]
async fn a_node_that_stops_hangs_up_and_waits_until_its_rooms_are_free() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    agent.rooms.close().await;
    assert!(agent.control.log().ends_with(&["remove", "close"]), "{:?}", agent.control.log());
    assert_eq!(agent.ends().await, (LegEnd::LocalHangup, None));
}

#[tokio::test]
async fn a_node_that_stops_waits_for_the_rooms_of_calls_that_have_just_ended() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.status("hangup");
    assert_eq!(agent.ends().await, (LegEnd::RemoteHangup, None));
    agent.rooms.close().await;
    assert!(agent.control.log().ends_with(&["remove", "close"]), "{:?}", agent.control.log());
}

#[tokio::test]
async fn keys_go_both_ways_and_a_refused_transfer_leaves_the_call() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.key("d");
    assert_eq!(agent.event().await, LegEvent::Dtmf('D'));
    agent.leg.send_dtmf("1D");
    until("the keys arrive", || server.seen(|seen| seen.messages.len()) == 2).await;
    let digits = server.seen(|seen| seen.messages.iter().map(digit).collect::<Vec<_>>());
    assert_eq!(digits, ["1", "d"]);
    let refusal = agent.leg.transfer("+12125550111").await.unwrap_err();
    assert_eq!(refusal.sip_status, Some(603));
    let before = agent.heard;
    agent.until("the person is still heard", |agent| agent.heard > before + 10, &server).await;
}

fn digit(packet: &livekit_protocol::DataPacket) -> String {
    match &packet.value {
        Some(Value::SipDtmf(dtmf)) => dtmf.digit.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lost_socket_is_resumed_and_the_call_goes_on_and_can_end() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.hang();
    agent.until("the session is resumed", |_| server.count("resume") == 1, &server).await;
    let (heard, said) = (agent.heard, server.seen(|seen| seen.heard));
    let both = |agent: &Agent| agent.heard > heard + 20 && server.seen(|seen| seen.heard) > said + 20;
    agent.until("both are heard again", both, &server).await;
    assert_eq!((server.count("join"), server.count("add track")), (1, 1), "nothing is begun anew");
    server.status("hangup");
    assert_eq!(agent.ends().await, (LegEnd::RemoteHangup, None));
    agent.freed(&server).await;
}

#[tokio::test]
async fn a_session_that_the_server_has_forgotten_is_entered_and_published_anew() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.forget();
    server.hang();
    agent.until("the room is entered anew", |_| server.count("join") == 2, &server).await;
    server.status("active");
    let (heard, said) = (agent.heard, server.seen(|seen| seen.heard));
    let both = |agent: &Agent| agent.heard > heard + 20 && server.seen(|seen| seen.heard) > said + 20;
    agent.until("both are heard again", both, &server).await;
    assert_eq!((server.count("add track"), server.count("offer with voice")), (2, 2));
    agent.leg.hang_up();
    assert_eq!(agent.ends().await, (LegEnd::LocalHangup, None));
}

#[tokio::test]
async fn the_end_of_the_old_session_is_no_end_of_the_call_when_the_room_is_entered_anew() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.nonsense();
    agent.until("the room is entered anew", |_| server.count("join") == 2, &server).await;
    assert_eq!(server.count("replaced"), 1, "the old session was still there");
    let (heard, said) = (agent.heard, server.seen(|seen| seen.heard));
    let both = |agent: &Agent| agent.heard > heard + 20 && server.seen(|seen| seen.heard) > said + 20;
    agent.until("both are heard again", both, &server).await;
    agent.leg.hang_up();
    assert_eq!(agent.ends().await, (LegEnd::LocalHangup, None));
}

#[tokio::test]
async fn a_server_that_asks_to_resume_or_to_enter_anew_gets_what_it_asks_for() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.leave(DisconnectReason::ConnectionTimeout, Action::Resume);
    agent.until("the session is resumed", |_| server.count("resume") == 1, &server).await;
    agent.until("a new path is offered", |_| server.count("offer with voice") == 2, &server).await;
    let said = server.seen(|seen| seen.heard);
    agent.until("the agent is heard", |_| server.seen(|seen| seen.heard) > said + 20, &server).await;
    server.leave(DisconnectReason::StateMismatch, Action::Reconnect);
    agent.until("the room is entered anew", |_| server.count("join") == 2, &server).await;
}

#[tokio::test]
async fn a_room_is_entered_anew_with_the_token_that_the_server_renewed() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.send(ToAgent::RefreshToken("renewed".to_owned()));
    server.forget();
    server.hang();
    agent.until("the room is entered anew", |_| server.count("join") == 2, &server).await;
    assert_eq!(server.seen(|seen| seen.tokens.clone()), ["token", "renewed", "renewed"]);
}

#[tokio::test]
async fn a_path_that_swallows_everything_is_replaced_and_both_are_heard_again() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.cut(true);
    agent.until("the silence is noticed", |_| server.count("resume") > 0, &server).await;
    server.cut(false);
    let (heard, said) = (agent.heard, server.seen(|seen| seen.heard));
    let both = |agent: &Agent| agent.heard > heard + 20 && server.seen(|seen| seen.heard) > said + 20;
    agent.until("both are heard again", both, &server).await;
    server.status("hangup");
    assert_eq!(agent.ends().await, (LegEnd::RemoteHangup, None));
}

#[tokio::test]
async fn a_deleted_room_ends_the_call() {
    let server = Server::start(None).await;
    let mut agent = Agent::talking(&server).await;
    server.leave(DisconnectReason::RoomDeleted, Action::Disconnect);
    let detail = "LiveKit: ROOM_DELETED".to_owned();
    assert_eq!(agent.ends().await, (LegEnd::Failed { detail }, None));
    until("the room is closed", || agent.control.log().ends_with(&["remove", "close"])).await;
}

#[tokio::test]
async fn a_caller_whom_another_agent_has_taken_is_left_to_it() {
    let server = Server::with(vec![info("ringing"), agent_of_another_node()]).await;
    let control = Arc::<Control>::default();
    let error = open(config(&server, Direction::Inbound), Arc::clone(&control) as _, &Rooms::default())
        .await
        .err()
        .unwrap();
    assert!(matches!(error, OpenError::Taken), "{error}");
    until("the agent leaves", || server.count("leave") == 1).await;
    assert_eq!(control.log(), ["yield"]);
}

fn attended(to: &str) -> Transfer {
    Transfer { to: to.to_owned(), mode: TransferMode::Attended, max_ring: Duration::from_secs(20) }
}

#[tokio::test]
async fn whoever_is_called_in_is_dismissed_when_that_fails_or_nobody_waits_any_more() {
    let server = Server::start(None).await;
    let agent = Agent::enter(&server, Direction::Outbound).await;
    let control = Arc::clone(&agent.control);
    let done = |what: &'static str, times: usize| {
        let control = Arc::clone(&control);
        move || control.log().iter().filter(|done| **done == what).count() == times
    };
    agent.leg.begin_transfer(attended("refused")).await.unwrap_err();
    until("one who may still join is dismissed", done("dismiss", 1)).await;
    let waiting = tokio::spawn(agent.leg.begin_transfer(attended("silent")));
    until("the next is called in", done("consult", 2)).await;
    waiting.abort();
    until("one whom nobody waits for is dismissed", done("dismiss", 2)).await;
    assert_eq!(agent.leg.begin_transfer(attended("desk")).await.unwrap(), Transferred::Joined);
    // The control cannot hand over.
    agent.leg.hand_over().await.unwrap_err();
    until("one who cannot be left with the caller is dismissed", done("dismiss", 3)).await;
    let in_turn: Vec<_> = control.log().into_iter().filter(|done| *done != "place").collect();
    assert_eq!(in_turn, ["consult", "dismiss", "consult", "dismiss", "consult", "dismiss"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_at_once() {
    let server = Server::start(None).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("ws://{free}"), "ws://".to_owned(), "ws://no-such-host.invalid:1".to_owned()] {
        let config = RoomLegConfig { url: url.clone(), ..config(&server, Direction::Outbound) };
        let error = open(config, Arc::<Control>::default(), &Rooms::default()).await.err().expect(&url);
        assert!(matches!(error, OpenError::Signalling(_) | OpenError::Socket(_)), "{url}: {error}");
    }
}
