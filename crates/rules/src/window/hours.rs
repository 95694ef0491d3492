//! When people of a country may be called, by law or by the conduct their regulators expect.
//!
//! Most of these rules are written for unsolicited calls and excuse consent; we keep them all
//! the same, because a lead who has just filled in a form at night still wants to sleep. Public
//! holidays are not known. This is no legal advice: a compliance team that knows better gives
//! the flow quiet hours, which only ever narrow the window.
//!
//! To add a country, add a row with its source in words, and a case to the tests.

/// A span of the day in minutes since midnight, the end not included.
pub(super) type Span = (u16, u16);

/// The spans of a week.
#[derive(Debug)]
pub(super) struct Hours {
    pub(super) weekdays: &'static [Span],
    pub(super) saturday: &'static [Span],
    pub(super) sunday: &'static [Span],
}

const fn at(hour: u16, minute: u16) -> u16 {
    hour * 60 + minute
}

/// Everywhere else: eight to nine. The widest window that the United States allow, and nowhere
/// considered improper.
const USUAL: Hours = Hours {
    weekdays: &[(at(8, 0), at(21, 0))],
    saturday: &[(at(8, 0), at(21, 0))],
    sunday: &[(at(8, 0), at(21, 0))],
};

const COUNTRIES: &[(&str, Hours)] = &[
    // United Arab Emirates: the cabinet's resolution on telemarketing of 2024 names nine to six.
    (
        "AE",
        Hours {
            weekdays: &[(at(9, 0), at(18, 0))],
            saturday: &[(at(9, 0), at(18, 0))],
            sunday: &[(at(9, 0), at(18, 0))],
        },
    ),
    // Australia: the telemarketing industry standard; never on Sundays.
    ("AU", Hours { weekdays: &[(at(9, 0), at(20, 0))], saturday: &[(at(9, 0), at(17, 0))], sunday: &[] }),
    // Brazil: the telecommunication companies' code of conduct; never on Sundays.
    ("BR", Hours { weekdays: &[(at(9, 0), at(21, 0))], saturday: &[(at(10, 0), at(16, 0))], sunday: &[] }),
    // Canada: the regulator's unsolicited telecommunications rules.
    (
        "CA",
        Hours {
            weekdays: &[(at(9, 0), at(21, 30))],
            saturday: &[(at(10, 0), at(18, 0))],
            sunday: &[(at(10, 0), at(18, 0))],
        },
    ),
    // Spain: consumer law forbids commercial calls at weekends and outside nine to nine.
    ("ES", Hours { weekdays: &[(at(9, 0), at(21, 0))], saturday: &[], sunday: &[] }),
    // France: the decree of October 2022 names two spans on weekdays, none at weekends.
    ("FR", Hours { weekdays: &[(at(10, 0), at(13, 0)), (at(14, 0), at(20, 0))], saturday: &[], sunday: &[] }),
    // India: the telecom regulator's rules for commercial communication, nine to nine.
    (
        "IN",
        Hours {
            weekdays: &[(at(9, 0), at(21, 0))],
            saturday: &[(at(9, 0), at(21, 0))],
            sunday: &[(at(9, 0), at(21, 0))],
        },
    ),
    // Italy: the code of conduct that the data protection authority approved; never on Sundays.
    ("IT", Hours { weekdays: &[(at(9, 0), at(20, 0))], saturday: &[(at(10, 0), at(19, 0))], sunday: &[] }),
    // Türkiye: no statute names hours for consented calls; a cautious reading of custom.
    (
        "TR",
        Hours {
            weekdays: &[(at(9, 0), at(20, 0))],
            saturday: &[(at(10, 0), at(18, 0))],
            sunday: &[(at(10, 0), at(18, 0))],
        },
    ),
    // United States: federal rules, not before eight or after nine where the called party is.
    ("US", USUAL),
];

/// The hours of a country.
pub(super) fn of_country(country: Option<&str>) -> &'static Hours {
    let found = COUNTRIES.iter().find(|(code, _)| Some(*code) == country);
    found.map_or(&USUAL, |(_, hours)| hours)
}
