//! What personas say.

use super::PersonaKind;
use crate::turkish::is_turkish;

pub(super) const FIRST_WORD: &str = "Hello?";
pub(super) const VOICEMAIL: &str = "Hi, you have reached Ece. I cannot take your call right now. \
    Please leave a message after the beep.";
pub(super) const SCREENING: &str = "Hi, the person you are calling is using a screening service. \
    Please state your name and the reason for calling.";
pub(super) const CONNECTING: &str = "Thank you, one moment.";
pub(super) const INTERRUPTION: &str = "Sorry, how long will this take?";
pub(super) const BACKCHANNELS: [&str; 2] = ["yeah", "mm-hmm"];
pub(super) const KEYS: &str = "12#";

/// An answer to a turn of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Say(&'static str),
    Goodbye(&'static str),
    Nothing,
}

/// What a question is about, by words in it: the first entry that matches counts. English and
/// Turkish.
const ANSWERS: [(&[&str], &str, &str); 9] = [
    (&["budget", "afford", "bütçe"], "About twelve thousand euros.", "Yaklaşık on iki bin avro."),
    (&["e-mail", "email", "e-posta"], "ece@example.com", "ece@example.com"),
    (
        &["tomorrow", "15:30", "book", "appointment", "yarın", "randevu"],
        "Yes, that works for me.",
        "Evet, olur.",
    ),
    (
        &["located", "where", "city", "location", "hangi şehir", "nerede"],
        "I live in Istanbul.",
        "İstanbul'da yaşıyorum.",
    ),
    (
        &["start", "when", "timing", "ne zaman"],
        "I want to start this fall.",
        "Bu sonbaharda başlamak istiyorum.",
    ),
    (&["your name", "adınız"], "My name is Ece Yilmaz.", "Benim adım Ece Yılmaz."),
    (
        &["looking for", "need", "interested in", "help you", "ihtiyac"],
        "I am looking for a master's program in data science.",
        "Veri bilimi üzerine bir yüksek lisans programı arıyorum.",
    ),
    (&["still there", "orada mısınız"], "Yes, I am here.", "Evet, buradayım."),
    (&["moment", "minute", "talk", "speak", "uygun mu", "vaktiniz"], "Yes, sure.", "Evet, buyurun."),
];

const GOODBYES: [&str; 4] = ["goodbye", "bye", "hoşça kal", "good day"];
/// What the agent says when it proposes a time.
const PROPOSALS: [&str; 4] = ["tomorrow", "15:30", "appointment", "yarın"];

/// What this kind of person says when the agent has finished a turn.
pub(super) fn reply(kind: PersonaKind, turn: &str) -> Reply {
    let turkish = is_turkish(turn);
    let choose = |english, turkish_text| if turkish { turkish_text } else { english };
    let turn = turn.to_lowercase();
    let mentions = |words: &[&str]| words.iter().any(|word| turn.contains(word));
    if mentions(&GOODBYES) {
        return Reply::Goodbye(choose("Goodbye!", "Hoşça kalın!"));
    }
    match kind {
        PersonaKind::Silent | PersonaKind::Busy | PersonaKind::NoAnswer | PersonaKind::Voicemail => {
            Reply::Nothing
        }
        PersonaKind::Declines => {
            Reply::Say(choose("No thank you, I am not interested.", "Hayır, ilgilenmiyorum."))
        }
        PersonaKind::WrongNumber => {
            Reply::Say(choose("Sorry, you have the wrong number.", "Üzgünüm, yanlış numara."))
        }
        PersonaKind::SaysStop => Reply::Say(choose("Please stop calling me.", "Lütfen beni aramayın.")),
        PersonaKind::Qualifies if mentions(&PROPOSALS) => {
            Reply::Say(choose("No, please call me back another day.", "Hayır, lütfen sonra arayın."))
        }
        PersonaKind::Books
        | PersonaKind::Qualifies
        | PersonaKind::Screening
        | PersonaKind::Interrupts
        | PersonaKind::Backchannels
        | PersonaKind::HangsUp
        | PersonaKind::Dtmf => answer(&turn, turkish),
    }
}

/// Answers the last question of a turn; statements are listened to.
fn answer(turn: &str, turkish: bool) -> Reply {
    let Some(end) = turn.rfind('?') else { return Reply::Nothing };
    let start = turn[..end].rfind(['.', '!', '?']).map_or(0, |at| at + 1);
    // "15:30" and abbreviations do not end a sentence: only a mark before a space does.
    let start = if turn[start..].starts_with(' ') { start } else { 0 };
    let question = &turn[start..end];
    let about = |(words, _, _): &&(&[&str], &str, &str)| words.iter().any(|word| question.contains(word));
    let (_, english, in_turkish) = ANSWERS.iter().find(about).unwrap_or(&(&[], "Yes.", "Evet."));
    Reply::Say(if turkish { in_turkish } else { english })
}
