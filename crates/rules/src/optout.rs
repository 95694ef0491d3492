//! Hearing that somebody does not want to be called.
//!
//! Whoever says so is never called again, so a miss is worse than a false alarm; still, "stop by
//! tomorrow" and "don't call me before ten" are appointments, not refusals. The rules below are
//! phrases by language. English ones hold in every conversation, because STOP is said
//! everywhere.
//!
//! This is the net below the model, which has a tool of its own for the same purpose. To add a
//! language, add its rules and a row of examples to the tests.

/// A phrase, in lower case without accents or apostrophes, and what may follow it.
struct Rule {
    phrase: &'static str,
    then: Then,
}

enum Then {
    /// Whatever follows, it is a refusal: `no more calls`.
    Anything,
    /// Only if the clause ends or goes on with one of these words: `don't call me`, not `don't
    /// call me before ten`.
    OnlyWith(&'static [&'static str]),
    /// Only if nothing else is said, but for politeness: `stop`.
    Nothing,
}

const fn anything(phrase: &'static str) -> Rule {
    Rule { phrase, then: Then::Anything }
}

const fn only_with(phrase: &'static str, words: &'static [&'static str]) -> Rule {
    Rule { phrase, then: Then::OnlyWith(words) }
}

const fn alone(phrase: &'static str) -> Rule {
    Rule { phrase, then: Then::Nothing }
}

const AGAIN: &[&str] =
    &["again", "anymore", "any", "ever", "back", "please", "thanks", "thank", "or", "and", "i", "you"];
const CALLS: &[&str] = &[
    "me",
    "us",
    "here",
    "this",
    "my",
    "our",
    "again",
    "please",
    "now",
    "right",
    "already",
    "immediately",
    "or",
    "and",
];

const ENGLISH: &[Rule] = &[
    alone("stop"),
    alone("stop it"),
    alone("do not call"),
    alone("dont call"),
    anything("unsubscribe"),
    anything("opt out"),
    anything("opt me out"),
    anything("opting out"),
    anything("do not call list"),
    only_with("stop calling", CALLS),
    only_with("quit calling", CALLS),
    only_with("stop phoning", CALLS),
    only_with("stop contacting", CALLS),
    only_with("do not call me", AGAIN),
    only_with("dont call me", AGAIN),
    only_with("do not contact me", AGAIN),
    only_with("dont contact me", AGAIN),
    only_with("do not call us", AGAIN),
    only_with("dont call us", AGAIN),
    anything("do not call this number"),
    anything("dont call this number"),
    anything("dont call here"),
    anything("dont call again"),
    anything("do not call again"),
    anything("dont ever call"),
    anything("do not ever call"),
    anything("never call me again"),
    anything("never call again"),
    anything("never call this number"),
    anything("no more calls"),
    anything("no more phone calls"),
    anything("dont want any more calls"),
    anything("dont want to be called"),
    anything("do not want to be called"),
    anything("dont want you to call"),
    anything("dont want you calling"),
    only_with("remove me", &["from", "please", "now", "right", "immediately", "and", "off"]),
    anything("remove my number"),
    anything("remove this number"),
    anything("delete my number"),
    anything("lose my number"),
    anything("take me off"),
    anything("take my number off"),
    anything("take this number off"),
];

const TURKISH: &[Rule] = &[
    alone("aramayin"),
    alone("aramayiniz"),
    alone("arama"),
    only_with("beni aramayin", TR_AGAIN),
    only_with("beni aramayiniz", TR_AGAIN),
    only_with("bizi aramayin", TR_AGAIN),
    only_with("beni arama", TR_AGAIN),
    only_with("bu numarayi aramayin", TR_AGAIN),
    only_with("bu numarayi aramayiniz", TR_AGAIN),
    anything("bir daha aramayin"),
    anything("bir daha aramayiniz"),
    anything("bir daha arama"),
    anything("bir daha beni arama"),
    anything("bir daha beni aramayin"),
    anything("artik aramayin"),
    anything("artik beni aramayin"),
    anything("aramayin artik"),
    anything("beni aramaktan vazgecin"),
    anything("aramayi birakin"),
    anything("aramayi kesin"),
    anything("aranmak istemiyorum"),
    anything("aramanizi istemiyorum"),
    anything("aramasini istemiyorum"),
    anything("numarami silin"),
    anything("numarami cikarin"),
    anything("listeden cikarin"),
    anything("listenizden cikarin"),
    anything("listeden cikartin"),
    anything("listenizden cikartin"),
    anything("bir daha rahatsiz etmeyin"),
    anything("beni rahatsiz etmeyin"),
];
const TR_AGAIN: &[&str] = &["artik", "lutfen", "bir", "tesekkurler", "sagolun", "tamam", "ve"];

const GERMAN: &[Rule] = &[
    alone("stopp"),
    anything("nicht mehr an"),
    anything("nicht mehr anrufen"),
    anything("nicht mehr angerufen werden"),
    anything("nie wieder an"),
    anything("nie wieder anrufen"),
    anything("nicht wieder anrufen"),
    anything("keine anrufe mehr"),
    anything("keine weiteren anrufe"),
    anything("horen sie auf anzurufen"),
    anything("horen sie auf mich anzurufen"),
    anything("hor auf mich anzurufen"),
    anything("streichen sie mich"),
    anything("nehmen sie mich von der liste"),
    anything("nehmen sie mich aus der liste"),
    anything("nehmen sie mich von ihrer liste"),
    anything("nehmen sie mich aus ihrer liste"),
    anything("loschen sie meine nummer"),
    anything("loschen sie meine daten"),
];

const FRENCH: &[Rule] = &[
    anything("ne mappelez plus"),
    anything("mappelez plus"),
    anything("ne mappelle plus"),
    anything("ne me rappelez plus"),
    anything("ne rappelez plus"),
    anything("nappelez plus"),
    anything("ne me contactez plus"),
    anything("ne me telephonez plus"),
    anything("arretez de mappeler"),
    anything("arretez dappeler"),
    anything("arrete de mappeler"),
    anything("plus etre appele"),
    anything("plus etre appelee"),
    anything("plus dappels"),
    anything("plus recevoir dappels"),
    anything("retirez moi"),
    anything("enlevez moi"),
    anything("supprimez mon numero"),
    anything("effacez mon numero"),
    anything("retirez mon numero"),
];

const SPANISH: &[Rule] = &[
    anything("no me llame mas"),
    anything("no me llames mas"),
    anything("no me llamen mas"),
    anything("no llamen mas"),
    only_with("no me llame", ES_AGAIN),
    only_with("no me llames", ES_AGAIN),
    only_with("no me llamen", ES_AGAIN),
    anything("no me vuelva a llamar"),
    anything("no me vuelvan a llamar"),
    anything("no me vuelvas a llamar"),
    anything("no vuelva a llamar"),
    anything("no vuelvan a llamar"),
    anything("no vuelvas a llamar"),
    anything("deje de llamar"),
    anything("dejen de llamar"),
    anything("deja de llamar"),
    anything("no quiero que me llame"),
    anything("no quiero que me llamen"),
    anything("no quiero mas llamadas"),
    anything("borre mi numero"),
    anything("borren mi numero"),
    anything("elimine mi numero"),
    anything("eliminen mi numero"),
    anything("quiteme de"),
    anything("quitenme de"),
    anything("borreme de"),
    anything("saqueme de"),
];
const ES_AGAIN: &[&str] = &["nunca", "otra", "por", "gracias", "y"];

/// Words that change nothing around a single STOP.
const POLITE: &[&str] = &[
    "please", "ok", "okay", "no", "hey", "just", "thanks", "thank", "you", "sorry", "lutfen", "bitte",
    "danke", "stop", "non", "merci", "por", "favor", "gracias", "hayir", "nein", "tamam",
];

/// Whether `text`, one utterance, says that its speaker does not want to be called. `language`
/// is ISO 639-1, that of the conversation.
#[must_use]
pub fn is_opt_out(text: &str, language: &str) -> bool {
    let clauses = clauses(text);
    rules_of(language).iter().chain(ENGLISH).any(|rule| rule.fits(&clauses))
}

fn rules_of(language: &str) -> &'static [Rule] {
    match language.split(['-', '_']).next().unwrap_or_default() {
        "tr" => TURKISH,
        "de" => GERMAN,
        "fr" => FRENCH,
        "es" => SPANISH,
        _ => &[],
    }
}

