//! The words a flow may use: vendors with their usual models, languages, channels.

/// A vendor and the model that is used when a flow names none.
pub(super) struct Vendor {
    pub(super) name: &'static str,
    pub(super) model: &'static str,
}

/// Speech to text. The first is the default.
pub(super) const STT: &[Vendor] = &[
    Vendor { name: "deepgram", model: "nova-3" },
    Vendor { name: "assemblyai", model: "universal-streaming" },
    Vendor { name: "soniox", model: "stt-rt-preview" },
    Vendor { name: "cartesia", model: "ink-whisper" },
    Vendor { name: "elevenlabs", model: "scribe_v2_realtime" },
];

/// Language models.
pub(super) const LLM: &[Vendor] = &[
    Vendor { name: "openai", model: "gpt-4o-mini" },
    Vendor { name: "anthropic", model: "claude-haiku-4-5" },
    Vendor { name: "azure", model: "gpt-4o-mini" },
    Vendor { name: "google", model: "gemini-2.5-flash" },
    Vendor { name: "grok", model: "grok-4-fast-non-reasoning" },
];

/// Text to speech.
pub(super) const TTS: &[Vendor] = &[
    Vendor { name: "cartesia", model: "sonic-3" },
    Vendor { name: "elevenlabs", model: "eleven_flash_v2_5" },
];

/// Channels that an event may name for the customer's stack to act on.
pub(super) const CHANNELS: &[&str] = &["whatsapp", "sms", "email", "handoff", "crm"];

/// ISO 639-1.
const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da \
    de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik \
    io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms \
    mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm \
    sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// The ISO 639-1 code of a language tag: `tr` of `tr` and `tr-TR`.
pub(super) fn language(tag: &str) -> Option<String> {
    let code = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    LANGUAGES.split_ascii_whitespace().any(|known| known == code).then_some(code)
}

/// The English name of the languages that calls are usually held in; others are named by code.
pub(super) fn language_name(code: &str) -> &str {
    match code {
        "ar" => "Arabic",
        "de" => "German",
        "en" => "English",
        "es" => "Spanish",
        "fr" => "French",
        "it" => "Italian",
        "nl" => "Dutch",
        "pl" => "Polish",
        "pt" => "Portuguese",
        "ru" => "Russian",
        "tr" => "Turkish",
        other => other,
    }
}
