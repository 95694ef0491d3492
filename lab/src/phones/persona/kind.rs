//! The personas by name.

use serde::{Deserialize, Serialize};

/// Who is behind a phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PersonaKind {
    /// Answers every question and agrees to the proposed time.
    #[default]
    Books,
    /// Answers every question and wants to be called back.
    Qualifies,
    /// Is not interested.
    Declines,
    /// Is somebody else.
    WrongNumber,
    /// The line is busy.
    Busy,
    /// Rings for ever.
    NoAnswer,
    /// A greeting, a beep, and silence.
    Voicemail,
    /// A service asks who is calling, then connects somebody who books.
    Screening,
    /// Talks over the agent's second sentence once, then books.
    Interrupts,
    /// Says mm-hmm while the agent speaks, and books.
    Backchannels,
    /// Says nothing, ever.
    Silent,
    /// Never wants to be called again.
    SaysStop,
    /// Hangs up in the middle of a sentence of the agent.
    HangsUp,
    /// Presses keys after the agent's first turn, then books.
    Dtmf,
}

impl PersonaKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Books,
        Self::Qualifies,
        Self::Declines,
        Self::WrongNumber,
        Self::Busy,
        Self::NoAnswer,
        Self::Voicemail,
        Self::Screening,
        Self::Interrupts,
        Self::Backchannels,
        Self::Silent,
        Self::SaysStop,
        Self::HangsUp,
        Self::Dtmf,
    ];
}
