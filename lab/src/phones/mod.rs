//! Virtual phones and the carrier in front of them.
//!
//! One SIP socket stands for a trunk: whatever number is dialled through it rings a phone, behind
//! which a persona listens to the decoded speech and answers in kind, over real RTP. The same
//! socket places calls into the product.
//!
//! * [`persona`] is sans-IO: words and ticks in, things to say and do out.
//! * [`line`] is one phone's RTP: G.711, telephone-events, ordered loss and jitter.
//! * [`carrier`] is SIP: challenge, ring, answer, hang up.
//! * [`log`] keeps what every phone went through.
//!
//! To add a persona: a kind, and its lines in [`persona`].

mod call;
mod carrier;
mod ear;
mod incoming;
mod line;
mod log;
mod mouth;
mod outgoing;
mod persona;

pub use carrier::{Carrier, CarrierError, CarrierOptions, Trunk};
pub use log::{CallLog, CallRecord, HeardWord, Result as CallResult, SaidText, Side};
pub use outgoing::Placement;
pub use persona::{Act, Line as LineState, Persona, PersonaKind};

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How a phone behaves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phone {
    /// Who answers.
    #[serde(default)]
    pub persona: PersonaKind,
    /// Share of packets lost, each way, 0 to 1.
    #[serde(default)]
    pub loss: f64,
    /// Packets to the product are late by up to so many milliseconds.
    #[serde(default)]
    pub jitter_ms: u64,
    /// Ringing lasts so many milliseconds; `None` is the lab's default.
    #[serde(default)]
    pub ring_ms: Option<u64>,
}

impl Phone {
    /// A phone with a persona and a clean line.
    #[must_use]
    pub const fn with(persona: PersonaKind) -> Self {
        Self { persona, loss: 0.0, jitter_ms: 0, ring_ms: None }
    }
}

/// Which phone rings at which number. A number that nobody configured has the default persona.
#[derive(Debug, Default)]
pub struct PhoneBook {
    phones: Mutex<BTreeMap<String, Phone>>,
}

impl PhoneBook {
    /// Puts a phone behind a number; with or without `+` is the same number.
    pub fn put(&self, number: &str, phone: Phone) {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner).insert(digits(number), phone);
    }

    /// The phone behind a number.
    #[must_use]
    pub fn at(&self, number: &str) -> Phone {
        let phones = self.phones.lock().unwrap_or_else(PoisonError::into_inner);
        phones.get(&digits(number)).copied().unwrap_or(Phone::with(PersonaKind::default()))
    }
}

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_with_and_without_plus() {
        let book = PhoneBook::default();
        book.put("+90 532 000 4218", Phone::with(PersonaKind::Busy));
        assert_eq!(book.at("905320004218").persona, PersonaKind::Busy);
        assert_eq!(book.at("+15550100").persona, PersonaKind::Books);
    }
}
