//! What must hold for a lead by itself, before anything else is asked.

use super::wire::{Consent, ConsentEvidence, CreateLead, Within};
use serde_json::{Map, Value};
use talkif_model::{E164, FlowId, Personal};
use talkif_problem::{Code, FieldCode, FieldError, Problem};
use talkif_rules::phone;

/// Longest words of a lead.
const MAX_WORD: usize = 100;
/// Longest name.
const MAX_NAME: usize = 200;
/// Largest metadata, in bytes of JSON.
const MAX_METADATA: usize = 16 * 1024;
/// Longest `call_within`: a day.
const MAX_WITHIN_S: i64 = 86_400;

/// A lead that is well-formed.
#[derive(Clone)]
pub(super) struct CheckedLead {
    pub(super) source: String,
    pub(super) phone: E164,
    pub(super) name: Option<Personal<String>>,
    pub(super) intent: Option<String>,
    pub(super) language: Option<String>,
    pub(super) campaign: Option<String>,
    pub(super) timezone: Option<String>,
    pub(super) evidence: Evidence,
    pub(super) call_within_s: Option<u32>,
    pub(super) flow_id: Option<FlowId>,
    pub(super) from_number: Option<E164>,
    pub(super) metadata: Map<String, Value>,
}

/// What is kept about a consent.
#[derive(Clone)]
pub(super) struct Evidence {
    pub(super) source: String,
    pub(super) json: Value,
}

/// Checks everything that one lead says. Malformed fields are reported together; a well-formed
/// lead without consent is a broken rule, not a broken request.
pub(super) fn check(lead: CreateLead) -> Result<CheckedLead, Problem> {
    let mut errors = Vec::new();
    check_words(&lead, &mut errors);
    let phone = keep(&mut errors, check_phone("phone", &lead.phone, lead.country.as_deref()));
    let from_number = lead.from_number.as_ref().map(|number| check_phone("from_number", number, None));
    let from_number = from_number.and_then(|number| keep(&mut errors, number));
    let call_within_s = lead.call_within.as_ref().map(check_within);
    let call_within_s = call_within_s.and_then(|seconds| keep(&mut errors, seconds));
    let (Some(phone), true) = (phone, errors.is_empty()) else { return Err(Problem::fields(errors)) };
    let evidence = check_consent(lead.consent.as_ref(), &lead.source)?;
    Ok(CheckedLead {
        source: lead.source,
        phone,
        name: lead.name,
        intent: lead.intent,
        language: lead.language.map(|language| language.to_ascii_lowercase()),
        campaign: lead.campaign,
        timezone: lead.timezone,
        evidence,
        call_within_s,
        flow_id: lead.flow_id,
        from_number,
        metadata: lead.metadata,
    })
}

fn keep<T>(errors: &mut Vec<FieldError>, checked: Result<T, FieldError>) -> Option<T> {
    checked.map_err(|error| errors.push(error)).ok()
}

fn check_words(lead: &CreateLead, errors: &mut Vec<FieldError>) {
    if lead.event.as_deref().is_some_and(|event| event != "lead.created") {
        errors.push(FieldError::new("event", FieldCode::OutOfRange, "It must be `lead.created`"));
    }
    let name = lead.name.as_ref().map(|name| name.0.as_str());
    let words = [
        ("source", Some(lead.source.as_str()), MAX_WORD),
        ("intent", lead.intent.as_deref(), MAX_WORD),
        ("campaign", lead.campaign.as_deref(), MAX_WORD),
        ("name", name, MAX_NAME),
    ];
    for (field, text, most) in words {
        errors.extend(text.and_then(|text| check_length(field, text, most).err()));
    }
    errors.extend(lead.language.as_deref().and_then(|language| check_language(language).err()));
    errors.extend(lead.timezone.as_deref().and_then(|zone| check_timezone(zone).err()));
    if serde_json::to_string(&lead.metadata).map_or(0, |json| json.len()) > MAX_METADATA {
        let message = format!("It must be at most {MAX_METADATA} bytes of JSON");
        errors.push(FieldError::new("metadata", FieldCode::TooLong, message));
    }
}

fn check_length(field: &str, text: &str, most: usize) -> Result<(), FieldError> {
    if text.trim().is_empty() {
        return Err(FieldError::new(field, FieldCode::TooShort, "It must not be empty"));
    }
    if text.chars().count() > most {
        return Err(FieldError::new(
            field,
            FieldCode::TooLong,
            format!("It must be at most {most} characters"),
        ));
    }
    Ok(())
}

fn check_language(language: &str) -> Result<(), FieldError> {
    if language.len() == 2 && language.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Ok(());
    }
    Err(FieldError::new(
        "language",
        FieldCode::InvalidLanguageCode,
        "It must be an ISO 639-1 code, such as `tr`",
    ))
}

