//! How a lost way to the server is found again: a machine without IO.
//!
//! Two things can be lost independently. Without the signalling socket, the audio flows on, and
//! resuming it can take its time. Without audio, there is no conversation. So signalling is
//! resumed with patience as long as the server is heard of, and soon given up when it is not.

use livekit_protocol::ReconnectReason;
use std::time::{Duration, Instant};

/// Both connections are up within 0.3 s, at the latest after a lost packet or two.
const SETTLING: Duration = Duration::from_secs(8);
/// The server sends something every two seconds on each connection.
const STALLED: Duration = Duration::from_secs(5);
/// A conversation without any sound for so long is none.
const DEAD: Duration = Duration::from_secs(12);
/// Without signalling, hang-ups of the far end go unnoticed.
const DEAF: Duration = Duration::from_secs(60);
/// Pauses before the first, second … attempt in a row.
const PAUSES_MS: [u64; 6] = [0, 200, 500, 1_000, 2_000, 4_000];

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Open the socket again for the same session. With a reason that names a connection, look
    /// for a new path, too.
    Resume(ReconnectReason),
    /// The resumed session is whole again.
    Confirm,
    /// Enter the room anew.
    Rejoin,
    /// The leg is lost.
    GiveUp,
}

/// Why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server does not answer, or not now.
    Unreachable,
    /// The server does not know our session any more.
    Unknown,
}

/// How the connections are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    /// Both are up.
    pub(super) connected: bool,
    /// When the server was last heard of on both.
    pub(super) heard: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Resume(ReconnectReason),
    Rejoin,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// All is well.
    Whole,
    /// Signalling is there; the connections come up.
    Settling {
        confirm: bool,
        until: Instant,
    },
    Pausing {
        then: Attempt,
        until: Instant,
    },
    Trying(Attempt),
}

/// The way to the server.
#[derive(Debug)]
pub(super) struct Recovery {
    state: State,
    /// Since when it is not whole.
    since: Instant,
    failures: usize,
    given_up: bool,
}

impl Recovery {
    /// The room was just entered.
    pub(super) fn new(now: Instant) -> Self {
        let state = State::Settling { confirm: false, until: now + SETTLING };
        Self { state, since: now, failures: 0, given_up: false }
    }

    /// Whether signalling is there, so that sent messages arrive.
    pub(super) const fn has_signalling(&self) -> bool {
        matches!(self.state, State::Whole | State::Settling { .. })
    }

    /// Whether the room is being entered anew, or soon will be.
    pub(super) const fn is_rejoining(&self) -> bool {
        matches!(self.state, State::Trying(Attempt::Rejoin) | State::Pausing { then: Attempt::Rejoin, .. })
    }

    /// The socket was lost.
    pub(super) fn socket_lost(&mut self, now: Instant) {
        if self.has_signalling() {
            self.pause(Attempt::Resume(ReconnectReason::RrSignalDisconnected), now);
        }
    }

    /// The server asks us to resume, because a connection failed.
    pub(super) fn asked_to_resume(&mut self, now: Instant) {
        if self.has_signalling() {
            self.pause(Attempt::Resume(ReconnectReason::RrSubscriberFailed), now);
        }
    }

    /// The server asks us to enter anew.
    pub(super) fn asked_to_rejoin(&mut self, now: Instant) {
        if self.has_signalling() {
            self.pause(Attempt::Rejoin, now);
        }
    }

    /// A connection is beyond repair. The server may have closed it because the call is over: then
    /// that news is on its way, and comes before anything is tried.
    pub(super) fn broken(&mut self, now: Instant) {
        self.failures = self.failures.max(2);
        self.asked_to_rejoin(now);
    }

    /// An attempt came to its end.
    pub(super) fn attempted(&mut self, result: Result<(), Refusal>, now: Instant) {
        let State::Trying(attempt) = self.state else { return };
        match result {
            Ok(()) => {
                let confirm = matches!(attempt, Attempt::Resume(_));
                self.state = State::Settling { confirm, until: now + SETTLING };
            }
            Err(Refusal::Unknown) => self.pause(Attempt::Rejoin, now),
            Err(Refusal::Unreachable) => self.pause(attempt, now),
        }
    }

