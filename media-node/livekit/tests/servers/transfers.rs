//! Callers who are put through to somebody else.

use crate::party::Party;
use crate::sipp::Sipp;
use crate::world::{SOON, World, fresh_number, phone, request, rings};
use crate::{Case, cases};
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_call_engine::io::LegEnd;
use talkif_telephony::{DirectTelephony, LegEvent, Rejection, Transferred};

/// After so long, a room without an agent would be ended.
const ABANDONED: Duration = Duration::from_secs(17);
/// When one of two goes, the other is told at once, and surely within this.
const TOLD: Duration = Duration::from_secs(15);

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_person_is_put_through_and_talks_on_without_us,
        whoever_is_left_behind_by_the_other_person_is_hung_up_on,
        somebody_who_declines_is_not_put_through_and_the_call_goes_on,
        a_caller_who_hangs_up_while_the_other_telephone_rings_silences_it,
        nobody_is_handed_over_to_somebody_who_has_gone,
        a_telephone_that_nobody_waits_for_any_more_stops_ringing_and_the_call_goes_on,
        somebody_who_came_too_late_is_hung_up_on_and_the_call_goes_on,
        a_transferred_call_ends_and_the_carrier_is_told_where_to,
        a_refused_transfer_leaves_the_call_as_it_was,
        a_transfer_that_is_refused_late_is_still_refused_with_its_status,
    ]
}

/// An answered call to a telephone, and the telephone.
async fn answered(world: &World) -> (Party, Party, DirectTelephony) {
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    tokio::join!(agent.until(&LegEvent::Answered), person.until(&LegEvent::Answered));
    (agent, person, phone)
}

/// A call that has been handed over: the two persons, their telephones, and a part of the room's
/// name.
async fn handed_over(world: &World) -> (Party, Party, [DirectTelephony; 2], String) {
    let (mut agent, mut person, phone_of_person) = answered(world).await;
    let phone = phone().await;
    let asked = tokio::spawn(agent.consult(format!("sip:desk@{}", phone.local_addr())));
    let mut target = rings(&phone).await;
    // Music, as far as a telephone can tell.
    agent.speak();
    person.hear_from(&mut agent).await;
    target.answer().await;
    let (joined, ()) = tokio::join!(agent.during(asked), target.until(&LegEvent::Answered));
    assert_eq!(joined.unwrap().unwrap(), Transferred::Joined);
    agent.hushes();
    let (handed_over, (), ()) = tokio::join!(
        agent.hand_over(),
        person.stays(Duration::from_millis(300)),
        target.stays(Duration::from_millis(300)),
    );
    handed_over.unwrap();
    agent.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::LocalHangup);
    (person, target, [phone_of_person, phone], agent.room())
}

async fn a_person_is_put_through_and_talks_on_without_us(world: Arc<World>) {
    let (mut person, mut target, _phones, room) = handed_over(&world).await;
    person.forget();
    target.forget();
    person.speak();
    target.speak();
    person.hear_each_other(&mut target).await;
    // The sweep leaves them alone.
    tokio::join!(person.talks_for(ABANDONED), target.talks_for(ABANDONED));
    person.hang_up();
    world.is_hung_up_on(&mut target, &room, TOLD).await;
}

async fn whoever_is_left_behind_by_the_other_person_is_hung_up_on(world: Arc<World>) {
    let (mut person, mut target, _phones, room) = handed_over(&world).await;
    target.hang_up();
    world.is_hung_up_on(&mut person, &room, TOLD).await;
}

async fn somebody_who_declines_is_not_put_through_and_the_call_goes_on(world: Arc<World>) {
    let (mut agent, mut person, _phone) = answered(&world).await;
    let phone = phone().await;
    let consulted = agent.consult(format!("sip:desk@{}", phone.local_addr()));
    let (refused, ()) = tokio::join!(agent.during(consulted), async {
        rings(&phone).await.reject(Rejection::Busy).await;
    });
    assert_eq!(refused.unwrap_err().sip_status, Some(486));
    agent.speak();
    person.speak();
    agent.hear_each_other(&mut person).await;
    assert!(agent.hand_over().await.is_err(), "there is nobody to hand over to");
    agent.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::LocalHangup);
    assert_eq!(person.end().await.0, LegEnd::RemoteHangup);
}

