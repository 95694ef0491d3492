use super::*;
use proptest::prelude::*;

const NIGHT: QuietHours = quiet(22 * 60, 9 * 60);

const fn quiet(from_minute: u16, until_minute: u16) -> QuietHours {
    QuietHours { from_minute, until_minute }
}

/// A moment as a wall clock of `zone` shows it.
fn local(text: &str, zone: &str) -> Timestamp {
    text.parse::<DateTime>().unwrap().in_tz(zone).unwrap().timestamp()
}

/// `open`, `never`, or when it opens as the clock of `zone` shows it, and why it is closed.
fn verdict(number: &str, at: &str, zone: &str, quiet: &[QuietHours]) -> String {
    match check(&number.parse().unwrap(), None, quiet, local(at, zone)) {
        Window::Open => "open".to_owned(),
        Window::Never => "never".to_owned(),
        Window::Closed { until, reason } => {
            format!("{} {reason}", until.to_zoned(TimeZone::get(zone).unwrap()).strftime("%a %d %H:%M:%S"))
        }
    }
}

#[test]
fn the_hours_of_the_country_hold_where_the_person_is() {
    let (tr, us, fr) = ("+905321234218", "+12125551234", "+33612345678");
    let table = [
        // 2026-05-26 is a Tuesday.
        (tr, "2026-05-26T09:00", "Europe/Istanbul", "open"),
        (tr, "2026-05-26T08:59:59", "Europe/Istanbul", "Tue 26 09:00:00 outside_callable_hours"),
        (tr, "2026-05-26T19:59:59", "Europe/Istanbul", "open"),
        (tr, "2026-05-26T20:00", "Europe/Istanbul", "Wed 27 09:00:00 outside_callable_hours"),
        (tr, "2026-05-29T20:00", "Europe/Istanbul", "Sat 30 10:00:00 outside_callable_hours"),
        (us, "2026-05-26T08:00", "America/New_York", "open"),
        (us, "2026-05-26T21:00", "America/New_York", "Wed 27 08:00:00 outside_callable_hours"),
        (us, "2026-05-30T20:59", "America/New_York", "open"),
        (fr, "2026-05-26T13:30", "Europe/Paris", "Tue 26 14:00:00 outside_callable_hours"),
        (fr, "2026-05-29T20:00", "Europe/Paris", "Mon 01 10:00:00 outside_callable_hours"),
        ("+819012345678", "2026-05-31T20:30", "Asia/Tokyo", "open"),
    ];
    for (number, at, zone, expected) in table {
        assert_eq!(verdict(number, at, zone, &[]), expected, "{number} {at}");
    }
}

#[test]
fn quiet_hours_cross_midnight_and_only_narrow_the_window() {
    let us = "+12125551234";
    let table = [
        ("2026-05-26T08:30", &[NIGHT][..], "Tue 26 09:00:00 quiet_hours"),
        ("2026-05-26T09:00", &[NIGHT], "open"),
        ("2026-05-26T20:59", &[NIGHT], "open"),
        ("2026-05-26T23:30", &[NIGHT], "Wed 27 09:00:00 outside_callable_hours"),
        ("2026-05-26T03:00", &[NIGHT], "Tue 26 09:00:00 outside_callable_hours"),
        ("2026-05-26T12:15", &[quiet(720, 780)], "Tue 26 13:00:00 quiet_hours"),
        ("2026-05-26T12:15", &[quiet(720, 780), quiet(780, 840)], "Tue 26 14:00:00 quiet_hours"),
        ("2026-05-26T20:30", &[quiet(1200, 0)], "Wed 27 08:00:00 quiet_hours"),
    ];
    for (at, quiet, expected) in table {
        assert_eq!(verdict(us, at, "America/New_York", quiet), expected, "{at}");
    }
}

#[test]
fn a_free_number_is_called_only_while_all_of_north_america_is_awake() {
    let free = "+18005551234";
    let table = [
        // Eight in the morning on Hawaii, and in the Aleutians an hour later.
        ("2026-05-26T13:59", "Tue 26 14:00:00 outside_callable_hours"),
        ("2026-05-26T14:00", "open"),
        // Nine in the evening on Newfoundland.
        ("2026-05-26T19:29", "open"),
        ("2026-05-26T19:30", "Wed 27 14:00:00 outside_callable_hours"),
    ];
    for (at, expected) in table {
        assert_eq!(verdict(free, at, "America/New_York", &[]), expected, "{at}");
    }
}