    /// When [`Self::tick`] is due.
    pub(super) fn deadline(&self, path: Path) -> Option<Instant> {
        if self.given_up {
            return None;
        }
        let stalled = path.heard.map(|heard| heard + STALLED);
        match self.state {
            State::Whole => stalled,
            State::Settling { until, .. } | State::Pausing { until, .. } => Some(until.min(self.limit(path))),
            State::Trying(_) => Some(self.limit(path)),
        }
    }

    /// Lets time pass. Called often; returns what is due now.
    pub(super) fn tick(&mut self, path: Path, now: Instant) -> Option<Remedy> {
        if self.given_up {
            return None;
        }
        let whole = matches!(self.state, State::Whole);
        if !whole && now >= self.limit(path) {
            self.given_up = true;
            return Some(Remedy::GiveUp);
        }
        match self.state {
            State::Whole => {
                let is_stalled = path.heard.is_some_and(|heard| now >= heard + STALLED);
                is_stalled.then(|| self.start(Attempt::Resume(ReconnectReason::RrSubscriberFailed), now))
            }
            State::Settling { confirm, .. } if path.connected && Self::is_fresh(path, now) => {
                (self.state, self.failures) = (State::Whole, 0);
                confirm.then_some(Remedy::Confirm)
            }
            State::Settling { until, .. } if now >= until => {
                self.pause(Attempt::Rejoin, now);
                None
            }
            State::Pausing { then, until } if now >= until => Some(self.start(then, now)),
            State::Settling { .. } | State::Pausing { .. } | State::Trying(_) => None,
        }
    }

    fn is_fresh(path: Path, now: Instant) -> bool {
        path.heard.is_some_and(|heard| now < heard + STALLED)
    }

    fn pause(&mut self, then: Attempt, now: Instant) {
        if matches!(self.state, State::Whole) {
            self.since = now;
        }
        let last = PAUSES_MS.len() - 1;
        let pause = Duration::from_millis(PAUSES_MS[self.failures.min(last)]);
        self.failures += 1;
        self.state = State::Pausing { then, until: now + pause };
    }

    fn start(&mut self, attempt: Attempt, now: Instant) -> Remedy {
        if matches!(self.state, State::Whole) {
            self.since = now;
            self.failures += 1;
        }
        self.state = State::Trying(attempt);
        match attempt {
            Attempt::Resume(reason) => Remedy::Resume(reason),
            Attempt::Rejoin => Remedy::Rejoin,
        }
    }

