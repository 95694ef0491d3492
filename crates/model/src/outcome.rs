use crate::Personal;

crate::string_enum! {
    /// What a call came to, as its webhook says it (`outcome.booked` …).
    pub enum Outcome as "outcome" {
        /// A slot is held in a calendar.
        Booked = "booked",
        /// Qualified for a callback or a hand-off.
        Qualified = "qualified",
        /// Disqualified, or opted out.
        NotFit = "not_fit",
        /// The number is not this person's: never dialled again for this lead.
        WrongNumber = "wrong_number",
        /// Nobody was reached, voicemail and busy lines included.
        NoAnswer = "no_answer",
    }
}

impl Outcome {
    /// Whether the lead is qualified: a booking implies it.
    #[must_use]
    pub const fn is_qualified(self) -> bool {
        matches!(self, Self::Booked | Self::Qualified)
    }
}

/// A slot held in a calendar.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Booking {
    /// The agreed time, RFC 3339.
    pub slot: String,
    /// Whose calendar.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<String>,
    /// What the owner should know.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub notes: Option<Personal<String>>,
}
