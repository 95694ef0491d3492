//! Somebody who is called into a call, and how they are sent away again.
//!
//! Whoever was called in hears the caller and the agent. So they stay only if the transfer worked;
//! where it failed, or nobody waits for it any more, they are removed, and those of whom nothing
//! certain was heard are looked for a while: they may still join.

use crate::call::{BETWEEN_REMOVALS, Call, REMOVALS};
use crate::names::TARGET;
use crate::refusals::{is_not_found, sip_status};
use livekit_api::services::ServiceError;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// After a removal that LiveKit did not take.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// The room's mark is taken back within this time, or stays: it is no harm while we are there.
const UNMARK_WITHIN: Duration = Duration::from_secs(10);

/// What is known of whoever was called in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Guest {
    #[default]
    Nobody,
    /// Asked for; whether they join is not known.
    Uncertain,
    Present,
}

impl Guest {
    /// What comes of asking for them. Only a telephone's refusal is certain.
    pub(crate) fn after(called: &Result<(), ServiceError>) -> Self {
        match called {
            Ok(()) => Self::Present,
            Err(error) if sip_status(error).is_some() => Self::Nobody,
            Err(_) => Self::Uncertain,
        }
    }
}

impl Call {
    /// Notes what is known now; returns what was known before.
    pub(crate) fn note_guest(&self, guest: Guest) -> Guest {
        // No panic of ours leaves it half changed, so a poisoned lock is as good as any.
        std::mem::replace(&mut self.guest.lock().unwrap_or_else(PoisonError::into_inner), guest)
    }

    /// Removes whoever was called in, unless the two persons were left to each other.
    pub(crate) async fn send_away(&self) {
        if self.spared.load(Ordering::SeqCst) {
            return;
        }
        let guest = self.note_guest(Guest::Nobody);
        if guest != Guest::Nobody {
            self.remove_guest(guest).await;
        }
        if self.marked.swap(false, Ordering::SeqCst) {
            let unmarked = self.api.livekit.room().update_room_metadata(&self.room, "");
            if !matches!(timeout(UNMARK_WITHIN, unmarked).await, Ok(Ok(_))) {
                tracing::warn!(room = self.room, "the room is still marked as handed over");
            }
        }
    }

