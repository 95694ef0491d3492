//! What words alone tell: whether two transcripts are the same, whether an utterance is a mere
//! backchannel, whether it sounds finished. Lists are short and by language mixed on purpose:
//! callers mix languages, and no word here means the opposite in another.

/// Words that accompany without asking for the floor.
const BACKCHANNELS: &[&str] = &[
    "mm", "mmm", "hmm", "hm", "mhm", "mmhmm", "mhmm", "uhhuh", "uh", "huh", "aha", "ah", "oh", "yeah", "yep",
    "yes", "yup", "ok", "okay", "right", "sure", "alright", "i", "see", "got", "it", "evet", "tamam", "hıhı",
    "hı", "peki", "anladım", "olur", "tabii", "tabi", "ja", "genau", "oui", "sí", "si", "claro", "vale",
    "daccord",
];

/// Backchannels that answer nothing: they never take the floor, not even where a short answer
/// would.
const MURMURS: &[&str] =
    &["mm", "mmm", "hmm", "hm", "mhm", "mmhmm", "mhmm", "uhhuh", "huh", "aha", "ah", "oh", "hıhı", "hı"];

/// How people pick up a phone: no answer to a greeting that has just begun.
const HELLOS: &[&str] =
    &["hello", "hi", "hey", "alo", "efendim", "hallo", "allo", "allô", "hola", "diga", "bonjour"];

/// Words that announce more words.
const OPEN_ENDS: &[&str] = &[
    "um", "uh", "uhm", "er", "erm", "and", "or", "but", "so", "because", "like", "the", "a", "an", "to",
    "of", "for", "with", "my", "is", "its", "that", "if", "well", "şey", "ve", "ama", "yani", "çünkü", "ya",
    "bir", "hani", "und", "oder", "aber", "weil", "ähm", "äh", "also", "y", "o", "pero", "porque", "este",
    "pues", "et", "ou", "mais", "parce", "euh", "donc",
];

/// The words of a text: lower case, letters and digits only.
pub(crate) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| c.is_whitespace() || matches!(c, '…' | '—' | '–'))
        .map(|word| word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect())
        .filter(|word: &String| !word.is_empty())
}

/// Whether two texts say the same, but for case and punctuation.
pub(crate) fn same_words(a: &str, b: &str) -> bool {
    words(a).eq(words(b))
}

/// What `text` says beyond `prefix`: all of it where it does not begin with `prefix`.
pub(crate) fn beyond<'t>(text: &'t str, prefix: &str) -> &'t str {
    let known: Vec<String> = words(prefix).collect();
    let begins = words(text).take(known.len()).eq(known.iter().cloned());
    if begins { after_words(text, known.len()) } else { text.trim() }
}

/// The text after its first `count` words.
fn after_words(text: &str, count: usize) -> &str {
    let mut rest = text.trim_start();
    let mut left = count;
    while left > 0 && !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        left = left.saturating_sub(words(word).count());
        rest = tail.trim_start();
    }
    rest.trim_end()
}

/// Whether the text has words and all of them merely accompany: "mm-hmm", "tamam".
pub(crate) fn is_backchannel(text: &str) -> bool {
    all_in(text, |word| BACKCHANNELS.contains(&word))
}

/// Whether the text has words and none of them could answer a question: "mm-hmm", but not "yeah".
pub(crate) fn is_murmur(text: &str) -> bool {
    all_in(text, |word| MURMURS.contains(&word))
}

/// Whether the text is a backchannel or the way a phone is picked up.
pub(crate) fn is_hello(text: &str) -> bool {
    all_in(text, |word| BACKCHANNELS.contains(&word) || HELLOS.contains(&word))
}

fn all_in(text: &str, known: impl Fn(&str) -> bool) -> bool {
    let mut count = 0;
    let all = words(text).all(|word| {
        count += 1;
        known(&word)
    });
    all && (1..=4).contains(&count)
}

/// Whether the text ends on a word, a comma or dots that announce more.
pub(crate) fn is_unfinished(text: &str) -> bool {
    let text = text.trim_end();
    let trails = text.ends_with([',', '…', '-', '–', '—']) || text.ends_with("...");
    // A closed sentence may well end on such a word: "Who is this for?"
    trails || (!is_closed(text) && words(text).last().is_some_and(|word| OPEN_ENDS.contains(&word.as_str())))
}

/// Whether the text ends like a sentence.
pub(crate) fn is_closed(text: &str) -> bool {
    let text = text.trim_end().trim_end_matches(['"', '\'', ')', '”', '’']);
    text.ends_with(['.', '!', '?', '。', '？', '！']) && !text.ends_with("...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_the_same_in_any_dress() {
        assert!(same_words("Yes, I want a demo.", "yes i want a demo"));
        assert!(!same_words("Yes, I want a demo.", "Yes, I want a demo now."));
        assert!(same_words("", " … "));
    }

    #[test]
    fn what_was_known_is_cut_off() {
        assert_eq!(beyond("I want a demo on Tuesday.", "i want"), "a demo on Tuesday.");
        assert_eq!(beyond("I want.", "I want"), "");
        assert_eq!(beyond("Something else", "I want"), "Something else");
        assert_eq!(beyond("anything", ""), "anything");
    }

    #[test]
    fn backchannels_are_short_and_ask_for_nothing() {
        for text in ["Mm-hmm.", "yeah", "Okay, okay.", "Evet.", "tamam tamam", "I see."] {
            assert!(is_backchannel(text), "{text}");
        }
        for text in ["", "...", "no", "hayır", "yes but wait", "okay okay okay okay okay", "Hello?"] {
            assert!(!is_backchannel(text), "{text}");
        }
        assert!(is_hello("Hello?") && is_hello("Alo, efendim?") && !is_hello("Hello who is this"));
    }

    #[test]
    fn open_ends_announce_more() {
        for text in ["I want to", "Well, um", "my budget is...", "çünkü", "ten,", "It is for my"] {
            assert!(is_unfinished(text), "{text}");
        }
        for text in ["I want to.", "Tomorrow", "Who is this for?", ""] {
            assert!(!is_unfinished(text), "{text}");
        }
    }
}
