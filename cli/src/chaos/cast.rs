//! Who is called, who must not be, and when their leads come in. Pure.

use super::random::Random;
use crate::demo::Persona;

/// What a lead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// May be called.
    Callable,
    /// Did not consent: refused.
    NoConsent,
    /// On the do-not-call list: refused.
    Listed,
    /// May be called later: accepted, held, and canceled in the end.
    Quiet,
    /// As [`Kind::Quiet`], and put on the do-not-call list while it is held: ended by the gate.
    ListedWhileHeld,
}

impl Kind {
    /// Whether the API takes the lead.
    pub(super) const fn is_accepted(self) -> bool {
        matches!(self, Self::Callable | Self::Quiet | Self::ListedWhileHeld)
    }

    /// Whether the phone may ring.
    pub(super) const fn may_ring(self) -> bool {
        matches!(self, Self::Callable)
    }
}

/// Which part of the run a lead belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wave {
    /// While nodes are restarted in good order.
    Rolling,
    /// Under way when Postgres goes.
    Talking,
    /// While Postgres is away.
    Knocking,
    /// While everything breaks.
    Chaos,
    /// When everything runs again.
    Afterwards,
}

/// A lead to be posted.
#[derive(Debug, Clone)]
pub(super) struct Role {
    /// Since the beginning of its wave.
    pub(super) at_ms: u64,
    pub(super) number: String,
    pub(super) persona: Persona,
    pub(super) kind: Kind,
    pub(super) wave: Wave,
    /// The customer's answer got lost: the same request again.
    pub(super) repeats: bool,
}

/// Short calls mostly: many ends and beginnings are where things go wrong.
const PERSONAS: [Persona; 12] = [
    Persona::HangsUp,
    Persona::Declines,
    Persona::Busy,
    Persona::HangsUp,
    Persona::WrongNumber,
    Persona::NoAnswer,
    Persona::Declines,
    Persona::SaysStop,
    Persona::Busy,
    Persona::Books,
    Persona::Voicemail,
    Persona::Qualifies,
];

/// Long calls, for what should meet them in the middle.
const TALKATIVE: [Persona; 3] = [Persona::Books, Persona::Interrupts, Persona::Qualifies];
/// Short conversations that come to their end.
const BRIEF: [Persona; 2] = [Persona::Declines, Persona::WrongNumber];

impl Wave {
    const fn personas(self) -> &'static [Persona] {
        match self {
            Self::Rolling | Self::Chaos => &PERSONAS,
            Self::Talking => &TALKATIVE,
            Self::Knocking | Self::Afterwards => &BRIEF,
        }
    }
}

/// Roles for all of `numbers`, spread over `window_ms`; one in eight must not be called.
pub(super) fn cast(seed: u64, wave: Wave, numbers: &[String], window_ms: u64) -> Vec<Role> {
    let mut random = Random::new(seed ^ 0x7ead);
    let kinds = [Kind::NoConsent, Kind::Listed, Kind::Quiet, Kind::ListedWhileHeld];
    let role = |(index, number): (usize, &String)| Role {
        at_ms: random.between(0, window_ms),
        number: number.clone(),
        persona: wave.personas()[index % wave.personas().len()],
        kind: match (wave, index % 8) {
            (Wave::Chaos, 7) => kinds[index / 8 % kinds.len()],
            _ => Kind::Callable,
        },
        wave,
        repeats: random.one_in(4),
    };
    numbers.iter().enumerate().map(role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forty() -> Vec<Role> {
        let numbers: Vec<String> = (0..40).map(|n| format!("+9053200000{n:02}")).collect();
        cast(1, Wave::Chaos, &numbers, 30_000)
    }

    #[test]
    fn every_number_has_one_role_and_every_kind_occurs() {
        let roles = forty();
        assert_eq!(roles.len(), 40);
        for kind in [Kind::NoConsent, Kind::Listed, Kind::Quiet, Kind::ListedWhileHeld, Kind::Callable] {
            assert!(roles.iter().any(|role| role.kind == kind), "{kind:?}");
        }
        assert!(roles.iter().all(|role| role.at_ms <= 30_000));
        assert!(roles.iter().any(|role| role.repeats));
    }

    #[test]
    fn in_all_other_waves_everybody_may_be_called() {
        let numbers = vec!["+905320000001".to_owned(); 16];
        for wave in [Wave::Rolling, Wave::Talking, Wave::Knocking, Wave::Afterwards] {
            assert!(cast(1, wave, &numbers, 1_000).iter().all(|role| role.kind == Kind::Callable));
        }
    }
}
