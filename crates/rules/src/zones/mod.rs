//! The time zones in which a number may ring.
//!
//! A number tells its country, in the United States and Canada its area code, and that is all:
//! a mobile of a country with four zones may be in any of them. So the answer is a list, and
//! whoever asks must be content with all of it. A zone that somebody stated for the contact or
//! the lead beats every guess.

mod area_codes;
mod countries;

use crate::phone::country_of;
use area_codes::AREA_CODES;
use countries::COUNTRIES;
use jiff::tz::TimeZone;
use talkif_model::E164;

/// The IANA zones of a number. Empty only for codes of no country.
#[must_use]
pub fn zones_of(number: &E164) -> Vec<&'static str> {
    match country_of(number) {
        Some("US" | "CA") => north_american(number),
        Some(country) => of_country(country),
        None => Vec::new(),
    }
}

/// The zones that decide about a number: the stated one, if it is a zone, else the candidates.
#[must_use]
pub fn deciding(number: &E164, stated: Option<&str>) -> Vec<String> {
    match stated.filter(|name| is_zone(name)) {
        Some(name) => vec![name.to_owned()],
        None => zones_of(number).into_iter().map(str::to_owned).collect(),
    }
}

/// Whether `name` is in the IANA database: what the API accepts as a time zone.
#[must_use]
pub fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok()
}

fn of_country(country: &str) -> Vec<&'static str> {
    let line = COUNTRIES.lines().find_map(|line| line.strip_prefix(country));
    line.map(|zones| zones.split_whitespace().collect()).unwrap_or_default()
}

/// By area code; free numbers and codes that are newer than the table may be anywhere.
fn north_american(number: &E164) -> Vec<&'static str> {
    let area = number.as_str().get(2..5).unwrap_or_default();
    let found = AREA_CODES.iter().find(|(_, codes)| codes.split_whitespace().any(|code| code == area));
    match found {
        Some((zones, _)) => zones.split_whitespace().collect(),
        None => [of_country("US"), of_country("CA")].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::plan;
    use std::collections::BTreeSet;

    fn zones(number: &str) -> Vec<&'static str> {
        zones_of(&number.parse().unwrap())
    }

    #[test]
    fn a_number_tells_its_zones() {
        let table: &[(&str, &[&str])] = &[
            ("+905321234218", &["Europe/Istanbul"]),
            ("+12125551234", &["America/New_York"]),
            ("+13105551234", &["America/Los_Angeles"]),
            ("+16025551234", &["America/Phoenix"]),
            ("+18505551234", &["America/New_York", "America/Chicago"]),
            ("+14165550123", &["America/Toronto"]),
            ("+17875550123", &["America/Puerto_Rico"]),
            ("+18765550123", &["America/Jamaica"]),
            ("+447400123456", &["Europe/London"]),
            ("+34612345678", &["Europe/Madrid", "Atlantic/Canary"]),
            ("+999123456789", &[]),
        ];
        for (number, expected) in table {
            assert_eq!(zones(number), *expected, "{number}");
        }
    }

    #[test]
    fn a_free_american_number_may_be_anywhere_in_north_america() {
        let zones = zones("+18005551234");
        assert!(zones.contains(&"Pacific/Honolulu") && zones.contains(&"America/St_Johns"), "{zones:?}");
    }

    #[test]
    fn a_stated_zone_wins_if_it_is_one() {
        let number: E164 = "+12125551234".parse().unwrap();
        assert_eq!(deciding(&number, Some("Europe/Istanbul")), ["Europe/Istanbul"]);
        assert_eq!(deciding(&number, Some("Mars/Olympus")), ["America/New_York"]);
        assert_eq!(deciding(&number, None), ["America/New_York"]);
    }

    #[test]
    fn every_country_with_numbers_has_zones_and_every_zone_exists() {
        for plan in plan::all() {
            assert!(!of_country(plan.country).is_empty(), "{}", plan.country);
        }
        let area_zones = AREA_CODES.iter().flat_map(|(zones, _)| zones.split_whitespace());
        let country_zones = COUNTRIES.lines().flat_map(|line| line.split_whitespace().skip(1));
        for zone in area_zones.chain(country_zones) {
            assert!(is_zone(zone), "{zone}");
        }
    }

    #[test]
    fn every_area_code_of_the_numbering_plans_has_its_zones_once() {
        let listed: Vec<&str> = AREA_CODES.iter().flat_map(|(_, codes)| codes.split_whitespace()).collect();
        let once: BTreeSet<&str> = listed.iter().copied().collect();
        assert_eq!(once.len(), listed.len());
        // Free numbers, and Canada's services that move with their owner.
        let anywhere = ["600", "800", "833", "844", "855", "866", "877", "888"];
        for area in (200..1000).map(|area| area.to_string()).filter(|area| !anywhere.contains(&area.as_str()))
        {
            // Some area codes use only part of their exchanges; two and seven are among them all.
            let used =
                ["222", "722"].iter().any(|rest| plan::is_north_american(&format!("{area}{rest}0123")));
            assert!(!used || once.contains(area.as_str()), "{area}");
        }
    }
}