fn check_timezone(zone: &str) -> Result<(), FieldError> {
    jiff::tz::db().get(zone).map(drop).map_err(|_| {
        FieldError::new(
            "timezone",
            "invalid_timezone",
            "It must be an IANA time zone, such as `Europe/Istanbul`",
        )
    })
}

fn check_phone(field: &str, number: &Personal<String>, country: Option<&str>) -> Result<E164, FieldError> {
    phone::normalise(&number.0, country)
        .map_err(|error| FieldError::new(field, error.code(), error.to_string()))
}

fn check_within(within: &Within) -> Result<u32, FieldError> {
    let seconds = match within {
        Within::Seconds(seconds) => Some(*seconds),
        Within::Text(text) => parse_seconds(text),
    };
    let Some(seconds) = seconds else {
        let message = "It must be seconds, or a text such as `60s`, `2m` or `1h`";
        return Err(FieldError::new("call_within", FieldCode::InvalidFormat, message));
    };
    if !(1..=MAX_WITHIN_S).contains(&seconds) {
        let message = format!("It must be between 1 second and {MAX_WITHIN_S} seconds");
        return Err(FieldError::new("call_within", FieldCode::OutOfRange, message));
    }
    u32::try_from(seconds).map_err(|_| FieldError::new("call_within", FieldCode::OutOfRange, "Out of range"))
}

fn parse_seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return text.parse().ok(),
    };
    text.get(..text.len() - 1)?.trim().parse::<i64>().ok()?.checked_mul(unit)
}

fn check_consent(consent: Option<&Consent>, lead_source: &str) -> Result<Evidence, Problem> {
    let granted = match consent {
        Some(Consent::Flag(granted)) => *granted,
        Some(Consent::Evidence(evidence)) => evidence.granted,
        None => false,
    };
    if !granted {
        let error = FieldError::new("consent", FieldCode::Required, "Nobody is called without consent");
        let detail = "The lead has not consented to be called";
        return Err(Problem::new(Code::BusinessRuleViolation, detail).with_field(error));
    }
    Ok(evidence(consent, lead_source))
}

fn evidence(consent: Option<&Consent>, lead_source: &str) -> Evidence {
    let Some(Consent::Evidence(given)) = consent else {
        return Evidence { source: lead_source.to_owned(), json: Value::Object(Map::new()) };
    };
    let json = serde_json::to_value::<&ConsentEvidence>(given).unwrap_or_default();
    Evidence { source: given.source.clone().unwrap_or_else(|| lead_source.to_owned()), json }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(changes: Value) -> Result<CheckedLead, Problem> {
        let mut lead = json!({"source": "web_form", "phone": "+905321234218", "consent": true});
        for (key, value) in changes.as_object().unwrap() {
            lead[key] = value.clone();
        }
        check(serde_json::from_value(lead).unwrap())
    }

    #[test]
    fn the_quickstart_lead_is_well_formed() {
        let lead =
            checked(json!({"event": "lead.created", "intent": "pricing", "call_within": 60})).ok().unwrap();
        assert_eq!(lead.phone.as_str(), "+905321234218");
        assert_eq!(lead.call_within_s, Some(60));
    }

    #[test]
    fn every_wrong_field_is_reported_at_once() {
        let changes = json!({
            "event": "lead.updated", "source": " ", "phone": "12", "language": "tür",
            "timezone": "Europe/Nowhere", "call_within": "soon", "name": "x".repeat(201),
        });
        let problem = checked(changes).err().unwrap();
        let fields: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["event", "source", "name", "language", "timezone", "phone", "call_within"]);
    }

    #[test]
    fn without_consent_nobody_is_called() {
        for consent in [json!(false), json!({"granted": false}), Value::Null] {
            let problem = checked(json!({ "consent": consent })).err().unwrap();
            assert_eq!(problem.code, Code::BusinessRuleViolation);
            assert_eq!(problem.errors[0].field, "consent");
        }
    }

    #[test]
    fn evidence_of_consent_is_kept() {
        let consent = json!({"granted": true, "source": "landing_page", "ip": "203.0.113.9"});
        let lead = checked(json!({ "consent": consent })).ok().unwrap();
        assert_eq!(lead.evidence.source, "landing_page");
        assert_eq!(lead.evidence.json["ip"], "203.0.113.9");
    }

    #[test]
    fn spans_of_time_are_read_in_seconds_minutes_and_hours() {
        for (text, seconds) in
            [("60s", Some(60)), ("2m", Some(120)), ("1h", Some(3_600)), ("90", Some(90)), ("m", None)]
        {
            assert_eq!(parse_seconds(text), seconds, "{text}");
        }
    }
}
