//! Who is called: personas of the lab, under numbers that may be called at this hour.

use crate::stack::Lab;
use anyhow::{Context as _, Result};
use jiff::Timestamp;
use talkif_model::E164;
use talkif_rules::window;

/// What the person on the phone is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Persona {
    /// Answers the questions and takes the offered slot.
    Books,
    /// Answers the questions and wants to be called back.
    Qualifies,
    /// Is not interested.
    Declines,
    /// Is somebody else.
    WrongNumber,
    /// Is on the phone already.
    Busy,
    /// Does not pick up.
    NoAnswer,
    /// Is an answering machine.
    Voicemail,
    /// Talks into the agent's sentence, then books.
    Interrupts,
    /// Says mm-hmm while the agent speaks, then books.
    Backchannels,
    /// Picks up and says nothing.
    Silent,
    /// Asks never to be called again.
    SaysStop,
    /// Hangs up in the middle of a sentence.
    HangsUp,
}

impl Persona {
    /// The lab's name of it.
    pub(crate) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// Prefix, digits to append, and country hint: mobile ranges around the globe, so that
/// somewhere it is always day.
const RANGES: [(&str, usize, &str); 6] = [
    ("+90532", 7, "TR"),
    ("+447400", 6, "GB"),
    ("+1212736", 4, "US"),
    ("+1310273", 4, "US"),
    ("+6141234", 4, "AU"),
    ("+8190123", 5, "JP"),
];

/// One who is called.
pub(crate) struct Person {
    pub(crate) number: E164,
    pub(crate) persona: Persona,
}

/// `each` people of every persona, in a country where they may be called now.
pub(crate) fn callable_now(personas: &[Persona], each: usize) -> Result<Vec<Person>> {
    let now = Timestamp::now();
    let numbers = RANGES
        .iter()
        .map(|(prefix, digits, _)| numbers(prefix, *digits, each * personas.len()))
        .find(|numbers| numbers.first().is_some_and(|number| is_day(number, now)))
        .context("nowhere in the world may anybody be called at this moment")?;
    let personas = personas.iter().copied().cycle();
    Ok(numbers.into_iter().zip(personas).map(|(number, persona)| Person { number, persona }).collect())
}

fn numbers(prefix: &str, digits: usize, count: usize) -> Vec<E164> {
    // Spread over the range; the first digits stay clear of service numbers.
    let base = 3 * 10_u64.pow(u32::try_from(digits).unwrap_or(4) - 1) + 1_234;
    (0..count as u64).filter_map(|n| format!("{prefix}{:0digits$}", base + n).parse().ok()).collect()
}

/// Open now and in half an hour, under the demo flow's own quiet hours.
fn is_day(number: &E164, now: Timestamp) -> bool {
    let quiet = [talkif_model::flow::QuietHours { from_minute: 22 * 60, until_minute: 9 * 60 }];
    [now, now + jiff::SignedDuration::from_mins(30)]
        .iter()
        .all(|at| window::check(number, None, &quiet, *at) == window::Window::Open)
}

/// Puts the persona behind each number.
pub(crate) async fn install(lab: &Lab, people: &[Person]) -> Result<()> {
    let client = reqwest::Client::new();
    for person in people {
        let url = format!("http://{}/lab/phones/{}", lab.http, person.number.as_str().replace('+', "%2B"));
        client
            .put(url)
            .json(&serde_json::json!({ "persona": person.persona.name() }))
            .send()
            .await?
            .error_for_status()
            .context("the lab refused the phone")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somewhere_it_is_always_day() {
        let midnight: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        for hour in 0..24 {
            let at = midnight + jiff::SignedDuration::from_hours(hour);
            let open = RANGES.iter().any(|(prefix, digits, _)| is_day(&numbers(prefix, *digits, 1)[0], at));
            assert!(open, "at {at}");
        }
    }

    #[test]
    fn every_number_is_a_valid_mobile_or_fixed_line() {
        for (prefix, digits, country) in RANGES {
            for number in numbers(prefix, digits, 50) {
                assert!(talkif_rules::phone::normalise(number.as_str(), Some(country)).is_ok(), "{prefix}");
            }
        }
    }
}
