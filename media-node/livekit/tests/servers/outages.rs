//! Servers and nodes that die in mid-call. Each case has servers of its own to kill.

use crate::party::Party;
use crate::world::{SOON, World, fresh_number, phone, request, rings};
use crate::{Case, cases};
use livekit_api::services::LiveKitApi;
use livekit_api::services::sip::{CreateSIPOutboundTrunkOptions, CreateSIPParticipantOptions};
use livekit_protocol::ParticipantInfo;
use livekit_protocol::participant_info::Kind;
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_embedded::LiveKitPart;
use talkif_telephony::{LegEvent, Telephony as _};
use tokio::time::{sleep, timeout};

/// A dead server is noticed by silence at the latest.
const NOTICED: Duration = Duration::from_secs(45);
/// All works again within this time after a server is back.
const RECOVERED: Duration = Duration::from_secs(50);
/// Who is listed and not there is found out within 34 s, left alone for another 15 s, and an empty
/// room for a minute.
const HUNG_UP: Duration = Duration::from_secs(60);
const ENDED: Duration = Duration::from_secs(110);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_call_whose_livekit_sip_dies_ends_and_the_next_one_works,
        a_call_whose_livekit_server_dies_ends_and_the_next_one_works,
        a_person_whose_agent_is_gone_is_hung_up_on,
        a_person_whose_agent_died_with_its_server_is_hung_up_on,
        a_room_in_which_all_died_with_their_servers_is_ended,
        a_node_that_stops_hangs_up_on_everybody_before_it_is_gone,
    ]
}

async fn a_call_whose_livekit_sip_dies_ends_and_the_next_one_works(_: Arc<World>) {
    outage(LiveKitPart::Sip).await;
}

async fn a_call_whose_livekit_server_dies_ends_and_the_next_one_works(_: Arc<World>) {
    outage(LiveKitPart::Server).await;
}

async fn outage(part: LiveKitPart) {
    let world = World::start().await;
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    let mut servers = world.servers.lock().await;
    servers.kill(part);
    let (how, _) = agent.end_within(NOTICED).await;
    assert!(matches!(how, LegEnd::Failed { .. }), "{how:?}");
    servers.restart(part).await.unwrap();
    timeout(RECOVERED, goes_out(&world)).await.expect("calls go out again");
    timeout(RECOVERED, comes_in(&world)).await.expect("calls come in again");
}

/// A call goes out. The servers take a while to find each other again; until then, calls fail.
async fn goes_out(world: &World) {
    let phone = phone().await;
    loop {
        let request = request(phone.local_addr(), &fresh_number());
        let Ok(leg) = world.telephony.dial(request).await else {
            sleep(Duration::from_millis(200)).await;
            continue;
        };
        let mut agent = Party::new(leg);
        tokio::select! {
            (how, _) = agent.end_within(RECOVERED) => assert!(matches!(how, LegEnd::Failed { .. }), "{how:?}"),
            call = phone.next_call() => {
                let mut person = Party::new(call.unwrap().leg);
                person.answer().await;
                return agent.until(&LegEvent::Answered).await;
            }
        }
    }
}

/// A call comes in. A caller who is refused tries again.
async fn comes_in(world: &World) {
    world.telephony.ready().await;
    let number = fresh_number();
    let mut calls = world.expect(&number);
    loop {
        let mut caller = world.call_in(&number).await;
        tokio::select! {
            call = calls.recv() => return drop(call.unwrap()),
            _ = caller.end_within(RECOVERED) => {}
        }
    }
}

/// As a node that is killed leaves it: a room of ours, a person, nobody else.
async fn a_person_whose_agent_is_gone_is_hung_up_on(world: Arc<World>) {
    let phone = phone().await;
    let api = LiveKitApi::with_api_key(&world.url, &world.key.0, &world.key.1);
    let (number, options) = (fresh_number(), CreateSIPOutboundTrunkOptions::default());
    let numbers = vec![number.as_str().to_owned()];
    let address = phone.local_addr().to_string();
    let trunk = api.sip().create_sip_outbound_trunk("zombie".to_owned(), address, numbers, options).await;
    let (trunk, room) = (trunk.unwrap().sip_trunk_id, "talkif-eu-west-out-zombie".to_owned());
    let options = CreateSIPParticipantOptions {
        participant_identity: "callee".to_owned(),
        ..CreateSIPParticipantOptions::default()
    };
    api.sip().create_sip_participant(trunk, "+12125559999".to_owned(), room, options, None).await.unwrap();
    let mut person = rings(&phone).await;
    person.answer().await;
    person.stays(Duration::from_secs(5)).await;
    assert_eq!(person.end_within(NOTICED).await.0, LegEnd::RemoteHangup, "nobody is left with nobody");
}

