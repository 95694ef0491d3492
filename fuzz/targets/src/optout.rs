//! What is said on the telephone: heard for refusals, and cleaned for the transcript.

use crate::bytes::Bytes;
use talkif_rules::optout::is_opt_out;
use talkif_rules::redact::redact;

const LANGUAGES: [&str; 6] = ["en", "tr", "de", "fr", "es", "pl"];

/// `language (1 byte) text`.
///
/// # Panics
/// If a refusal or a card number escapes because of what is said around it.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let language = LANGUAGES.get(usize::from(bytes.byte()) % LANGUAGES.len()).copied().unwrap_or("en");
    let text = String::from_utf8_lossy(bytes.rest());
    let said = is_opt_out(&text, language);
    assert_eq!(is_opt_out(&format!(" {text} . ! "), language), said, "signs around it change nothing");
    assert!(is_opt_out(&format!("{text}. Please stop calling me."), language));
    assert!(is_opt_out(&format!("Please stop calling me! {text}"), language));
    let _ = redact(&text);
    // Figures of the text may join the card's, so it is set apart by words.
    let card = "4242 4242 4242 4242";
    let kept = redact(&format!("{text}; my card is {card}, thanks; {text}"));
    assert!(!kept.contains(card), "{kept}");
}
