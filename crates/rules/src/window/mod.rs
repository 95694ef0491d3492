//! May a number be called now, and if not, when?
//!
//! A number may be called while it is a permitted hour in its country (`hours`) and no quiet
//! hour of the flow, in every zone in which it may ring (`zones`). Everything is judged by the
//! clock on the wall, so it holds on the days on which clocks change: an hour that is skipped
//! delays nobody beyond it, and one that comes twice is closed or open twice.

mod hours;

use crate::phone::country_of;
use crate::zones;
use hours::{Hours, Span};
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use talkif_model::E164;
use talkif_model::flow::QuietHours;

/// How far ahead an opening is looked for: windows repeat each week, clock changes aside.
const HORIZON: SignedDuration = SignedDuration::from_hours(15 * 24);

/// Whether a number may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// It may.
    Open,
    /// Not before a time.
    Closed {
        /// The first moment at which it may be called.
        until: Timestamp,
        /// Why not now.
        reason: Closed,
    },
    /// Its zones and quiet hours leave no common moment, or nobody knows where it is.
    Never,
}

talkif_model::string_enum! {
    /// Why a window is closed.
    pub enum Closed as "reason of a closed window" {
        /// The hours of the country.
        OutsideCallableHours = "outside_callable_hours",
        /// The flow's quiet hours.
        QuietHours = "quiet_hours",
    }
}

/// Whether `number` may be called at `now`. `stated_zone` is what is known of the person's zone;
/// a name that is no zone counts as unknown.
#[must_use]
pub fn check(number: &E164, stated_zone: Option<&str>, quiet: &[QuietHours], now: Timestamp) -> Window {
    check_in(country_of(number), &zones::deciding(number, stated_zone), quiet, now)
}

/// As [`check`], for a country and zones that are known already.
#[must_use]
pub fn check_in<S: AsRef<str>>(
    country: Option<&str>,
    zones: &[S],
    quiet: &[QuietHours],
    now: Timestamp,
) -> Window {
    let rules = Rules { hours: hours::of_country(country), quiet };
    let zones: Vec<TimeZone> = zones.iter().filter_map(|name| TimeZone::get(name.as_ref()).ok()).collect();
    if zones.is_empty() {
        return Window::Never;
    }
    // The law of one zone is named before the quiet hours of another.
    let Some(reason) = zones.iter().filter_map(|zone| rules.closed_by(zone, now)).min() else {
        return Window::Open;
    };
    match rules.common_opening(&zones, now) {
        Some(until) => Window::Closed { until, reason },
        None => Window::Never,
    }
}

struct Rules<'a> {
    hours: &'static Hours,
    quiet: &'a [QuietHours],
}

impl Rules<'_> {
    fn closed_by(&self, zone: &TimeZone, at: Timestamp) -> Option<Closed> {
        let local = at.to_zoned(zone.clone());
        let minute = minute_of(&local);
        if !self.spans(local.weekday()).iter().any(|(from, until)| (*from..*until).contains(&minute)) {
            return Some(Closed::OutsideCallableHours);
        }
        self.quiet.iter().any(|quiet| is_quiet(quiet, minute)).then_some(Closed::QuietHours)
    }

    const fn spans(&self, day: Weekday) -> &'static [Span] {
        match day {
            Weekday::Saturday => self.hours.saturday,
            Weekday::Sunday => self.hours.sunday,
            _ => self.hours.weekdays,
        }
    }

    /// The first moment from `now` on at which all zones are open: whichever opens last moves
    /// the search on, until nobody objects.
    fn common_opening(&self, zones: &[TimeZone], now: Timestamp) -> Option<Timestamp> {
        let limit = now.checked_add(HORIZON).ok()?;
        let mut at = now;
        while at <= limit {
            let Some(closed) = zones.iter().find(|zone| self.closed_by(zone, at).is_some()) else {
                return Some(at);
            };
            at = self.next_opening(closed, at)?;
        }
        None
    }

    /// The first moment after `at` at which `zone` is open.
    fn next_opening(&self, zone: &TimeZone, at: Timestamp) -> Option<Timestamp> {
        let mut moments = self.boundaries(zone, at);
        moments.retain(|moment| *moment > at);
        moments.sort_unstable();
        moments.into_iter().find(|moment| self.closed_by(zone, *moment).is_none())
    }

    /// Every moment of the coming eight days at which the zone could open: the starts of spans,
    /// the ends of quiet hours, and changes of the clock.
    fn boundaries(&self, zone: &TimeZone, at: Timestamp) -> Vec<Timestamp> {
        let mut moments = Vec::new();
        let mut day = at.to_zoned(zone.clone()).date();
        for _ in 0..=8 {
            let starts = self.spans(day.weekday()).iter().map(|(from, _)| *from);
            for minute in starts.chain(self.quiet.iter().map(|quiet| quiet.until_minute)) {
                moments.extend(moments_of(zone, on_the_clock(day, minute)));
            }
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        let week = SignedDuration::from_hours(8 * 24);
        let changes = zone.following(at).map(|change| change.timestamp());
        moments.extend(changes.take_while(|change| change.duration_since(at) < week));
        moments
    }
}

fn on_the_clock(day: jiff::civil::Date, minute: u16) -> Option<DateTime> {
    let hour = i8::try_from(minute / 60).ok().filter(|hour| *hour < 24)?;
    let minute = i8::try_from(minute % 60).ok()?;
    Some(day.at(hour, minute, 0, 0))
}

/// The one moment at which the clock shows a time; two where the hour comes twice.
fn moments_of(zone: &TimeZone, local: Option<DateTime>) -> impl Iterator<Item = Timestamp> {
    let both = local.map(|local| {
        let moment = zone.to_ambiguous_timestamp(local);
        [moment.earlier(), moment.later()]
    });
    both.into_iter().flatten().flatten()
}

fn minute_of(local: &Zoned) -> u16 {
    u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
}

const fn is_quiet(quiet: &QuietHours, minute: u16) -> bool {
    if quiet.from_minute <= quiet.until_minute {
        quiet.from_minute <= minute && minute < quiet.until_minute
    } else {
        quiet.from_minute <= minute || minute < quiet.until_minute
    }
}

#[cfg(test)]
mod tests;
