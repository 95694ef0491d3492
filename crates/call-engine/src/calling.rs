//! The leg: from dialling or answering to its end.

use crate::ending::{Cause, Close, unreached};
use crate::engine::Engine;
use crate::io::{Command, Ending, Event, LegEnd, Output, Time};
use talkif_model::{CallStatus, Direction};

/// Where the leg is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leg {
    /// Nothing has happened.
    New,
    /// Dialled or being answered.
    Connecting { give_up_at: Time, rings: bool },
    /// The conversation is on.
    Talking { until: Time },
    /// Told to hang up.
    HangingUp { give_up_at: Time, cause: Cause, answered: bool },
    /// The call is over.
    Over,
}

impl Leg {
    pub(crate) fn is_talking(&self) -> bool {
        matches!(self, Self::Talking { .. })
    }
}

impl Engine {
    pub(crate) fn start(&mut self) {
        if self.leg == Leg::New {
            let ring_ms = u64::from(self.config.flow.call.max_ring_s) * 1_000;
            self.leg = Leg::Connecting { give_up_at: self.now.plus_ms(ring_ms), rings: false };
            self.push(Output::Connect);
            self.emit(Event::Status { status: CallStatus::Initiated });
        }
    }

    pub(crate) fn leg_ringing(&mut self) {
        if let Leg::Connecting { rings: rings @ false, .. } = &mut self.leg {
            *rings = true;
            self.emit(Event::Status { status: CallStatus::Ringing });
        }
    }

    pub(crate) fn leg_answered(&mut self) {
        if matches!(self.leg, Leg::Connecting { .. }) {
            let length_ms = u64::from(self.config.flow.call.max_duration_s) * 1_000;
            self.leg = Leg::Talking { until: self.now.plus_ms(length_ms) };
            self.turns.call_answered(self.now);
            self.emit(Event::Status { status: CallStatus::InProgress });
            self.emit(Event::Node { node: self.position.node.clone() });
            self.open_conversation();
        }
    }

    pub(crate) fn command(&mut self, command: Command) {
        match command {
            Command::HangUp { reason } => self.hang_up(Cause::Command(reason)),
            Command::Say { text } => self.say_first(&text),
        }
    }

    /// Cancels or hangs up. The first cause counts.
    pub(crate) fn hang_up(&mut self, cause: Cause) {
        let answered = self.leg.is_talking();
        match self.leg {
            Leg::New => self.finish(unreached(Close::by_engine(cause, false), None)),
            Leg::Connecting { .. } | Leg::Talking { .. } => {
                self.fall_silent();
                let give_up_at = self.now.plus_ms(self.config.tuning.hang_up_ms);
                self.leg = Leg::HangingUp { give_up_at, cause, answered };
                self.push(Output::HangUp);
            }
            Leg::HangingUp { .. } | Leg::Over => {}
        }
    }

    pub(crate) fn leg_ended(&mut self, how: &LegEnd) {
        match self.leg {
            Leg::New | Leg::Connecting { .. } => {
                self.finish(unreached(Close::unanswered(how, self.config.direction), Some(how)));
            }
            Leg::Talking { .. } => {
                self.fall_silent();
                let cause = self.closing.take().map(|closing| closing.cause);
                let close = cause.map_or_else(|| Close::answered(how), |cause| Close::by_engine(cause, true));
                self.finish_conversation(close);
            }
            Leg::HangingUp { .. } => self.finish_hanging_up(),
            Leg::Over => {}
        }
    }

    /// The leg has confirmed that it is gone, or never will.
    pub(crate) fn finish_hanging_up(&mut self) {
        let Leg::HangingUp { cause, answered, .. } = &self.leg else { return };
        let close = Close::by_engine(cause.clone(), *answered);
        if *answered {
            self.finish_conversation(close);
        } else {
            self.finish(unreached(close, None));
        }
    }

    fn finish_conversation(&mut self, close: Close) {
        let slots = std::mem::take(&mut self.position.slots);
        let ending = std::mem::take(&mut self.verdict).ending(close, slots);
        self.finish(ending);
    }

    fn finish(&mut self, ending: Ending) {
        self.push(Output::Ended(ending));
        self.leg = Leg::Over;
    }

    pub(crate) fn is_outbound(&self) -> bool {
        self.config.direction == Direction::Outbound
    }
}
