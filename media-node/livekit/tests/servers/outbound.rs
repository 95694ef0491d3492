//! Calls that we place: answered, refused in every way, given up, ended by either side.

use crate::sipp::{NETWORK, Sipp};
use crate::world::{SOON, World, fresh_number, phone, request, rings};
use crate::{Case, cases};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_call_engine::io::LegEnd;
use talkif_telephony::LegEvent;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        an_answered_call_is_heard_both_ways,
        a_busy_telephone_is_told_from_one_that_declines,
        a_refusal_faster_than_any_network_is_told_or_said_to_be_lost,
        a_number_that_does_not_exist_is_invalid,
        a_telephone_that_is_away_does_not_answer,
        a_carrier_in_trouble_has_failed,
        a_telephone_that_rings_too_long_is_given_up,
        a_call_that_we_give_up_is_cancelled_at_the_telephone,
        a_carrier_that_is_not_there_has_failed,
        a_host_that_does_not_exist_has_failed,
        wrong_credentials_are_a_failure_and_right_ones_are_taken_from_then_on,
        whoever_is_called_may_hang_up,
        we_may_hang_up,
        keys_go_both_ways,
        headers_go_both_ways,
        a_telephone_that_falls_silent_without_hanging_up_is_a_lost_line,
    ]
}

async fn an_answered_call_is_heard_both_ways(world: Arc<World>) {
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    agent.until(&LegEvent::Ringing).await;
    person.answer().await;
    agent.speak();
    person.speak();
    tokio::join!(
        async {
            agent.until(&LegEvent::Answered).await;
            agent.hears().await;
            agent.stays(Duration::from_secs(1)).await;
        },
        async {
            // Goes on sending while the agent listens.
            person.hears().await;
            person.stays(Duration::from_secs(2)).await;
        },
    );
    let (received, lost) = agent.received_and_lost();
    assert!(received > 20 && lost == 0, "{lost} packets of {received} lost");
}

/// Dials a sipp that refuses with `status`.
async fn refused(world: &World, status: &str) -> (LegEnd, Option<u16>) {
    let sipp = Sipp::called("uas_refuses", status).await;
    let mut agent = world.dial(request(sipp.address, &fresh_number())).await;
    let end = agent.end().await;
    sipp.succeeds().await;
    end
}

async fn a_busy_telephone_is_told_from_one_that_declines(world: Arc<World>) {
    assert_eq!(refused(&world, "486 Busy Here").await, (LegEnd::Busy, Some(486)));
    assert_eq!(refused(&world, "603 Decline").await, (LegEnd::Declined, Some(603)));
}

/// `livekit-sip` may lose an answer that comes so soon.
async fn a_refusal_faster_than_any_network_is_told_or_said_to_be_lost(world: Arc<World>) {
    let changes = [("STATUS", "486 Busy Here"), (NETWORK, "")];
    let sipp = Sipp::called_with("uas_refuses", &changes).await;
    let mut agent = world.dial(request(sipp.address, &fresh_number())).await;
    let (how, status) = agent.end().await;
    let lost = LegEnd::Failed { detail: "the carrier's answer was lost".to_owned() };
    assert!(
        (&how, status) == (&LegEnd::Busy, Some(486)) || (&how, status) == (&lost, None),
        "{how:?}, {status:?}"
    );
    sipp.succeeds().await;
}

async fn a_number_that_does_not_exist_is_invalid(world: Arc<World>) {
    assert_eq!(refused(&world, "404 Not Found").await, (LegEnd::InvalidNumber, Some(404)));
}

async fn a_telephone_that_is_away_does_not_answer(world: Arc<World>) {
    assert_eq!(refused(&world, "480 Temporarily Unavailable").await, (LegEnd::NoAnswer, Some(480)));
}

async fn a_carrier_in_trouble_has_failed(world: Arc<World>) {
    let (how, status) = refused(&world, "503 Service Unavailable").await;
    assert!(matches!(how, LegEnd::Failed { .. }), "{how:?}");
    assert_eq!(status, Some(503));
}

async fn a_telephone_that_rings_too_long_is_given_up(world: Arc<World>) {
    let phone = phone().await;
    let mut request = request(phone.local_addr(), &fresh_number());
    request.max_ring = Duration::from_secs(2);
    let mut agent = world.dial(request).await;
    let mut person = rings(&phone).await;
    assert_eq!(agent.end().await.0, LegEnd::NoAnswer);
    assert_eq!(person.end().await.0, LegEnd::Canceled);
}