#[test]
fn zones_that_never_overlap_are_said_to_never_open() {
    // Only the first hour of the day is left, and Hawaii is never awake in Newfoundland's.
    let late = [quiet(9 * 60, 8 * 60)];
    assert_eq!(verdict("+18005551234", "2026-05-26T14:00", "America/New_York", &late), "never");
    assert_eq!(verdict("+999123456789", "2026-05-26T14:00", "America/New_York", &[]), "never");
    let always = [quiet(0, 12 * 60), quiet(12 * 60, 0)];
    assert_eq!(verdict("+905321234218", "2026-05-26T14:00", "Europe/Istanbul", &always), "never");
}

#[test]
fn a_stated_zone_decides_instead_of_the_number() {
    let number: E164 = "+12125551234".parse().unwrap();
    let at = local("2026-05-26T20:00", "America/New_York");
    assert_eq!(check(&number, None, &[], at), Window::Open);
    let Window::Closed { until, .. } = check(&number, Some("Europe/Istanbul"), &[], at) else {
        panic!("it is three in the morning there")
    };
    assert_eq!(until, local("2026-05-27T08:00", "Europe/Istanbul"));
}

#[test]
fn the_clocks_of_spring_delay_nobody_beyond_the_skipped_hour() {
    // On 2026-03-08 clocks in New York go from 02:00 to 03:00. Quiet until 02:30 in a zone
    // without legal hours before eight: the opening stays eight o'clock, one real hour earlier.
    let zone = "America/New_York";
    assert_eq!(
        verdict("+12125551234", "2026-03-07T22:00", zone, &[]),
        "Sun 08 08:00:00 outside_callable_hours"
    );
    let before = local("2026-03-07T22:00", zone);
    let Window::Closed { until, .. } = check(&"+12125551234".parse().unwrap(), None, &[], before) else {
        panic!("it is ten at night")
    };
    assert_eq!(until.duration_since(before), SignedDuration::from_hours(9));
}

#[test]
fn the_clocks_of_autumn_add_an_hour_to_the_night() {
    let zone = "Europe/London";
    let before = local("2026-10-24T22:00", zone);
    let Window::Closed { until, .. } = check(&"+447400123456".parse().unwrap(), None, &[], before) else {
        panic!("it is ten at night")
    };
    assert_eq!(until, local("2026-10-25T08:00", zone));
    assert_eq!(until.duration_since(before), SignedDuration::from_hours(11));
}

/// Rules without legal hours, to look at the night itself.
const ALL_DAY: Hours = Hours { weekdays: &[(0, 1440)], saturday: &[(0, 1440)], sunday: &[(0, 1440)] };

#[test]
fn a_skipped_end_of_quiet_hours_opens_when_the_clock_jumps() {
    let zone = TimeZone::get("America/New_York").unwrap();
    let rules = Rules { hours: &ALL_DAY, quiet: &[quiet(60, 150)] };
    let at = local("2026-03-08T01:30", "America/New_York");
    let opening = rules.common_opening(std::slice::from_ref(&zone), at).unwrap();
    assert_eq!(opening, local("2026-03-08T03:00", "America/New_York"));
}

#[test]
fn an_hour_that_comes_twice_is_quiet_twice() {
    // On 2026-11-01 the hour from one to two comes twice in New York.
    let zone = TimeZone::get("America/New_York").unwrap();
    let rules = Rules { hours: &ALL_DAY, quiet: &[quiet(60, 90)] };
    let first: Timestamp = "2026-11-01T05:15:00Z".parse().unwrap();
    let second: Timestamp = "2026-11-01T06:15:00Z".parse().unwrap();
    for at in [first, second] {
        let opening = rules.common_opening(std::slice::from_ref(&zone), at).unwrap();
        assert_eq!(opening.duration_since(at), SignedDuration::from_mins(15), "{at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whoever_waits_until_the_told_moment_finds_the_window_open(
        number in proptest::sample::select(vec![
            "+905321234218", "+12125551234", "+18005551234", "+33612345678", "+61412345678", "+79123456789",
            "+5511987654321", "+447400123456", "+13075551234",
        ]),
        second in 1_767_225_600_i64..1_830_297_600,
        from in 0_u16..1440,
        length in 1_u16..600,
    ) {
        let number: E164 = number.parse().unwrap();
        let now = Timestamp::from_second(second).unwrap();
        let quiet = [quiet(from, (from + length) % 1440)];
        if let Window::Closed { until, .. } = check(&number, None, &quiet, now) {
            prop_assert!(until > now);
            prop_assert_eq!(check(&number, None, &quiet, until), Window::Open);
            // And not a minute earlier.
            let before = until - SignedDuration::from_secs(1);
            prop_assert!(check(&number, None, &quiet, before) != Window::Open);
        }
    }
}
