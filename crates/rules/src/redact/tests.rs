use super::*;
use proptest::prelude::*;

#[test]
fn cards_are_taken_out_however_they_are_written() {
    let table = [
        ("my card is 4242424242424242 thanks", "my card is [card] thanks"),
        ("4242 4242 4242 4242", "[card]"),
        ("4242-4242-4242-4242.", "[card]."),
        ("4242, 4242, 4242, 4242", "[card]"),
        ("it is four two four two four two four two four two four two four two four two", "it is [card]"),
        ("Four, two, four, two, 4242 4242 4242 ok", "[card] ok"),
        ("dört iki dört iki dört iki dört iki dört iki dört iki dört iki dört iki", "[card]"),
        ("order 17, card 3782 822463 10005", "order 17, card [card]"),
        ("2 cards: 4242424242424242 and 5555555555554444", "2 cards: [card] and [card]"),
    ];
    for (text, expected) in table {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn nothing_of_a_card_stays_where_a_number_before_it_makes_another_card() {
    for before in ["üç", "sn", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] {
        let text = redact(&format!("{before}, 4 2 4 2 4 2 4 2 4 2 4 2 4 2 4 2"));
        assert!(text.ends_with("[card]"), "{text}");
    }
}

#[test]
fn identity_numbers_are_taken_out() {
    let table = [
        ("TC kimlik 10000000146", "TC kimlik [id]"),
        ("100 000 001 46", "[id]"),
        ("bir sıfır sıfır sıfır sıfır sıfır sıfır sıfır bir dört altı", "[id]"),
        ("ssn 123-45-6789", "ssn [id]"),
    ];
    for (text, expected) in table {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn bank_accounts_and_mail_addresses_are_taken_out() {
    let table = [
        ("IBAN TR33 0006 1005 1978 6457 8413 26 please", "IBAN [iban] please"),
        ("DE89370400440532013000", "[iban]"),
        ("write to ece.y+x@mail.example.com.", "write to [email]."),
        ("ece dot y at example dot co dot uk is mine", "[email] is mine"),
        ("meet at noon", "meet at noon"),
        ("@home", "@home"),
    ];
    for (text, expected) in table {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn street_addresses_are_taken_out() {
    let table = [
        ("I live at 221 Baker Street, apartment 5", "I live at [address]"),
        ("send it to 1600 Amphitheatre Pkwy Road please", "send it to [address] please"),
        ("Bağdat Caddesi 125 kat 3 daire 7'de", "[address]'de"),
        ("Atatürk Mahallesi No 12", "[address]"),
        ("ich wohne in der Hauptstraße 12a", "ich wohne in der [address]"),
        ("12 rue de Rivoli, Paris", "[address], Paris"),
        ("Calle Mayor 5", "[address]"),
    ];
    for (text, expected) in table {
        assert_eq!(redact(text), expected, "{text}");
    }
}

#[test]
fn what_harms_nobody_stays() {
    for text in [
        "",
        "I have a budget of 12000 and want to start on 2026-09-01",
        "call me on +90 532 123 42 18",
        "my number is 0532 123 42 18",
        "4242 4242 4242 4241 is not a card",
        "one two three",
        "the order is 123456789",
        "the street is long. 5 people live there",
        "we need 3 seats in the second row",
        "at 15:30 on Tuesday",
        "Fall intake, data track, budget 12k.",
    ] {
        assert_eq!(redact(text), text);
    }
}

proptest! {
    #[test]
    fn no_card_survives(
        before in "[a-zçğıöşü ]{0,20}",
        digits in proptest::collection::vec(0_u8..10, 12..18),
        first in 3_u8..7,
        separator in proptest::sample::select(vec!["", " ", "-", ", ", "."]),
        spoken: bool,
    ) {
        let mut number = vec![first];
        number.extend(&digits);
        let check = (0..10).find(|check| {
            let mut whole = number.clone();
            whole.push(*check);
            checksum::is_card(&whole)
        });
        number.extend(check);
        let names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
        let written: Vec<String> = number
            .iter()
            .map(|digit| if spoken { names[usize::from(*digit)].to_owned() } else { digit.to_string() })
            .collect();
        let separator = if spoken && separator.is_empty() { " " } else { separator };
        let text = format!("{before}. {}", written.join(separator));
        prop_assert!(redact(&text).ends_with("[card]"), "{text} -> {}", redact(&text));
    }

    #[test]
    fn redacting_never_panics_and_is_final(text in "\\PC{0,80}") {
        let once = redact(&text);
        prop_assert_eq!(redact(&once), once);
    }
}
