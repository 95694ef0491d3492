//! Typed ids. On the wire an id is a prefix and 26 Crockford base-32 digits (`lead_01j…`), in
//! the database a version 7 uuid: both sort by time of creation.

use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const LENGTH: usize = 26;

/// A text that is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {expected} id: it must be `{expected}_` and 26 letters or digits")]
pub struct InvalidId {
    /// The prefix that was expected, without the underscore.
    pub expected: &'static str,
}

fn encode(value: u128) -> String {
    (0..LENGTH)
        .rev()
        .map(|place| {
            let digit = ((value >> (place * 5)) & 31) as usize;
            char::from(*DIGITS.get(digit).unwrap_or(&b'0'))
        })
        .collect()
}

fn decode(text: &str) -> Option<u128> {
    // 26 digits carry 130 bits, so the first one may only use its lower three.
    if text.len() != LENGTH || text.as_bytes().first().is_none_or(|first| *first > b'7') {
        return None;
    }
    text.bytes().try_fold(0_u128, |value, byte| {
        let digit = DIGITS.iter().position(|d| *d == byte.to_ascii_lowercase())?;
        Some((value << 5) | digit as u128)
    })
}

/// A version 7 uuid from a wall clock (Unix milliseconds) and 10 random bytes, both passed in.
#[must_use]
pub fn uuid_v7(unix_ms: u64, random: [u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid()
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The word before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, sortable by `unix_ms`.
            #[must_use]
            pub fn new(unix_ms: u64, random: [u8; 10]) -> Self {
                Self(uuid_v7(unix_ms, random))
            }

            /// Wraps the database's uuid.
            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The database's uuid.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The database's uuid as text, the form in which statements take it.
            #[must_use]
            pub fn sql(self) -> String {
                self.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), encode(self.0.as_u128()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(|value| Self(Uuid::from_u128(value)))
                    .ok_or(InvalidId { expected: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/** A tenant. */ AccountId, "acct");
id!(/** An API key (not its secret). */ ApiKeyId, "key");
id!(/** A lead. */ LeadId, "lead");
id!(/** One call: one attempt to reach a lead, or one inbound call. */ CallId, "call");
id!(/** A contact. */ ContactId, "contact");
id!(/** A phone number of an account. */ NumberId, "num");
id!(/** A webhook endpoint. */ EndpointId, "we");
id!(/** A webhook event; every delivery of it carries the same id. */ EventId, "evt");
id!(/** The delivery of one event to one endpoint. */ DeliveryId, "dlv");

/// A flow's id: chosen by its author, unique in the account (`flow_pricing_v3`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct FlowId(String);

impl FlowId {
    /// Longest id, prefix included.
    pub const MAX_LENGTH: usize = 64;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FlowId {
    type Err = InvalidFlowId;
    fn from_str(text: &str) -> Result<Self, InvalidFlowId> {
        let rest = text.strip_prefix("flow_").ok_or(InvalidFlowId)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if rest.is_empty() || text.len() > Self::MAX_LENGTH || !rest.chars().all(allowed) {
            return Err(InvalidFlowId);
        }
        Ok(Self(text.to_owned()))
    }
}

/// A text that is not a flow id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a flow id is `flow_` and up to 59 lower-case letters, digits, `_` or `-`")]
pub struct InvalidFlowId;

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for FlowId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_wire() {
        let id = LeadId::new(1_790_000_000_000, [7; 10]);
        assert_eq!(id.to_string().len(), "lead_".len() + 26);
        assert_eq!(id.to_string().parse::<LeadId>(), Ok(id));
    }

    #[test]
    fn ids_sort_by_time() {
        let early = CallId::new(1, [255; 10]).to_string();
        let late = CallId::new(2, [0; 10]).to_string();
        assert!(early < late);
    }

    #[test]
    fn one_kind_of_id_is_not_another() {
        let text = LeadId::new(1, [0; 10]).to_string();
        assert_eq!(text.parse::<CallId>(), Err(InvalidId { expected: "call" }));
    }

    #[test]
    fn an_id_beyond_128_bits_is_refused() {
        assert!("call_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<CallId>().is_err());
    }

    #[test]
    fn flow_ids_are_chosen_by_authors_within_limits() {
        assert!("flow_pricing_v3".parse::<FlowId>().is_ok());
        for bad in ["pricing", "flow_", "flow_Ä", "flow_A", &format!("flow_{}", "a".repeat(60))] {
            assert!(bad.parse::<FlowId>().is_err(), "{bad}");
        }
    }
}
