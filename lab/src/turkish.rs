//! Tells Turkish from English by its everyday words; names alone (Ayşe, Yılmaz) say nothing.

const WORDS: [&str; 24] = [
    "merhaba",
    "alo",
    "efendim",
    "evet",
    "hayır",
    "tamam",
    "olur",
    "ben",
    "bir",
    "ve",
    "için",
    "lütfen",
    "acaba",
    "nedir",
    "kadar",
    "uygun",
    "istiyorum",
    "istemiyorum",
    "ilgilenmiyorum",
    "teşekkürler",
    "teşekkür",
    "beni",
    "yanlış",
    "buyurun",
];
const ENDINGS: [&str; 6] = ["misiniz", "mısınız", "musunuz", "müsünüz", "miyim", "mıyım"];

/// Whether somebody says this in Turkish.
pub(crate) fn is_turkish(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    words.any(|word| WORDS.contains(&word) || ENDINGS.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyday_words_tell_and_names_do_not() {
        for text in ["Merhaba, nasılsınız?", "Beni aramayın.", "Hâlâ orada mısınız?", "Bütçeniz ne kadar?"]
        {
            assert!(is_turkish(text), "{text}");
        }
        for text in ["Hi Ayşe Yılmaz, got a moment?", "I live in İstanbul.", "My name is Ece."] {
            assert!(!is_turkish(text), "{text}");
        }
    }
}
