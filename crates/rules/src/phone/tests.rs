use super::*;
use proptest::prelude::*;

fn read(raw: &str, country: Option<&str>) -> Result<String, PhoneError> {
    normalise(raw, country).map(|number| number.to_string())
}

#[test]
fn people_write_numbers_in_many_ways() {
    let table = [
        ("+905321234218", None, "+905321234218"),
        ("0532 123 42 18", Some("TR"), "+905321234218"),
        ("532 123 42 18", Some("tr"), "+905321234218"),
        ("(0532) 123-42-18", Some("TR"), "+905321234218"),
        ("905321234218", Some("TR"), "+905321234218"),
        ("00 90 532 123 42 18", None, "+905321234218"),
        ("0090 532 123 42 18", Some("TR"), "+905321234218"),
        ("tel:+90-532-123-42-18", None, "+905321234218"),
        ("\u{202a}+90 532 123 42 18\u{202c}", None, "+905321234218"),
        ("\u{ff0b}90.532.123.42.18", None, "+905321234218"),
        ("0212 345 67 89", Some("TR"), "+902123456789"),
        ("(415) 555-0123", Some("US"), "+14155550123"),
        ("1 415 555 0123", Some("US"), "+14155550123"),
        ("011 44 20 7946 0123", Some("US"), "+442079460123"),
        ("416 555 0123", Some("US"), "+14165550123"),
        ("+1 800 555 1234", None, "+18005551234"),
        ("+44 (0)20 7946 0123", None, "+442079460123"),
        ("07400 123456", Some("GB"), "+447400123456"),
        ("06 12 34 56 78", Some("FR"), "+33612345678"),
        ("0151 23456789", Some("DE"), "+4915123456789"),
        ("06 1234 5678", Some("IT"), "+390612345678"),
        ("8 912 345 67 89", Some("RU"), "+79123456789"),
        ("06 20 123 4567", Some("HU"), "+36201234567"),
        ("+34 612 34 56 78", Some("TR"), "+34612345678"),
    ];
    for (raw, country, expected) in table {
        assert_eq!(read(raw, country).as_deref(), Ok(expected), "{raw} {country:?}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong() {
    let table = [
        ("", None, "invalid_phone_format"),
        ("call me", None, "invalid_phone_format"),
        ("1-800-FLOWERS", Some("US"), "invalid_phone_format"),
        ("+90 532 123 42 18 ext 5", None, "invalid_phone_format"),
        ("+90+5321234218", None, "invalid_phone_format"),
        ("+٩٠٥٣٢١٢٣٤٢١٨", None, "invalid_phone_format"),
        ("0532 123 42 18", None, "phone_not_e164"),
        ("905321234218", None, "phone_not_e164"),
        ("0532 123 42 18", Some("XX"), "invalid_country_code"),
        ("+90 532 123 42 1", None, "phone_number_invalid"),
        ("+90 132 123 42 18", None, "phone_number_invalid"),
        ("+999 123 456 789", None, "phone_number_invalid"),
        ("+1 123 555 0123", None, "phone_number_invalid"),
        ("112", None, "phone_number_emergency"),
        ("911", Some("US"), "phone_number_emergency"),
        ("155", Some("TR"), "phone_number_emergency"),
        ("+90112", None, "phone_number_emergency"),
        ("1540", Some("TR"), "phone_number_short"),
        ("118 11", Some("TR"), "phone_number_short"),
        ("0900 123 45 67", Some("TR"), "phone_number_premium"),
        ("+1 900 555 1234", None, "phone_number_premium"),
        ("0190 654321", Some("DE"), "phone_number_invalid"),
        ("444 1 234", Some("TR"), "phone_number_not_callable"),
        ("070 1234 5678", Some("GB"), "phone_number_not_callable"),
    ];
    for (raw, country, code) in table {
        assert_eq!(read(raw, country).map_err(PhoneError::code), Err(code), "{raw} {country:?}");
    }
}

#[test]
fn a_number_knows_its_country_even_where_codes_are_shared() {
    let table = [
        ("+905321234218", Some("TR")),
        ("+14155550123", Some("US")),
        ("+14165550123", Some("CA")),
        ("+18765550123", Some("JM")),
        ("+18005551234", Some("US")),
        ("+79123456789", Some("RU")),
        ("+77012345678", Some("KZ")),
        ("+447400123456", Some("GB")),
        // Reserved for fiction, hence in no plan; the calling code still says where.
        ("+447700900123", Some("GB")),
        ("+447781123456", Some("GG")),
        ("+390612345678", Some("IT")),
        ("+390669812345", Some("VA")),
        ("+999123456789", None),
    ];
    for (number, country) in table {
        assert_eq!(country_of(&number.parse().unwrap()), country, "{number}");
    }
}

/// The kinds that `phonenumber` knows, by our verdicts.
fn library_verdict(number: &phonenumber::PhoneNumber) -> Option<Verdict> {
    use phonenumber::Type::{
        FixedLine, FixedLineOrMobile, Mobile, PremiumRate, SharedCost, TollFree, Unknown, Voip,
    };
    match number.number_type(&phonenumber::metadata::DATABASE) {
        FixedLine | FixedLineOrMobile | Mobile | TollFree | Voip => Some(Verdict::Callable),
        PremiumRate | SharedCost => Some(Verdict::Costly),
        Unknown => None,
        _ => Some(Verdict::Other),
    }
}

#[test]
fn every_country_s_example_numbers_are_read_as_the_library_reads_them() {
    let mut seen = 0;
    for plan in plan::all() {
        let Some(metadata) = phonenumber::metadata::DATABASE.by_id(plan.country) else { panic!("{plan:?}") };
        for example in [metadata.descriptors().fixed_line(), metadata.descriptors().mobile()]
            .into_iter()
            .flatten()
            .filter_map(|d| d.example())
        {
            let text = format!("+{}{example}", plan.code);
            assert_eq!(read(&text, None).as_deref(), Ok(text.as_str()), "{}", plan.country);
            // Some small countries share their neighbour's ranges, so only the code is certain.
            let country = country_of(&text.parse().unwrap()).and_then(plan::of_country);
            assert_eq!(country.map(|found| found.code), Some(plan.code), "{text}");
            seen += 1;
        }
    }
    assert!(seen > 400, "{seen} examples");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The matcher and the build-time table say what the library says. Its patterns are not
    /// anchored at their end, so it takes some numbers that are too long; hence one direction.
    #[test]
    fn what_we_would_dial_the_library_calls_a_number(at in 0_usize..1000, national in "[1-9][0-9]{5,11}") {
        let plans = plan::all();
        let plan = &plans[at % plans.len()];
        if plan.verdict(&national) == Some(Verdict::Callable) {
            let text = format!("+{}{national}", plan.code);
            let number = phonenumber::parse(None, &text).unwrap();
            prop_assert!(library_verdict(&number).is_some(), "{text}");
        }
    }

    #[test]
    fn nothing_that_is_typed_panics(raw in "\\PC{0,24}", country in proptest::option::of("[A-Z]{2}")) {
        let _ = normalise(&raw, country.as_deref());
    }

    #[test]
    fn a_normalised_number_stays_as_it_is(subscriber in 0_u32..10_000_000) {
        let number = read(&format!("0532{subscriber:07}"), Some("TR")).unwrap();
        prop_assert_eq!(read(&number, None), Ok(number.clone()));
        prop_assert_eq!(read(&number, Some("US")), Ok(number));
    }
}
