//! What a person means, by the phrases they use.

/// The meaning of an utterance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A machine that takes messages.
    Voicemail,
    /// An assistant that asks who is calling.
    Screening,
    /// Never call again.
    OptOut,
    /// Somebody else's number.
    WrongNumber,
    /// Not interested.
    Refusal,
    /// Call me later.
    Callback,
    /// Hello, and no more.
    Greeting,
    /// Mm-hmm.
    Backchannel,
    /// Yes, and no more.
    Agreement,
    /// No, and little more.
    Disagreement,
    /// A question.
    Question,
    /// Nothing that could be made out.
    Unclear,
    /// Anything else: an answer.
    Statement,
}

/// Phrases of each meaning, the weightiest meaning first: a machine that says "call again" is
/// still a machine.
const PHRASES: [(Meaning, &[&str]); 6] = [
    (
        Meaning::Voicemail,
        &[
            "leave a message",
            "leave your message",
            "after the tone",
            "after the beep",
            "voicemail",
            "sinyal sesinden sonra",
            "mesaj bırak",
        ],
    ),
    (
        Meaning::Screening,
        &[
            "who is calling",
            "who's calling",
            "state your name",
            "say your name",
            "reason for calling",
            "reason for your call",
            "kim arıyor",
        ],
    ),
    (
        Meaning::OptOut,
        &[
            "stop calling",
            "remove me",
            "take me off",
            "don't call me again",
            "do not call me again",
            "don't call again",
            "never call",
            "beni aramayın",
            "bir daha arama",
            "listeden çıkar",
        ],
    ),
    (
        Meaning::WrongNumber,
        &[
            "wrong number",
            "nobody by that name",
            "no one by that name",
            "nobody here by that name",
            "yanlış numara",
        ],
    ),
    (
        Meaning::Refusal,
        &["not interested", "no interest", "no thank you", "no thanks", "ilgilenmiyorum", "istemiyorum"],
    ),
    (
        Meaning::Callback,
        &[
            "call me back",
            "call back later",
            "call me later",
            "call me another time",
            "sonra arayın",
            "sonra ara",
        ],
    ),
];

const GREETINGS: [&str; 8] =
    ["hello", "hi", "hey", "hello there", "good morning", "alo", "merhaba", "efendim"];
const BACKCHANNELS: [&str; 10] = ["mm-hmm", "mhm", "uh-huh", "hm", "hmm", "uh", "um", "right", "hı-hı", "hı"];
const YES: [&str; 16] = [
    "yes",
    "yeah",
    "yep",
    "sure",
    "okay",
    "ok",
    "fine",
    "great",
    "perfect",
    "absolutely",
    "works",
    "evet",
    "olur",
    "tamam",
    "tabii",
    "uygun",
];
const NO: [&str; 6] = ["no", "nope", "cannot", "can't", "hayır", "olmaz"];
const QUESTION_WORDS: [&str; 9] = ["what", "who", "how", "why", "where", "when", "which", "ne", "neden"];

pub(super) fn understand(text: &str) -> Meaning {
    let text = text.to_lowercase();
    let named = PHRASES.iter().find(|(_, phrases)| phrases.iter().any(|phrase| text.contains(phrase)));
    if let Some((meaning, _)) = named {
        return *meaning;
    }
    let words: Vec<&str> = text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect();
    let is = |list: &[&str], word: &&str| list.contains(word);
    let all = |list: &[&str]| words.iter().all(|word| is(list, word));
    match words.first() {
        None => Meaning::Unclear,
        Some(_) if GREETINGS.contains(&words.join(" ").as_str()) || all(&GREETINGS) => Meaning::Greeting,
        Some(_) if all(&BACKCHANNELS) => Meaning::Backchannel,
        Some(first) if text.trim_end().ends_with('?') && (words.len() > 1 || is(&QUESTION_WORDS, first)) => {
            Meaning::Question
        }
        Some(first) if is(&NO, first) => Meaning::Disagreement,
        Some(_) if words.len() <= 6 && words.iter().any(|word| is(&YES, word)) => Meaning::Agreement,
        Some(_) => Meaning::Statement,
    }
}

fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}
