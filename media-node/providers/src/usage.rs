//! What a call consumed, in the units that vendors bill.

/// Tokens of one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenUsage {
    /// Tokens of the question.
    pub prompt: u64,
    /// Tokens of the answer.
    pub completion: u64,
}

/// What a whole call consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Audio given to the recogniser, milliseconds, replays included.
    pub stt_ms: u64,
    /// Tokens of the model; answers that were cancelled before the vendor counted are missing.
    pub tokens: TokenUsage,
    /// Requests to the model, speculative and cancelled ones included.
    pub llm_requests: u64,
    /// Characters given to the voice.
    pub tts_characters: u64,
}

impl Usage {
    /// Counts `samples` of audio at `sample_rate` given to the recogniser.
    pub const fn add_audio(&mut self, samples: u64, sample_rate: u32) {
        if sample_rate > 0 {
            self.stt_ms += samples * 1_000 / sample_rate as u64;
        }
    }

    /// Counts the tokens of one answer.
    pub const fn add_tokens(&mut self, tokens: TokenUsage) {
        self.tokens.prompt += tokens.prompt;
        self.tokens.completion += tokens.completion;
    }

    /// Counts text given to the voice.
    pub fn add_text(&mut self, text: &str) {
        self.tts_characters += text.chars().count() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_adds_up_in_the_units_of_the_bill() {
        let mut usage = Usage::default();
        usage.add_audio(160, 8_000);
        usage.add_audio(960, 48_000);
        usage.add_tokens(TokenUsage { prompt: 5, completion: 2 });
        usage.add_text("Günaydın");
        assert_eq!(usage.stt_ms, 40);
        assert_eq!(usage.tokens.prompt, 5);
        assert_eq!(usage.tts_characters, 8);
    }
}
