//! Servers and nodes that die in mid-call. Each case has servers of its own to kill.

use crate::world::{SOON, World, fresh_number, phone, request, rings};
use crate::{Case, cases};
use livekit_api::services::LiveKitApi;
use livekit_api::services::sip::{CreateSIPOutboundTrunkOptions, CreateSIPParticipantOptions};
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::io::LegEnd;
use talkif_embedded::LiveKitPart;
use talkif_telephony::LegEvent;
use tokio::time::timeout;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_call_whose_livekit_sip_dies_ends_and_the_next_one_works,
        a_call_whose_livekit_server_dies_ends_and_the_next_one_works,
        a_person_whose_agent_is_gone_is_hung_up_on,
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
    let how = timeout(SOON * 3, async {
        loop {
            if let LegEvent::Ended { how, .. } = agent.event().await {
                return how;
            }
        }
    });
    let how = how.await.expect("the call ends");
    assert!(matches!(how, LegEnd::Failed { .. }), "{how:?}");
    servers.restart(part).await.unwrap();
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    rings(&phone).await.answer().await;
    agent.until(&LegEvent::Answered).await;
    comes_in(&world).await;
}

/// A call comes in, as soon as the worker has found the server again.
async fn comes_in(world: &World) {
    timeout(SOON, world.telephony.ready()).await.expect("calls can come in again");
    let (phone, number) = (phone().await, fresh_number());
    let mut calls = world.expect(&number);
    let _caller = world.call_in(&phone, &number).await;
    timeout(SOON, calls.recv()).await.expect("a call comes in").unwrap();
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
    let ended = timeout(SOON * 2, async {
        loop {
            if let LegEvent::Ended { how, .. } = person.event().await {
                return how;
            }
        }
    });
    assert_eq!(ended.await.expect("nobody stays on the line with nobody"), LegEnd::RemoteHangup);
}