    async fn remove_guest(&self, guest: Guest) {
        for _ in 0..REMOVALS {
            // The whole room goes then.
            if self.removed.load(Ordering::SeqCst) {
                return;
            }
            match self.api.livekit.room().remove_participant(&self.room, TARGET).await {
                Err(error) if is_not_found(&error) && guest == Guest::Uncertain => {
                    sleep(BETWEEN_REMOVALS).await;
                }
                Err(error) if !is_not_found(&error) => {
                    tracing::debug!(room = self.room, %error, "whoever was called in is still there");
                    sleep(AFTER_FAILURE).await;
                }
                _ => return,
            }
        }
        if guest == Guest::Present {
            tracing::warn!(room = self.room, "whoever was called in could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::SipControl;
    use crate::fake::{Fake, Reply};
    use crate::legs::Legs;
    use crate::names::HANDED_OVER;
    use livekit_protocol::{
        ListParticipantsResponse, ParticipantInfo, Room, RoomParticipantIdentity, SipParticipantInfo,
        UpdateParticipantRequest, UpdateRoomMetadataRequest,
    };
    use std::collections::HashMap;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use talkif_telephony::TransferError;

    const DESK: &str = "sip:desk@office.example";
    const RING: Duration = Duration::from_secs(20);

    fn call(fake: &Fake) -> Call {
        let seat = Legs::new(1).enter("room");
        Call::new(Arc::clone(&fake.api), "room".into(), "callee".into(), seat)
    }

    fn both() -> ListParticipantsResponse {
        with_target("active")
    }

    /// The caller, and somebody whose call is in this state.
    fn with_target(status: &str) -> ListParticipantsResponse {
        let person = |identity: &str, status: &str| ParticipantInfo {
            identity: identity.to_owned(),
            attributes: HashMap::from([("sip.callStatus".to_owned(), status.to_owned())]),
            ..ParticipantInfo::default()
        };
        ListParticipantsResponse { participants: vec![person("callee", "active"), person(TARGET, status)] }
    }

    /// A server that does all that is asked but what `other` answers.
    async fn server(other: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Fake {
        Fake::start(move |method, _| {
            other(method).unwrap_or_else(|| match method {
                "CreateSIPParticipant" => Reply::of(&SipParticipantInfo::default()),
                "ListParticipants" => Reply::of(&both()),
                "UpdateRoomMetadata" => Reply::of(&Room::default()),
                _ => Reply::Done(Vec::new()),
            })
        })
        .await
    }

    fn removed(fake: &Fake) -> Vec<String> {
        let removals = fake.requests::<RoomParticipantIdentity>("RemoveParticipant");
        removals.into_iter().map(|removal| removal.identity).collect()
    }

    #[tokio::test]
    async fn whoever_joined_is_removed_when_the_hand_over_fails_and_the_mark_taken_back() {
        // Taken, but the answer is lost.
        let fake =
            server(|method| (method == "UpdateRoomMetadata").then_some(Reply::Refused("internal", None)));
        let fake = fake.await;
        let call = call(&fake);
        call.consult(DESK, RING).await.unwrap();
        call.hand_over().await.unwrap_err();
        call.dismiss().await;
        assert_eq!(removed(&fake), [TARGET]);
        let marks = fake.requests::<UpdateRoomMetadataRequest>("UpdateRoomMetadata");
        let marks: Vec<&str> = marks.iter().map(|request| request.metadata.as_str()).collect();
        assert_eq!(marks, [HANDED_OVER, ""]);
    }

    #[tokio::test]
    async fn whoever_may_still_join_is_looked_for_until_they_do() {
        let looks = AtomicUsize::new(0);
        let fake = server(move |method| match method {
            "CreateSIPParticipant" => Some(Reply::Refused("deadline_exceeded", None)),
            "RemoveParticipant" if looks.fetch_add(1, Ordering::SeqCst) < 2 => {
                Some(Reply::Refused("not_found", None))
            }
            _ => None,
        });
        let fake = fake.await;
        let call = call(&fake);
        call.consult(DESK, RING).await.unwrap_err();
        call.dismiss().await;
        assert_eq!(removed(&fake), [TARGET, TARGET, TARGET]);
    }

    #[tokio::test]
    async fn a_removal_that_fails_is_tried_again() {
        let tries = AtomicUsize::new(0);
        let fake = server(move |method| {
            let fails = method == "RemoveParticipant" && tries.fetch_add(1, Ordering::SeqCst) == 0;
            fails.then_some(Reply::Refused("internal", None))
        });
        let fake = fake.await;
        let call = call(&fake);
        call.consult(DESK, RING).await.unwrap();
        call.dismiss().await;
        assert_eq!(removed(&fake), [TARGET, TARGET]);
    }

    #[tokio::test]
    async fn nobody_is_looked_for_when_their_telephone_has_refused() {
        let busy = |method: &str| {
            (method == "CreateSIPParticipant").then_some(Reply::Refused("resource_exhausted", Some(486)))
        };
        let fake = server(busy).await;
        let call = call(&fake);
        assert_eq!(call.consult(DESK, RING).await.unwrap_err().sip_status, Some(486));
        call.dismiss().await;
        assert_eq!(removed(&fake), [""; 0]);
    }

    #[tokio::test]
    async fn whoever_was_handed_the_call_is_left_alone() {
        let fake = server(|_| None).await;
        let call = call(&fake);
        call.consult(DESK, RING).await.unwrap();
        call.hand_over().await.unwrap();
        call.dismiss().await;
        call.remove().await;
        call.close().await;
        assert_eq!(fake.methods(), ["CreateSIPParticipant", "ListParticipants", "UpdateRoomMetadata"]);
    }

    /// The first looks find the telephone in these states; later ones, answered.
    async fn looks_find(states: &'static [&'static str]) -> Fake {
        let looks = AtomicUsize::new(0);
        server(move |method| {
            let look = || states.get(looks.fetch_add(1, Ordering::SeqCst));
            let state = (method == "ListParticipants").then(look).flatten();
            state.map(|state| Reply::of(&with_target(state)))
        })
        .await
    }

    /// Somebody is called in, and handed the call at once.
    async fn hands_over(fake: &Fake) -> Result<(), TransferError> {
        let call = call(fake);
        call.consult(DESK, RING).await.unwrap();
        call.hand_over().await
    }

    /// The answer is told before LiveKit's list of people shows it.
    #[tokio::test]
    async fn whoever_has_only_just_answered_is_handed_the_call() {
        let fake = looks_find(&["ringing", "ringing"]).await;
        hands_over(&fake).await.unwrap();
        assert_eq!(fake.methods().iter().filter(|method| *method == "ListParticipants").count(), 3);
    }

    /// LiveKit's list may have been written in the wrong order, and is then wrong for good.
    #[tokio::test]
    async fn whoever_is_listed_as_ringing_for_ever_is_handed_the_call() {
        let fake = server(|method| match method {
            "ListParticipants" => Some(Reply::of(&with_target("ringing"))),
            "UpdateParticipant" => Some(Reply::of(&both().participants[1])),
            _ => None,
        });
        let fake = fake.await;
        hands_over(&fake).await.unwrap();
        let asked = fake.requests::<UpdateParticipantRequest>("UpdateParticipant");
        assert_eq!(asked.len(), 1);
        assert!(asked[0].identity == TARGET && asked[0].attributes.is_empty(), "an update of nothing");
    }

    #[tokio::test]
    async fn whoever_has_hung_up_is_not_handed_the_call() {
        hands_over(&looks_find(&["ringing", "hangup"]).await).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_room_that_another_agent_has_is_left_alone() {
        let fake = server(|_| None).await;
        let call = call(&fake);
        call.yield_room();
        call.remove().await;
        call.close().await;
        assert_eq!(fake.methods(), [""; 0]);
    }

    #[tokio::test]
    async fn a_hand_over_that_fails_the_second_time_counts_for_nothing() {
        let looks = AtomicUsize::new(0);
        let fake = server(move |method| {
            let second = method == "ListParticipants" && looks.fetch_add(1, Ordering::SeqCst) == 1;
            second.then_some(Reply::Refused("internal", None))
        });
        let fake = fake.await;
        let call = call(&fake);
        call.consult(DESK, RING).await.unwrap();
        call.hand_over().await.unwrap();
        call.hand_over().await.unwrap_err();
        call.remove().await;
        assert_eq!(removed(&fake), ["callee"]);
    }

    #[tokio::test]
    async fn a_call_that_has_ended_meanwhile_is_not_handed_over() {
        let fake = server(|_| None).await;
        let call = call(&fake);
        call.consult(DESK, RING).await.unwrap();
        call.remove().await;
        call.hand_over().await.unwrap_err();
        call.close().await;
        assert_eq!(fake.methods().last().unwrap(), "DeleteRoom");
    }

    /// The engine gives up after 5 s, and must have heard by then.
    #[tokio::test]
    async fn a_hand_over_that_livekit_does_not_answer_is_given_up_before_the_engine_does() {
        let fake = server(|method| (method == "ListParticipants").then_some(Reply::Never)).await;
        let call = call(&fake);
        call.consult(DESK, RING).await.unwrap();
        tokio::select! {
            biased;
            given_up = call.hand_over() => given_up.unwrap_err(),
            // LiveKit's client alone would wait for 10 s.
            () = sleep(Duration::from_secs(9)) => panic!("it waits on"),
        };
    }
}