async fn a_call_that_we_give_up_is_cancelled_at_the_telephone(world: Arc<World>) {
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    agent.until(&LegEvent::Ringing).await;
    agent.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::Canceled);
    assert_eq!(person.end().await.0, LegEnd::Canceled);
}

async fn a_carrier_that_is_not_there_has_failed(world: Arc<World>) {
    // Port 9 discards, and here nobody even does that.
    let mut request = request(SocketAddr::from(([127, 0, 0, 1], 9)), &fresh_number());
    request.max_ring = Duration::from_secs(3);
    let (how, status) = world.dial(request).await.end().await;
    assert!(matches!(how, LegEnd::Failed { .. } | LegEnd::NoAnswer), "{how:?}");
    assert_eq!(status, None);
}

async fn a_host_that_does_not_exist_has_failed(world: Arc<World>) {
    let mut request = request(world.sip, &fresh_number());
    request.trunk.address = "no-such-carrier.invalid".to_owned();
    let (how, _) = world.dial(request).await.end().await;
    assert!(matches!(how, LegEnd::Failed { .. }), "{how:?}");
}

async fn wrong_credentials_are_a_failure_and_right_ones_are_taken_from_then_on(world: Arc<World>) {
    let number = fresh_number();
    for (password, is_right) in [("wrong", false), ("secret", true)] {
        let sipp = Sipp::called("uas_challenges", "").await;
        let mut request = request(sipp.address, &fresh_number());
        request.from = number.clone();
        request.trunk.username = Some("trunk".to_owned());
        request.trunk.password = Some(password.to_owned());
        let mut agent = world.dial(request).await;
        if is_right {
            agent.until(&LegEvent::Answered).await;
            agent.hang_up();
            assert_eq!(agent.end().await.0, LegEnd::LocalHangup);
            sipp.succeeds().await;
        } else {
            let (how, _) = agent.end().await;
            assert!(matches!(how, LegEnd::Failed { .. } | LegEnd::Declined), "{how:?}");
        }
    }
}

async fn whoever_is_called_may_hang_up(world: Arc<World>) {
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    person.hang_up();
    let room = agent.room();
    world.is_hung_up_on(&mut agent, &room, SOON).await;
}

async fn we_may_hang_up(world: Arc<World>) {
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    agent.hang_up();
    assert_eq!(agent.end().await.0, LegEnd::LocalHangup);
    assert_eq!(person.end().await.0, LegEnd::RemoteHangup);
}

async fn keys_go_both_ways(world: Arc<World>) {
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    agent.until(&LegEvent::Answered).await;
    agent.press("12#");
    person.press("45*");
    tokio::join!(agent.gets("45*"), person.gets("12#"));
}

async fn headers_go_both_ways(world: Arc<World>) {
    let answer = ("SIP/2.0 200 OK\n", "SIP/2.0 200 OK\n      X-Desk: 7\n");
    let sipp = Sipp::called_with("uas_answers", &[answer]).await;
    let mut agent = world.dial(request(sipp.address, &fresh_number())).await;
    agent.until(&LegEvent::Answered).await;
    // They come with the answer, or a moment after it.
    let until = Instant::now() + SOON;
    while agent.header("x-desk").is_none_or(|desk| desk != "7") {
        assert!(Instant::now() < until, "{:?}", agent.attributes());
        agent.stays(Duration::from_millis(50)).await;
    }
    let attributes = agent.attributes();
    assert!(attributes.get("sip.callIDFull").is_some_and(|id| !id.is_empty()), "{attributes:?}");
    assert!(attributes.contains_key("sip.trunkID"), "{attributes:?}");
    agent.hang_up();
    agent.end().await;
    assert!(sipp.succeeds().await.contains("X-Talkif-Case: seen"), "the INVITE carries the header");
}

/// `livekit-sip` waits 15 s for more audio, and until then says that the person is there.
async fn a_telephone_that_falls_silent_without_hanging_up_is_a_lost_line(world: Arc<World>) {
    let phone = phone().await;
    let mut agent = world.dial(request(phone.local_addr(), &fresh_number())).await;
    let mut person = rings(&phone).await;
    person.answer().await;
    person.speak();
    tokio::join!(agent.until(&LegEvent::Answered), person.until(&LegEvent::Answered));
    agent.hear_from(&mut person).await;
    // From here on nobody serves the telephone: no RTP, no BYE.
    let silent = Instant::now();
    let (how, status) = agent.end_within(Duration::from_secs(60)).await;
    assert_eq!((how, status), (LegEnd::Failed { detail: "media lost".to_owned() }, None));
    assert!(silent.elapsed() > Duration::from_secs(13), "we gave up first, {:?}", silent.elapsed());
}
