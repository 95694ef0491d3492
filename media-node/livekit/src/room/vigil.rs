//! Whether somebody of whom nothing is heard is still there: a machine without IO.
//!
//! `livekit-sip` plays a telephone's sound into the room as long as there is any. When it stops,
//! the telephone may send none (it is muted, or holds us), `livekit-sip` may be gone, or the person
//! has hung up and `livekit-server` has lost that news; of the last two it tells after 20 s. So the
//! person's own side is asked: LiveKit's SDK, of which `livekit-sip` is made, acknowledges a remote
//! call of any name. Only questions that had a living server between us count. They may be lost, as
//! audio is: what waits for its turn after a lost one would come too late to prove anything.

use livekit_protocol::data_packet::Value;
use livekit_protocol::{DataPacket, RpcRequest};
use prost::Message as _;
use std::time::{Duration, Instant};

/// Nothing is asked while sound comes. Pauses are sound, too; a telephone sends 50 packets a second.
const QUIET: Duration = Duration::from_secs(2);
/// An answer takes milliseconds. The server is heard every 2 s on each connection.
const ANSWER_WITHIN: Duration = Duration::from_millis(2_500);
/// Whoever leaves as many questions in a row unanswered is gone: after 12 s in all, which is how
/// long [`super::recovery`] bears our own side's being cut off.
const MISSES: u32 = 4;
/// Nobody has a method of this name, which is an answer, too.
const METHOD: &str = "talkif.present";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Send this message to the person.
    Ask(Vec<u8>),
    /// Nobody is there any more.
    Gone,
}

/// The watch over one person.
#[derive(Debug, Default)]
pub(super) struct Vigil {
    /// When they last gave a sign of life; none before the call is connected.
    alive: Option<Instant>,
    asked: Option<Instant>,
    misses: u32,
    questions: u32,
}

impl Vigil {
    /// The person talks, or at least their telephone.
    pub(super) fn heard(&mut self, now: Instant) {
        if self.alive.is_some() {
            (self.alive, self.asked, self.misses) = (Some(now), None, 0);
        }
    }

    /// Takes a data message. Any of `person`'s is a sign of life, as are late answers.
    pub(super) fn message(&mut self, message: &[u8], person: &str, now: Instant) {
        if self.asked.is_some() && DataPacket::decode(message).is_ok_and(|p| p.participant_identity == person)
        {
            self.heard(now);
        }
    }