impl Rule {
    fn fits(&self, clauses: &[Vec<String>]) -> bool {
        let phrase: Vec<&str> = self.phrase.split(' ').collect();
        if matches!(self.then, Then::Nothing) {
            return is_said_alone(&phrase, clauses);
        }
        clauses.iter().any(|clause| self.fits_in(&phrase, clause))
    }

    fn fits_in(&self, phrase: &[&str], clause: &[String]) -> bool {
        let starts =
            (0..clause.len()).filter(|at| begins_with(clause.get(*at..).unwrap_or_default(), phrase));
        starts.map(|at| clause.get(at + phrase.len())).any(|next| match (&self.then, next) {
            (Then::Anything, _) | (_, None) => true,
            (Then::OnlyWith(words), Some(next)) => words.contains(&next.as_str()),
            (Then::Nothing, Some(_)) => false,
        })
    }
}

fn begins_with(words: &[String], phrase: &[&str]) -> bool {
    words.len() >= phrase.len() && words.iter().zip(phrase).all(|(word, wanted)| word == wanted)
}

/// Whether nothing but the phrase and polite words is said.
fn is_said_alone(phrase: &[&str], clauses: &[Vec<String>]) -> bool {
    let words: Vec<&str> = clauses.iter().flatten().map(String::as_str).collect();
    let Some(at) = words.windows(phrase.len()).position(|window| window == phrase) else { return false };
    let rest = words.iter().take(at).chain(words.iter().skip(at + phrase.len()));
    rest.into_iter().all(|word| POLITE.contains(word))
}

/// The utterance as clauses of plain words.
fn clauses(text: &str) -> Vec<Vec<String>> {
    let plain: String = text.chars().flat_map(fold).collect();
    let words = |clause: &str| clause.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    plain.split(['.', ',', ';', '!', '?', ':']).map(words).filter(|clause| !clause.is_empty()).collect()
}

