//! What the mind says, in two languages.

use super::conversation::{Conversation, Turn};
use crate::turkish::is_turkish;

/// 15:30, the time that [`Language::proposal`] names.
pub(super) const PROPOSED_SECOND_OF_DAY: i64 = (15 * 60 + 30) * 60;

/// A language the mind speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Turkish,
}

impl Language {
    /// The language of the instructions, or else of the caller.
    pub(super) fn of(conversation: &Conversation) -> Self {
        let mut caller = conversation.turns.iter().filter_map(|turn| match turn {
            Turn::Caller(text) => Some(text.as_str()),
            Turn::Agent { .. } | Turn::Tool { .. } => None,
        });
        let instructions = conversation.instructions.to_lowercase();
        let named = ["turkish", "türkçe", "language: tr"].iter().any(|name| instructions.contains(name));
        if named || is_turkish(&instructions) || caller.any(is_turkish) {
            Self::Turkish
        } else {
            Self::English
        }
    }

    fn choose<'a>(self, english: &'a str, turkish: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Turkish => turkish,
        }
    }

    pub(super) fn question(self, slot: &str) -> String {
        let (english, turkish) = match slot {
            "need" => ("What are you looking for?", "Neye ihtiyacınız var acaba?"),
            "timing" => ("When would you like to start?", "Ne zaman başlamak istersiniz?"),
            "budget" => ("What budget do you have in mind?", "Bütçeniz yaklaşık ne kadar?"),
            "location" => ("Where are you located?", "Hangi şehirde yaşıyorsunuz?"),
            "name" => ("May I have your name?", "Adınızı öğrenebilir miyim?"),
            "email" => ("What is your email address?", "E-posta adresiniz nedir acaba?"),
            other => return self.other_question(&other.replace('_', " ")),
        };
        self.choose(english, turkish).into()
    }

    fn other_question(self, slot: &str) -> String {
        match self {
            Self::English => format!("What about your {slot}?"),
            Self::Turkish => format!("Peki sizin {slot} nedir?"),
        }
    }

    pub(super) fn greeting(self, role: &str) -> String {
        match self {
            Self::English => format!("Hello, this is {role}."),
            Self::Turkish => format!("Merhaba, ben {role}."),
        }
    }

    pub(super) fn introduce(self, role: &str) -> String {
        match self {
            Self::English => format!("This is {role}, calling about the request you left on our website."),
            Self::Turkish => format!("Ben {role}, web sitemizde bıraktığınız talep için arıyorum."),
        }
    }

    pub(super) fn proposal(self) -> &'static str {
        self.choose("Does tomorrow at 15:30 work for a short call?", "Yarın saat 15:30 sizin için uygun mu?")
    }

    pub(super) fn thanks(self) -> &'static str {
        self.choose("Thank you.", "Teşekkür ederim.")
    }

    pub(super) fn great(self) -> &'static str {
        self.choose("Great.", "Harika.")
    }

    pub(super) fn pardon(self) -> &'static str {
        self.choose("Sorry, I did not catch that.", "Özür dilerim, anlayamadım.")
    }

    pub(super) fn still_there(self) -> &'static str {
        self.choose("Are you still there?", "Hâlâ orada mısınız?")
    }

    pub(super) fn brief_answer(self) -> &'static str {
        self.choose(
            "Good question, my colleague will send you the details.",
            "Güzel bir soru, ayrıntıları arkadaşım size gönderecek.",
        )
    }

    pub(super) fn booked(self) -> &'static str {
        self.choose(
            "You are booked for tomorrow at 15:30. Thank you and goodbye!",
            "Yarın 15:30 için randevunuz hazır. Teşekkürler, hoşça kalın!",
        )
    }

    pub(super) fn goodbye(self) -> &'static str {
        self.choose("That is all I need. Thank you and goodbye!", "Hepsi bu kadar. Teşekkürler, hoşça kalın!")
    }

    pub(super) fn call_back(self) -> &'static str {
        self.choose("A colleague will call you back. Goodbye!", "Bir arkadaşım sizi arayacak. Hoşça kalın!")
    }

    pub(super) fn no_thanks(self) -> &'static str {
        self.choose("I understand. Thank you, goodbye!", "Anlıyorum. Teşekkürler, hoşça kalın!")
    }

    pub(super) fn sorry_wrong_number(self) -> &'static str {
        self.choose(
            "Sorry to have bothered you. Goodbye!",
            "Rahatsız ettiğim için özür dilerim. Hoşça kalın!",
        )
    }

    pub(super) fn opted_out(self) -> &'static str {
        self.choose(
            "Understood, we will not call again. Goodbye!",
            "Anladım, bir daha aramayacağız. Hoşça kalın!",
        )
    }
}