    /// Until when it makes sense to go on: long while the server is heard of, short otherwise.
    fn limit(&self, path: Path) -> Instant {
        (path.heard.unwrap_or(self.since) + DEAD).min(self.since + DEAF)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNAL: Remedy = Remedy::Resume(ReconnectReason::RrSignalDisconnected);
    const PATH: Remedy = Remedy::Resume(ReconnectReason::RrSubscriberFailed);

    /// A way to a server, with its own clock.
    struct Way {
        recovery: Recovery,
        start: Instant,
        now: Instant,
        heard: Option<Instant>,
        connected: bool,
    }

    impl Way {
        fn entered() -> Self {
            let start = Instant::now() + Duration::from_secs(100);
            Self { recovery: Recovery::new(start), start, now: start, heard: None, connected: false }
        }

        fn whole() -> Self {
            let mut way = Self::entered();
            (way.connected, way.heard) = (true, Some(way.now));
            assert_eq!(way.tick(), None);
            assert!(matches!(way.recovery.state, State::Whole));
            way
        }

        fn tick(&mut self) -> Option<Remedy> {
            let path = Path { connected: self.connected, heard: self.heard };
            self.recovery.tick(path, self.now)
        }

        /// Lets `ms` pass in steps of 100 ms, in which the server is `heard` or not; notes what is
        /// due and when. Attempts are answered with `result`, at once.
        fn pass(&mut self, ms: u64, heard: bool, result: Option<Result<(), Refusal>>) -> Vec<(u64, Remedy)> {
            let mut due = Vec::new();
            for _ in 0..ms / 100 {
                self.now += Duration::from_millis(100);
                if heard {
                    self.heard = Some(self.now);
                }
                if let Some(remedy) = self.tick() {
                    due.push(((self.now - self.start).as_millis() as u64, remedy));
                    if let (Some(result), Remedy::Resume(_) | Remedy::Rejoin) = (result, remedy) {
                        self.recovery.attempted(result, self.now);
                    }
                }
            }
            due
        }
    }

    #[test]
    fn a_lost_socket_is_resumed_at_once_and_confirmed_when_both_connections_are_up() {
        let mut way = Way::whole();
        way.recovery.socket_lost(way.now);
        assert!(!way.recovery.has_signalling());
        assert_eq!(way.pass(300, true, Some(Ok(()))), [(100, SIGNAL), (200, Remedy::Confirm)]);
        assert!(way.recovery.has_signalling());
        assert_eq!(way.pass(5_000, true, None), []);
    }

    #[test]
    fn attempts_are_made_at_growing_intervals_for_a_minute_while_audio_flows() {
        let mut way = Way::whole();
        way.recovery.socket_lost(way.now);
        let due = way.pass(70_000, true, Some(Err(Refusal::Unreachable)));
        let times: Vec<u64> = due.iter().map(|(at, _)| *at).collect();
        assert_eq!(times[..6], [100, 300, 800, 1_800, 3_800, 7_800]);
        assert_eq!(due.last(), Some(&(60_000, Remedy::GiveUp)));
        assert!(due[..due.len() - 1].iter().all(|(_, remedy)| *remedy == SIGNAL));
    }

    #[test]
    fn a_server_that_is_gone_altogether_is_given_up_after_twelve_seconds() {
        let mut way = Way::whole();
        way.recovery.socket_lost(way.now);
        let due = way.pass(30_000, false, Some(Err(Refusal::Unreachable)));
        assert_eq!(due.last(), Some(&(12_000, Remedy::GiveUp)));
    }

    #[test]
    fn a_stalled_path_is_looked_for_anew_and_given_up_if_there_is_none() {
        let mut way = Way::whole();
        assert_eq!(way.pass(5_000, false, Some(Ok(()))), [(5_000, PATH)]);
        assert_eq!(way.pass(100, true, None), [(5_100, Remedy::Confirm)]);
        let mut way = Way::whole();
        let due = way.pass(30_000, false, Some(Ok(())));
        assert_eq!(due, [(5_000, PATH), (12_000, Remedy::GiveUp)]);
    }

    #[test]
    fn a_session_that_the_server_has_forgotten_is_entered_anew() {
        let mut way = Way::whole();
        way.recovery.socket_lost(way.now);
        assert_eq!(way.pass(100, true, None), [(100, SIGNAL)]);
        way.recovery.attempted(Err(Refusal::Unknown), way.now);
        way.connected = false;
        assert_eq!(way.pass(400, true, Some(Ok(()))), [(300, Remedy::Rejoin)]);
        way.connected = true;
        assert_eq!(way.pass(10_000, true, None), [], "a new session needs no confirmation");
        assert!(matches!(way.recovery.state, State::Whole));
    }

    #[test]
    fn a_first_entry_whose_connections_never_come_up_is_tried_again_and_given_up() {
        let mut way = Way::entered();
        let due = way.pass(30_000, false, Some(Ok(())));
        assert_eq!(due, [(8_100, Remedy::Rejoin), (12_000, Remedy::GiveUp)]);
    }

    #[test]
    fn what_the_server_asks_for_is_done() {
        let mut way = Way::whole();
        way.recovery.asked_to_resume(way.now);
        assert_eq!(way.pass(100, true, None), [(100, PATH)]);
        let mut way = Way::whole();
        way.recovery.asked_to_rejoin(way.now);
        assert_eq!(way.pass(100, true, None), [(100, Remedy::Rejoin)]);
        let mut way = Way::whole();
        way.recovery.broken(way.now);
        assert_eq!(way.pass(1_000, true, None), [(500, Remedy::Rejoin)]);
    }

    #[test]
    fn the_deadline_is_never_later_than_what_is_due() {
        let mut way = Way::whole();
        let path = |way: &Way| Path { connected: true, heard: way.heard };
        assert_eq!(way.recovery.deadline(path(&way)), Some(way.now + STALLED));
        way.recovery.socket_lost(way.now);
        assert_eq!(way.recovery.deadline(path(&way)), Some(way.now));
    }
}
