//! The values that a flow's templates may use: `contact.name`, `lead.intent`, `call.to_number`,
//! `account.name`, `system.date` … Pure.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use talkif_model::{AccountId, CallId, Direction};

/// Dotted names and their values. All of it may be personal.
#[derive(Default)]
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(crate) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(crate) fn set_some(&mut self, name: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// The plain fields of an object, under `group`. Named variables win over them.
    pub(crate) fn set_fields(&mut self, group: &str, fields: &Map<String, Value>) {
        for (name, value) in fields {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            self.0.entry(format!("{group}.{name}")).or_insert(text);
        }
    }

    pub(crate) fn set_call(&mut self, id: CallId, direction: Direction, from: &str, to: &str) {
        self.set("call.id", id.to_string());
        self.set("call.direction", direction.as_str());
        self.set("call.from_number", from);
        self.set("call.to_number", to);
    }

    pub(crate) fn set_account(&mut self, id: AccountId, name: &str) {
        self.set("account.id", id.to_string());
        self.set("account.name", name);
    }

    /// The time at the person's, or in UTC where their zone is not known.
    pub(crate) fn set_time(&mut self, now_us: i64, timezone: Option<&str>) {
        let zone =
            timezone.and_then(|name| jiff::tz::TimeZone::get(name).ok()).unwrap_or(jiff::tz::TimeZone::UTC);
        let Ok(now) = jiff::Timestamp::from_microsecond(now_us) else { return };
        let now = now.to_zoned(zone);
        self.set("system.date", now.strftime("%Y-%m-%d").to_string());
        self.set("system.time", now.strftime("%H:%M:%S").to_string());
        self.set("system.timezone", now.time_zone().iana_name().unwrap_or("UTC"));
        self.set("system.timestamp", now.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    }

    pub(crate) fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }
}

/// The `X-…` headers among a leg's attributes, by names that a template can say: `sip.h.X-Desk`
/// is `x_desk`.
pub(crate) fn of_headers(attributes: &BTreeMap<String, String>) -> Map<String, Value> {
    let header = |(name, value): (&String, &String)| {
        let name = name.strip_prefix("sip.h.")?.to_ascii_lowercase().replace('-', "_");
        let sayable = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (sayable && name.starts_with("x_")).then(|| (name, Value::from(value.as_str())))
    };
    attributes.iter().filter_map(header).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_persons_own() {
        let mut variables = Variables::default();
        variables.set_time(1_779_797_163_000_000, Some("Europe/Istanbul"));
        let map = variables.into_map();
        assert_eq!(map["system.time"], "15:06:03");
        assert_eq!(map["system.timestamp"], "2026-05-26T15:06:03+03:00");
    }

    #[test]
    fn headers_of_the_invite_have_names_that_templates_can_say() {
        let attributes =
            [("sip.h.X-Desk-Id", "7"), ("sip.callID", "a"), ("sip.h.X-A{{b}}", "c"), ("sip.h.Via", "d")];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let mut variables = Variables::default();
        variables.set_fields("call.headers", &of_headers(&attributes));
        let map = variables.into_map();
        assert_eq!(
            map.into_iter().collect::<Vec<_>>(),
            [("call.headers.x_desk_id".to_owned(), "7".to_owned())]
        );
    }

    #[test]
    fn named_variables_win_over_custom_fields() {
        let mut variables = Variables::default();
        variables.set("contact.name", "Ece");
        let fields = serde_json::json!({ "name": "x", "company": "Helena", "seats": 3, "tags": ["a"] });
        variables.set_fields("contact", fields.as_object().unwrap());
        let map = variables.into_map();
        assert_eq!((map["contact.name"].as_str(), map["contact.seats"].as_str()), ("Ece", "3"));
        assert!(!map.contains_key("contact.tags"));
    }
}