/// A letter in lower case without its accent; apostrophes vanish, other signs part words. Both
/// Turkish i's become one, because recognisers and people mix them up.
fn fold(c: char) -> impl Iterator<Item = char> {
    let lower = c.to_lowercase().next().unwrap_or(c);
    let folded = match lower {
        'ı' | 'î' | 'ï' | 'í' | 'ì' => Some('i'),
        'ç' => Some('c'),
        'ğ' => Some('g'),
        'ş' => Some('s'),
        'ñ' => Some('n'),
        'ö' | 'ô' | 'ó' | 'ò' => Some('o'),
        'ü' | 'û' | 'ú' | 'ù' => Some('u'),
        'ä' | 'â' | 'à' | 'á' => Some('a'),
        'é' | 'è' | 'ê' | 'ë' => Some('e'),
        '\'' | '\u{2019}' | '\u{2bc}' | '`' | '\u{307}' => None,
        '.' | ',' | ';' | '!' | '?' | ':' => Some(lower),
        letter if letter.is_alphanumeric() => Some(letter),
        _ => Some(' '),
    };
    folded.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refusals_are_heard() {
        let table = [
            ("en", "STOP"),
            ("en", "Stop. Stop, please!"),
            ("en", "No, stop it."),
            ("en", "Please stop calling me"),
            ("en", "stop calling this number"),
            ("en", "I said stop calling!"),
            ("en", "Don't call me again."),
            ("en", "don’t call me"),
            ("en", "Do not call me anymore, okay?"),
            ("en", "I don't want you to call me any more"),
            ("en", "please remove me from your list"),
            ("en", "Remove me."),
            ("en", "take me off your list"),
            ("en", "never call me again"),
            ("en", "I'd like to opt out"),
            ("en", "put me on your do-not-call list"),
            ("en", "unsubscribe"),
            ("en", "lose my number, buddy"),
            ("tr", "Beni aramayın"),
            ("tr", "BENİ BİR DAHA ARAMAYIN"),
            ("tr", "lütfen beni bir daha aramayın"),
            ("tr", "Aramayın!"),
            ("tr", "artık beni aramayın, teşekkürler"),
            ("tr", "beni listeden çıkarın"),
            ("tr", "numaramı silin lütfen"),
            ("tr", "aranmak istemiyorum"),
            ("tr", "stop"),
            ("tr", "please stop calling me"),
            ("tr-TR", "beni aramayın lütfen"),
            ("de", "Rufen Sie mich nicht mehr an!"),
            ("de", "Ich möchte nicht mehr angerufen werden."),
            ("de", "Bitte löschen Sie meine Nummer"),
            ("de", "Hören Sie auf, mich anzurufen? Nein: keine Anrufe mehr"),
            ("fr", "Ne m'appelez plus"),
            ("fr", "Arrêtez de m’appeler s'il vous plaît"),
            ("fr", "Retirez-moi de votre liste"),
            ("es", "No me llame más"),
            ("es", "No me llamen, por favor"),
            ("es", "Dejen de llamarme. No vuelvan a llamar."),
            ("es", "no quiero que me llamen"),
        ];
        for (language, text) in table {
            assert!(is_opt_out(text, language), "{language}: {text}");
        }
    }

    #[test]
    fn appointments_and_small_talk_are_no_refusals() {
        let table = [
            ("en", ""),
            ("en", "I can stop by tomorrow"),
            ("en", "Could you stop for a second, I did not get that"),
            ("en", "the bus stop is nearby"),
            ("en", "Don't call me before ten"),
            ("en", "please don't call me at work, call my mobile"),
            ("en", "don't call me Bob"),
            ("en", "do not call me tomorrow, Friday is better"),
            ("en", "stop calling it a course"),
            ("en", "can you call me again later"),
            ("en", "I want to remove one item from the order"),
            ("en", "it never stops raining"),
            ("en", "we will opt for the larger one"),
            ("tr", "yarın beni arayın"),
            ("tr", "beni sabah aramayın, öğleden sonra arayın"),
            ("tr", "beni aramayın demedim"),
            ("tr", "arama motorunda gördüm"),
            ("tr", "bir daha arar mısınız"),
            ("de", "rufen Sie mich bitte morgen an"),
            ("de", "rufen Sie mich nicht vor zehn an"),
            ("fr", "appelez-moi demain"),
            ("fr", "je n'ai plus de questions"),
            ("es", "no me llame antes de las diez"),
            ("es", "llámeme mañana"),
            ("pl", "beni aramayın"),
        ];
        for (language, text) in table {
            assert!(!is_opt_out(text, language), "{language}: {text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_panics(text in "\\PC{0,60}", language in "[a-z]{0,3}") {
            let _ = is_opt_out(&text, &language);
        }

        #[test]
        fn what_stands_in_another_clause_changes_nothing(before in "[a-z ]{0,20}", after in "[a-z ]{0,20}") {
            let text = format!("{before}. Please stop calling me. {after}");
            prop_assert!(is_opt_out(&text, "en"));
        }
    }
}