    /// The question could not be sent, or on connections that are gone: it proves nothing.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.heard(now);
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.asked.map(|asked| asked + ANSWER_WITHIN).unwrap_or(self.alive? + QUIET))
    }

    /// Lets time pass in a connected call with `person`. `server` is when the server was last heard,
    /// `can_ask` whether a message has a way; where it has none, it is asked for again later.
    pub(super) fn tick(
        &mut self,
        person: &str,
        server: Option<Instant>,
        can_ask: bool,
        now: Instant,
    ) -> Option<Finding> {
        let alive = *self.alive.get_or_insert(now);
        if let Some(asked) = self.asked {
            if now < asked + ANSWER_WITHIN {
                return None;
            }
            self.misses += u32::from(server.is_some_and(|heard| heard > asked));
            self.asked = None;
        }
        if self.misses >= MISSES {
            self.misses = 0;
            return Some(Finding::Gone);
        }
        if now < alive + QUIET {
            return None;
        }
        if !can_ask {
            (self.alive, self.misses) = (Some(now), 0);
            return None;
        }
        self.asked = Some(now);
        self.questions += 1;
        Some(Finding::Ask(self.question(person)))
    }

    fn question(&self, person: &str) -> Vec<u8> {
        let request = RpcRequest {
            id: format!("talkif-{}", self.questions),
            method: METHOD.to_owned(),
            response_timeout_ms: u32::try_from(ANSWER_WITHIN.as_millis()).unwrap_or(u32::MAX),
            version: 1,
            ..RpcRequest::default()
        };
        let packet = DataPacket {
            destination_identities: vec![person.to_owned()],
            value: Some(Value::RpcRequest(request)),
            ..DataPacket::default()
        };
        packet.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livekit_protocol::RpcAck;

    const STEP: Duration = Duration::from_millis(100);

    fn ack(person: &str, id: &str) -> Vec<u8> {
        let value = Some(Value::RpcAck(RpcAck { request_id: id.to_owned() }));
        DataPacket { participant_identity: person.to_owned(), value, ..DataPacket::default() }.encode_to_vec()
    }

    fn id(question: &[u8]) -> String {
        match DataPacket::decode(question).unwrap().value {
            Some(Value::RpcRequest(request)) => request.id,
            other => panic!("{other:?}"),
        }
    }

    /// A watch in virtual time, over a server that is heard until it stands still.
    struct Watch {
        vigil: Vigil,
        begun: Instant,
        now: Instant,
        server_stands_at: Option<Duration>,
    }

    impl Watch {
        fn new() -> Self {
            let now = Instant::now();
            let mut vigil = Vigil::default();
            assert_eq!(vigil.tick("person", Some(now), true, now), None, "the call has only begun");
            Self { vigil, begun: now, now, server_stands_at: None }
        }

        fn passed(&self) -> Duration {
            self.now - self.begun
        }

        /// The next finding within `time`, if any.
        fn next(&mut self, time: Duration) -> Option<Finding> {
            let until = self.now + time;
            while self.now < until {
                self.now += STEP;
                let stands = self.server_stands_at.map(|at| self.begun + at);
                let server = stands.map_or(self.now, |at| at.min(self.now));
                if let Some(found) = self.vigil.tick("person", Some(server), true, self.now) {
                    return Some(found);
                }
            }
            None
        }
    }

    #[test]
    fn nobody_is_asked_while_sound_comes() {
        let mut watch = Watch::new();
        for _ in 0..600 {
            watch.vigil.heard(watch.now);
            assert_eq!(watch.next(STEP), None);
        }
    }

    #[test]
    fn who_neither_sounds_nor_answers_is_gone_after_four_questions() {
        let mut watch = Watch::new();
        for _ in 0..MISSES {
            assert!(matches!(watch.next(QUIET + ANSWER_WITHIN), Some(Finding::Ask(_))));
        }
        assert_eq!(watch.next(ANSWER_WITHIN), Some(Finding::Gone));
        assert_eq!(watch.passed(), QUIET + ANSWER_WITHIN * MISSES);
    }

    #[test]
    fn a_telephone_that_sends_nothing_is_there_as_long_as_its_side_answers() {
        let mut watch = Watch::new();
        for _ in 0..20 {
            let Some(Finding::Ask(question)) = watch.next(QUIET + STEP) else { panic!("it is asked") };
            watch.vigil.message(&ack("somebody", &id(&question)), "person", watch.now);
            watch.vigil.message(b"\xff\xff", "person", watch.now);
            assert!(watch.vigil.asked.is_some(), "these are no answers");
            watch.vigil.message(&ack("person", &id(&question)), "person", watch.now);
            assert!(watch.vigil.asked.is_none());
        }
    }

    #[test]
    fn an_answer_that_comes_late_is_one() {
        let mut watch = Watch::new();
        let mut before = None;
        for _ in 0..20 {
            let Some(Finding::Ask(question)) = watch.next(QUIET + ANSWER_WITHIN) else {
                panic!("it is asked")
            };
            if let Some(before) = before.replace(id(&question)) {
                watch.vigil.message(&ack("person", &before), "person", watch.now);
            }
        }
    }

    #[test]
    fn what_was_asked_on_former_connections_proves_nothing() {
        let mut watch = Watch::new();
        for _ in 0..20 {
            for _ in 1..MISSES {
                assert!(matches!(watch.next(QUIET + ANSWER_WITHIN), Some(Finding::Ask(_))));
            }
            watch.vigil.begin_anew(watch.now);
        }
    }

    #[test]
    fn a_server_that_stands_still_is_no_proof_that_somebody_is_gone() {
        let mut watch = Watch::new();
        watch.server_stands_at = Some(QUIET + STEP);
        let until = Duration::from_secs(60);
        while watch.passed() < until {
            assert_ne!(watch.next(STEP), Some(Finding::Gone));
        }
        watch.server_stands_at = None;
        while watch.next(STEP) != Some(Finding::Gone) {
            assert!(watch.passed() < until + ANSWER_WITHIN * (MISSES + 1), "it runs again, so it counts");
        }
    }

    #[test]
    fn where_no_message_has_a_way_nobody_is_asked_and_nobody_gone() {
        let now = Instant::now();
        let mut vigil = Vigil::default();
        for second in 0..60 {
            let later = now + Duration::from_secs(second);
            assert_eq!(vigil.tick("person", Some(later), false, later), None);
        }
    }
}
