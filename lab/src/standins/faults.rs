//! Vendors that misbehave on order.

use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};

/// Which stand-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// Speech to text; a unit is a connection.
    #[serde(alias = "stt")]
    Deepgram,
    /// The model; a unit is a request.
    #[serde(alias = "llm")]
    Openai,
    /// Text to speech; a unit is an utterance (a context).
    #[serde(alias = "tts")]
    Cartesia,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FaultKind {
    /// The connection breaks after the first piece of the answer.
    #[serde(rename = "drop")]
    Drop,
    /// Nothing comes, for ever.
    #[serde(rename = "stall")]
    Stall,
    /// A message that makes no sense precedes the answer.
    #[serde(rename = "garbage")]
    Garbage,
    /// Too many requests.
    #[serde(rename = "429")]
    TooManyRequests,
    /// An internal error.
    #[serde(rename = "500")]
    InternalError,
    /// The answer is late by [`Fault::delay_ms`].
    #[serde(rename = "delay_ms")]
    Delay,
}

/// An order to misbehave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Who.
    pub provider: Vendor,
    /// How.
    pub kind: FaultKind,
    /// Units served well before the first fault.
    #[serde(default)]
    pub after: u32,
    /// Units spoilt after that.
    #[serde(default = "one")]
    pub count: u32,
    /// For [`FaultKind::Delay`].
    #[serde(default)]
    pub delay_ms: u64,
}

const fn one() -> u32 {
    1
}

/// The orders in force.
#[derive(Debug, Default)]
pub struct Faults {
    orders: Mutex<Vec<Fault>>,
}

impl Faults {
    /// Forgets all orders and takes these.
    pub fn replace(&self, orders: Vec<Fault>) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = orders;
    }

    /// A vendor begins a unit; returns the fault that spoils it. Of several orders for one vendor
    /// the first that is due counts, and all of them see the unit pass.
    pub(super) fn strike(&self, vendor: Vendor) -> Option<Fault> {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut struck = None;
        for order in orders.iter_mut().filter(|order| order.provider == vendor) {
            if order.after > 0 {
                order.after -= 1;
            } else if struck.is_none() && order.count > 0 {
                order.count -= 1;
                struck = Some(order.clone());
            }
        }
        struck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_strikes_and_is_over() {
        let faults = Faults::default();
        let order = r#"{"provider":"llm","kind":"429","after":1,"count":2}"#;
        faults.replace(vec![serde_json::from_str(order).unwrap()]);
        assert_eq!(faults.strike(Vendor::Cartesia), None);
        let struck: Vec<bool> = (0..5).map(|_| faults.strike(Vendor::Openai).is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
    }

    #[test]
    fn an_order_with_a_misspelt_field_is_refused() {
        assert!(serde_json::from_str::<Fault>(r#"{"provider":"tts","kind":"drop","cuont":1}"#).is_err());
    }
}