async fn a_caller_who_hangs_up_while_the_other_telephone_rings_silences_it(world: Arc<World>) {
    let (mut agent, mut person, _phone) = answered(&world).await;
    let phone = phone().await;
    let consulted = agent.consult(format!("sip:desk@{}", phone.local_addr()));
    let asked = tokio::spawn(consulted);
    let mut target = rings(&phone).await;
    person.hang_up();
    let room = agent.room();
    world.is_hung_up_on(&mut agent, &room, SOON).await;
    assert_eq!(target.end_within(TOLD).await.0, LegEnd::Canceled);
    assert!(asked.await.unwrap().is_err());
}

async fn nobody_is_handed_over_to_somebody_who_has_gone(world: Arc<World>) {
    let (mut agent, mut person, _phone) = answered(&world).await;
    let phone = phone().await;
    let consulted = agent.consult(format!("sip:desk@{}", phone.local_addr()));
    let (joined, ()) = tokio::join!(agent.during(consulted), async {
        let mut target = rings(&phone).await;
        target.answer().await;
        target.until(&LegEvent::Answered).await;
        target.hang_up();
        target.end().await;
    });
    // Both may come first: the answer, or that it was a short one.
    if joined.is_ok() {
        let until = Instant::now() + TOLD;
        while agent.hand_over().await.is_ok() {
            assert!(Instant::now() < until, "the target has gone");
        }
    }
    agent.stays(Duration::from_millis(500)).await;
    agent.hang_up();
    assert_eq!(person.end().await.0, LegEnd::RemoteHangup);
}

async fn a_telephone_that_nobody_waits_for_any_more_stops_ringing_and_the_call_goes_on(world: Arc<World>) {
    let (mut agent, mut person, _phone) = answered(&world).await;
    let phone = phone().await;
    let asked = tokio::spawn(agent.consult(format!("sip:desk@{}", phone.local_addr())));
    let mut target = rings(&phone).await;
    asked.abort();
    assert_eq!(target.end_within(TOLD).await.0, LegEnd::Canceled);
    agent.speak();
    person.speak();
    agent.hear_each_other(&mut person).await;
}

/// The hand-over was begun, and nobody waits for it any more.
async fn somebody_who_came_too_late_is_hung_up_on_and_the_call_goes_on(world: Arc<World>) {
    let (mut agent, mut person, _phone) = answered(&world).await;
    let phone = phone().await;
    let asked = tokio::spawn(agent.consult(format!("sip:desk@{}", phone.local_addr())));
    let mut target = rings(&phone).await;
    target.answer().await;
    let (joined, ()) = tokio::join!(agent.during(asked), target.until(&LegEvent::Answered));
    assert_eq!(joined.unwrap().unwrap(), Transferred::Joined);
    agent.forsakes_hand_over();
    assert_eq!(target.end_within(TOLD).await.0, LegEnd::RemoteHangup);
    agent.speak();
    person.speak();
    agent.hear_each_other(&mut person).await;
}

async fn a_transferred_call_ends_and_the_carrier_is_told_where_to(world: Arc<World>) {
    let sipp = Sipp::called("uas_transfers", "").await;
    let mut agent = world.dial(request(sipp.address, &fresh_number())).await;
    agent.until(&LegEvent::Answered).await;
    agent.transfer("tel:+15550100300").await.unwrap();
    let (how, _) = agent.end().await;
    assert!(matches!(how, LegEnd::RemoteHangup | LegEnd::LocalHangup), "{how:?}");
    // The scenario looks whom the REFER names.
    sipp.succeeds().await;
}

async fn a_refused_transfer_leaves_the_call_as_it_was(world: Arc<World>) {
    refused_transfer(&world, &[]).await;
}

/// LiveKit asks for 3 s and then says that it does not know.
async fn a_transfer_that_is_refused_late_is_still_refused_with_its_status(world: Arc<World>) {
    let before = "<send retrans=\"500\">\n    <![CDATA[\n      NOTIFY";
    let late = format!("<pause milliseconds=\"5000\" />\n  {before}");
    refused_transfer(&world, &[(before, &late)]).await;
}

async fn refused_transfer(world: &World, changes: &[(&str, &str)]) {
    let sipp = Sipp::called_with("uas_fails_transfer", changes).await;
    let mut agent = world.dial(request(sipp.address, &fresh_number())).await;
    agent.until(&LegEvent::Answered).await;
    let refusal = agent.transfer("tel:+15550100300").await.unwrap_err();
    assert_eq!(refusal.sip_status, Some(486));
    agent.stays(Duration::from_millis(500)).await;
    agent.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::LocalHangup);
    sipp.succeeds().await;
}
