//! The few lines the engine says by itself, verbatim, by language. To add a language: one more
//! constant and its arm in [`phrases`].

/// The engine's own lines in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phrases {
    /// The caller is silent: in turn.
    pub(crate) prompts: [&'static str; 2],
    /// The caller stays silent.
    pub(crate) silent_goodbye: &'static str,
    /// Where the model ends the call without a goodbye of its own.
    pub(crate) goodbye: &'static str,
    /// Somebody spoke, and no words were recognised.
    pub(crate) pardon: &'static str,
    /// The model is slow.
    pub(crate) filler: &'static str,
    /// The model is so slow that it is asked again.
    pub(crate) apology: &'static str,
    /// Something failed for good.
    pub(crate) failure: &'static str,
    /// The caller forbids further calls.
    pub(crate) opted_out: &'static str,
    /// The longest length of a call is reached.
    pub(crate) time_up: &'static str,
}

const ENGLISH: Phrases = Phrases {
    prompts: ["Are you still there?", "Hello, can you hear me?"],
    silent_goodbye: "I can't hear you, so I will end the call now. Goodbye.",
    goodbye: "Thank you for your time. Goodbye.",
    pardon: "Sorry, I didn't catch that. Could you say it again?",
    filler: "One moment.",
    apology: "Sorry, this is taking longer than it should.",
    failure: "I'm sorry, we have a technical problem. Goodbye.",
    opted_out: "Understood, we won't call you again. Goodbye.",
    time_up: "I'm afraid our time is up. Thank you, and goodbye.",
};

const TURKISH: Phrases = Phrases {
    prompts: ["Hâlâ orada mısınız?", "Alo, beni duyabiliyor musunuz?"],
    silent_goodbye: "Sizi duyamıyorum, bu yüzden görüşmeyi sonlandırıyorum. Hoşça kalın.",
    goodbye: "Zaman ayırdığınız için teşekkürler. Hoşça kalın.",
    pardon: "Kusura bakmayın, anlayamadım. Tekrar eder misiniz?",
    filler: "Bir saniye lütfen.",
    apology: "Kusura bakmayın, biraz uzun sürdü.",
    failure: "Üzgünüm, teknik bir sorun yaşıyoruz. Hoşça kalın.",
    opted_out: "Anladım, sizi bir daha aramayacağız. Hoşça kalın.",
    time_up: "Maalesef süremiz doldu. Teşekkür ederim, hoşça kalın.",
};

const GERMAN: Phrases = Phrases {
    prompts: ["Sind Sie noch da?", "Hallo, können Sie mich hören?"],
    silent_goodbye: "Ich kann Sie nicht hören und beende das Gespräch. Auf Wiederhören.",
    goodbye: "Vielen Dank für Ihre Zeit. Auf Wiederhören.",
    pardon: "Entschuldigung, das habe ich nicht verstanden. Können Sie es wiederholen?",
    filler: "Einen Moment bitte.",
    apology: "Entschuldigung, das dauert länger als gedacht.",
    failure: "Es tut mir leid, wir haben ein technisches Problem. Auf Wiederhören.",
    opted_out: "Verstanden, wir rufen Sie nicht mehr an. Auf Wiederhören.",
    time_up: "Leider ist unsere Zeit um. Vielen Dank und auf Wiederhören.",
};

const SPANISH: Phrases = Phrases {
    prompts: ["¿Sigue ahí?", "Hola, ¿me oye?"],
    silent_goodbye: "No le oigo, así que voy a terminar la llamada. Adiós.",
    goodbye: "Gracias por su tiempo. Adiós.",
    pardon: "Perdone, no le he entendido. ¿Puede repetirlo?",
    filler: "Un momento, por favor.",
    apology: "Perdone, está tardando más de lo normal.",
    failure: "Lo siento, tenemos un problema técnico. Adiós.",
    opted_out: "Entendido, no volveremos a llamarle. Adiós.",
    time_up: "Me temo que se ha acabado el tiempo. Gracias y adiós.",
};

const FRENCH: Phrases = Phrases {
    prompts: ["Vous êtes toujours là ?", "Allô, vous m'entendez ?"],
    silent_goodbye: "Je ne vous entends pas, je vais donc raccrocher. Au revoir.",
    goodbye: "Merci de votre temps. Au revoir.",
    pardon: "Pardon, je n'ai pas compris. Pouvez-vous répéter ?",
    filler: "Un instant, s'il vous plaît.",
    apology: "Pardon, cela prend plus de temps que prévu.",
    failure: "Désolé, nous avons un problème technique. Au revoir.",
    opted_out: "C'est noté, nous ne vous appellerons plus. Au revoir.",
    time_up: "Notre temps est malheureusement écoulé. Merci et au revoir.",
};

/// The lines of a language (ISO 639-1, a region may follow); English where it is not known.
pub(crate) fn phrases(language: &str) -> Phrases {
    match language.get(..2) {
        Some("tr") => TURKISH,
        Some("de") => GERMAN,
        Some("es") => SPANISH,
        Some("fr") => FRENCH,
        Some(_) | None => ENGLISH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_known_with_and_without_its_region() {
        assert_eq!(phrases("tr-TR"), TURKISH);
        assert_eq!(phrases("de"), GERMAN);
        for unknown in ["", "x", "ğü", "ja"] {
            assert_eq!(phrases(unknown), ENGLISH, "{unknown}");
        }
    }
}
