//! Calls that come in: answered, refused, given up.

use crate::party::Party;
use crate::world::{SOON, World, fresh_number};
use crate::{Case, cases};
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_call_engine::io::LegEnd;
use talkif_telephony::{IncomingCall, LegEvent, Rejection, Telephony as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        an_incoming_call_is_answered_and_heard_both_ways,
        an_incoming_call_that_is_refused_is_busy,
        a_number_that_is_not_ours_is_refused_at_once,
        a_caller_who_gives_up_before_the_answer_has_cancelled,
        a_caller_may_hang_up,
        we_may_hang_up_on_a_caller,
        a_callers_keys_are_heard,
        a_full_node_refuses_within_seconds,
        a_node_that_refuses_new_calls_leaves_them_to_another_one,
    ]
}

async fn next(calls: &mut UnboundedReceiver<IncomingCall>) -> IncomingCall {
    timeout(SOON, calls.recv()).await.expect("a call comes in soon").unwrap()
}

/// A call that has been answered: the agent's side and the caller's.
async fn answered(world: &World) -> (Party, Party) {
    let number = fresh_number();
    let mut calls = world.expect(&number);
    let mut caller = world.call_in(&number).await;
    let mut agent = Party::new(next(&mut calls).await.leg);
    agent.answer().await;
    tokio::join!(agent.until(&LegEvent::Answered), caller.until(&LegEvent::Answered));
    (agent, caller)
}

async fn an_incoming_call_is_answered_and_heard_both_ways(world: Arc<World>) {
    let number = fresh_number();
    let mut calls = world.expect(&number);
    let mut caller = world.call_in(&number).await;
    let call = next(&mut calls).await;
    assert_eq!(call.to, number.as_str());
    assert!(call.from.starts_with("+1212555"), "the caller's number is told");
    let attributes = call.leg.attributes();
    assert_eq!(attributes.get("sip.h.x-talkif-case").map(String::as_str), Some("seen"), "{attributes:?}");
    assert_eq!(attributes.get("sip.trunkPhoneNumber").map(String::as_str), Some(number.as_str()));
    let mut agent = Party::new(call.leg);
    caller.until(&LegEvent::Ringing).await;
    agent.answer().await;
    agent.speak();
    caller.speak();
    tokio::join!(agent.until(&LegEvent::Answered), caller.until(&LegEvent::Answered));
    agent.hear_each_other(&mut caller).await;
}

async fn an_incoming_call_that_is_refused_is_busy(world: Arc<World>) {
    let number = fresh_number();
    let mut calls = world.expect(&number);
    let mut caller = world.call_in(&number).await;
    Party::new(next(&mut calls).await.leg).reject(Rejection::NoFlow).await;
    assert_eq!(caller.end().await, (LegEnd::Busy, Some(486)));
}

/// `livekit-sip` alone would let it ring for ever.
async fn a_number_that_is_not_ours_is_refused_at_once(world: Arc<World>) {
    let begun = Instant::now();
    let mut caller = world.call_in(&fresh_number()).await;
    assert_eq!(caller.end().await, (LegEnd::Busy, Some(486)));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

async fn a_caller_who_gives_up_before_the_answer_has_cancelled(world: Arc<World>) {
    let number = fresh_number();
    let mut calls = world.expect(&number);
    let mut caller = world.call_in(&number).await;
    let mut agent = Party::new(next(&mut calls).await.leg);
    caller.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::Canceled);
}

async fn a_caller_may_hang_up(world: Arc<World>) {
    let (mut agent, mut caller) = answered(&world).await;
    caller.hang_up();
    let room = agent.room();
    world.is_hung_up_on(&mut agent, &room, SOON).await;
}

async fn we_may_hang_up_on_a_caller(world: Arc<World>) {
    let (mut agent, mut caller) = answered(&world).await;
    agent.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::LocalHangup);
    assert_eq!(caller.end().await.0, LegEnd::RemoteHangup);
}

async fn a_callers_keys_are_heard(world: Arc<World>) {
    let (mut agent, mut caller) = answered(&world).await;
    caller.press("7*2");
    tokio::join!(agent.gets("7*2"), caller.stays(Duration::from_secs(2)));
}

async fn a_full_node_refuses_within_seconds(_: Arc<World>) {
    let world = World::with_slots(1).await;
    let (mut agent, mut caller) = answered(&world).await;
    let mut second = world.call_in(&fresh_number()).await;
    let (end, ()) = tokio::join!(second.end(), async {
        tokio::join!(agent.stays(Duration::from_secs(1)), caller.stays(Duration::from_secs(1)));
    });
    assert_eq!(end.0, LegEnd::Busy);
}

async fn a_node_that_refuses_new_calls_leaves_them_to_another_one(_: Arc<World>) {
    let world = World::start().await;
    let (mut kept, mut caller) = answered(&world).await;
    let other = world.another_node().await;
    world.telephony.refuse_new();
    for _ in 0..4 {
        let mut second = world.call_in(&fresh_number()).await;
        let taken = timeout(SOON, other.next_call()).await.expect("the other node is asked").unwrap();
        let mut agent = Party::new(taken.leg);
        agent.answer().await;
        tokio::join!(agent.until(&LegEvent::Answered), second.until(&LegEvent::Answered));
        second.hang_up();
        let room = agent.room();
        world.is_hung_up_on(&mut agent, &room, SOON).await;
    }
    tokio::join!(kept.stays(Duration::from_secs(1)), caller.stays(Duration::from_secs(1)));
}