async fn a_person_whose_agent_died_with_its_server_is_hung_up_on(_: Arc<World>) {
    let world = World::start().await;
    let mut person = haunt(&world, &[LiveKitPart::Server]).await;
    assert_eq!(person.end_within(HUNG_UP).await.0, LegEnd::RemoteHangup, "nobody is left with a ghost");
    timeout(ENDED, is_gone(&world)).await.expect("its room is gone");
}

async fn a_room_in_which_all_died_with_their_servers_is_ended(_: Arc<World>) {
    let world = World::start().await;
    haunt(&world, &[LiveKitPart::Server, LiveKitPart::Sip]).await;
    timeout(ENDED, is_gone(&world)).await.expect("its room is gone");
}

/// A node dies in mid-call, and so do these servers, whose list keeps its agent. Returns the person.
async fn haunt(world: &World, dying: &[LiveKitPart]) -> Party {
    let (phone, node) = (phone().await, tokio::runtime::Runtime::new().unwrap());
    let doomed = world.another_node_on(&node).await;
    let request = request(phone.local_addr(), &fresh_number());
    let leg = node.spawn(async move { (doomed.dial(request).await, doomed) }).await.unwrap();
    let mut agent = Party::new(leg.0.unwrap());
    let call = timeout(SOON, phone.next_call()).await.expect("it rings soon").unwrap();
    let mut person = Party::with_phone(phone, call.leg);
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    // Long enough for the other node to have asked for the agent while it was there.
    agent.talks_for(Duration::from_secs(3)).await;
    let mut servers = world.servers.lock().await;
    dying.iter().for_each(|part| servers.kill(*part));
    node.shutdown_background();
    for part in dying {
        servers.restart(*part).await.unwrap();
    }
    sleep(Duration::from_secs(5)).await;
    let listed = everybody(world).await.into_iter().any(|person| person.kind == i32::from(Kind::Agent));
    assert!(listed, "else there is nothing to see through");
    person
}

/// All whom the server takes to be in a room.
async fn everybody(world: &World) -> Vec<ParticipantInfo> {
    let api = LiveKitApi::with_api_key(&world.url, &world.key.0, &world.key.1);
    let mut everybody = Vec::new();
    for room in api.room().list_rooms(Vec::new()).await.unwrap() {
        everybody.extend(api.room().list_participants(&room.name).await.unwrap());
    }
    everybody
}

async fn is_gone(world: &World) {
    let api = LiveKitApi::with_api_key(&world.url, &world.key.0, &world.key.1);
    while !api.room().list_rooms(Vec::new()).await.unwrap().is_empty() {
        sleep(Duration::from_secs(1)).await;
    }
}

/// Callers and called alike hear the end at once.
async fn a_node_that_stops_hangs_up_on_everybody_before_it_is_gone(_: Arc<World>) {
    let world = World::start().await;
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    let number = fresh_number();
    let mut calls = world.expect(&number);
    let mut caller = world.call_in(&number).await;
    let mut ringing = Party::new(timeout(NOTICED, calls.recv()).await.expect("it comes in").unwrap().leg);
    world.telephony.close().await;
    let ends = async { tokio::join!(agent.end(), person.end(), ringing.end(), caller.end()) };
    let (agent, person, ringing, caller) = ends.await;
    assert_eq!((agent.0, person.0), (LegEnd::LocalHangup, LegEnd::RemoteHangup));
    assert_eq!((ringing.0, caller.0), (LegEnd::LocalHangup, LegEnd::Busy));
    assert!(world.telephony.dial(request(phone.local_addr(), &fresh_number())).await.is_err());
}
