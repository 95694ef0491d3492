//! `match`, `call` and `agent`: which leads, how calls are placed, who speaks.

use super::defaults;
use super::duration::parse_span;
use super::field::{Entry, Field};
use super::follow_ups::RetryChoice;
use super::suggest;
use super::vocabulary::{LLM, STT, TTS, Vendor, language};
use crate::template;
use std::collections::BTreeMap;
use talkif_model::flow::{CallPolicy, FlowMatch, QuietHours, RetryPolicy, VoiceSettings};

const MATCH_KEYS: &[&str] = &["source", "campaign", "intent", "language"];
const CALL_KEYS: &[&str] = &[
    "within",
    "voice",
    "quiet_hours",
    "max_ring",
    "max_duration",
    "silence",
    "record",
    "recording_ttl",
    "retry",
    "headers",
];
const AGENT_KEYS: &[&str] = &["system", "greeting", "language", "stt", "llm", "tts", "temperature"];
const VENDOR_KEYS: &[&str] = &["provider", "model"];
const SILENCE_KEYS: &[&str] = &["after", "prompts"];
const RETRY_KEYS: &[&str] = &["delay", "max", "backoff", "cap"];
const DAY_S: u32 = 86_400;
const LONGEST_HEADER: usize = 60;
const MOST_HEADERS: usize = 16;

/// Reads `match`.
pub(super) fn matches(field: Option<&Field<'_>>) -> FlowMatch {
    let Some(section) = field.map(|field| field.section(MATCH_KEYS)) else { return FlowMatch::default() };
    let texts = |name: &str| section.get(name).map(|field| field.texts()).unwrap_or_default();
    let languages = section.get("language").map(|field| field.items()).unwrap_or_default();
    FlowMatch {
        source: texts("source"),
        campaign: texts("campaign"),
        intent: texts("intent"),
        language: languages.iter().filter_map(language_of).collect(),
    }
}

fn language_of(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    let code = language(&text);
    if code.is_none() {
        field.error(
            "invalid_language_code",
            format!("`{text}` is not an ISO 639-1 language such as en or tr"),
        );
    }
    code
}

/// Reads `call`; `chosen` is the policy that `on.no_answer` asks for.
pub(super) fn call(field: Option<&Field<'_>>, chosen: Option<&RetryChoice<'_>>) -> CallPolicy {
    let section = field.map(|field| field.section(CALL_KEYS));
    let get = |name: &str| section.as_ref().and_then(|section| section.get(name));
    let seconds = |name: &str, range, default| get(name).and_then(|f| f.duration_s(range)).unwrap_or(default);
    let (silence_prompt_ms, max_silence_prompts) = silence(get("silence").as_ref());
    CallPolicy {
        within_s: seconds("within", 1..=DAY_S, 60),
        quiet_hours: get("quiet_hours").map(|field| quiet_hours(&field)).unwrap_or_default(),
        max_ring_s: seconds("max_ring", 5..=120, 30),
        max_duration_s: seconds("max_duration", 30..=14_400, 600),
        silence_prompt_ms,
        max_silence_prompts,
        record: get("record").and_then(|field| field.boolean()).unwrap_or(false),
        recording_ttl_days: seconds("recording_ttl", DAY_S..=730 * DAY_S, 30 * DAY_S) / DAY_S,
        retry: retry(get("retry").as_ref(), chosen),
        headers: get("headers").map(|field| headers(&field)).unwrap_or_default(),
    }
}

/// `X-…` headers and templates for their values. `X-Talkif-…` are our own.
fn headers(field: &Field<'_>) -> BTreeMap<String, String> {
    let fits = |name: &str| {
        let lower = name.to_ascii_lowercase();
        lower.len() > 2
            && lower.len() <= LONGEST_HEADER
            && lower.starts_with("x-")
            && !lower.starts_with("x-talkif-")
            && lower.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let read = |entry: &Entry<'_>| {
        if !fits(&entry.key.name) {
            let message =
                format!("`{}` must be a header such as X-Campaign, and none of ours", entry.key.name);
            entry.error("invalid_header", message);
            return None;
        }
        Some((entry.key.name.clone(), prompt(&entry.value)?))
    };
    let entries = field.entries();
    if entries.len() > MOST_HEADERS {
        field.error("out_of_range", format!("at most {MOST_HEADERS} headers"));
    }
    entries.iter().filter_map(read).collect()
}

fn quiet_hours(field: &Field<'_>) -> Vec<QuietHours> {
    let read = |item: &Field<'_>| {
        let span = parse_span(&item.text()?);
        span.map_err(|error| item.error("invalid_quiet_hours", error.to_string())).ok()
    };
    field.items().iter().filter_map(read).collect()
}

/// `silence: 10s`, or `silence: {after: 10s, prompts: 2}`.
fn silence(field: Option<&Field<'_>>) -> (u32, u32) {
    const RANGE: std::ops::RangeInclusive<u64> = 1_000..=60_000;
    let (default_ms, default_prompts) = (10_000, 2);
    let Some(field) = field else { return (default_ms, default_prompts) };
    if !field.is_map() {
        return (field.duration_ms(RANGE).unwrap_or(default_ms), default_prompts);
    }
    let section = field.section(SILENCE_KEYS);
    let after = section.get("after").and_then(|field| field.duration_ms(RANGE));
    let prompts = section.get("prompts").and_then(|field| field.integer(0..=10));
    (after.unwrap_or(default_ms), prompts.unwrap_or(default_prompts))
}

/// The policy stands in one place: in `call.retry` or in `on.no_answer`.
fn retry(field: Option<&Field<'_>>, chosen: Option<&RetryChoice<'_>>) -> RetryPolicy {
    match (field, chosen) {
        (Some(field), Some(chosen)) => {
            field.error("conflict", format!("the retry policy also stands in {}", chosen.field.path));
            chosen.policy
        }
        (Some(field), None) => retry_of(field).unwrap_or(defaults::RETRY),
        (None, Some(chosen)) => chosen.policy,
        (None, None) => defaults::RETRY,
    }
}

/// `retry: never`, or `retry: {delay: 15m, max: 3, backoff: fixed}`.
fn retry_of(field: &Field<'_>) -> Option<RetryPolicy> {
    if !field.is_map() {
        field.one_of(&["never"], "invalid_retry")?;
        return Some(RetryPolicy::Never);
    }
    let section = field.section(RETRY_KEYS);
    let delay = section.get("delay").and_then(|field| field.duration_s(DELAY_S));
    let max = section.get("max").and_then(|field| field.integer(MAX_ATTEMPTS));
    let cap = section.get("cap").and_then(|field| field.duration_s(DELAY_S));
    let backoff = section.get("backoff").and_then(|field| field.one_of(BACKOFFS, "invalid_retry"));
    Some(retry_policy(delay, max, cap, backoff == Some("fixed")))
}

/// Shortest and longest pause between attempts, in seconds.
pub(super) const DELAY_S: std::ops::RangeInclusive<u32> = 60..=7 * DAY_S;
/// Further attempts.
pub(super) const MAX_ATTEMPTS: std::ops::RangeInclusive<u32> = 0..=10;
/// How the pause grows.
pub(super) const BACKOFFS: &[&str] = &["fixed", "exponential"];

/// A policy from what an author gave of it.
pub(super) fn retry_policy(
    delay: Option<u32>,
    max: Option<u32>,
    cap: Option<u32>,
    fixed: bool,
) -> RetryPolicy {
    let RetryPolicy::Exponential { base_s, cap_s, max: usual } = defaults::RETRY else {
        return defaults::RETRY;
    };
    let (base_s, max) = (delay.unwrap_or(base_s), max.unwrap_or(usual));
    if max == 0 {
        RetryPolicy::Never
    } else if fixed {
        RetryPolicy::Fixed { delay_s: base_s, max }
    } else {
        RetryPolicy::Exponential { base_s, cap_s: cap.unwrap_or(cap_s).max(base_s), max }
    }
}

/// Who speaks, and with which words.
pub(super) struct Speech {
    pub(super) voice: VoiceSettings,
    pub(super) system_prompt: String,
    pub(super) greeting: String,
}

/// Reads `agent`, and the voice from `call`. The language is the agent's, else the first that
/// the flow matches, else English.
pub(super) fn speech(agent: Option<&Field<'_>>, call: Option<&Field<'_>>, matches: &FlowMatch) -> Speech {
    let section = agent.map(|field| field.section(AGENT_KEYS));
    let get = |name: &str| section.as_ref().and_then(|section| section.get(name));
    let language = get("language").and_then(|field| language_of(&field));
    let language = language.or_else(|| matches.language.first().cloned()).unwrap_or_else(|| "en".to_owned());
    Speech {
        system_prompt: get("system")
            .and_then(|f| prompt(&f))
            .unwrap_or_else(|| defaults::system_prompt(&language)),
        greeting: get("greeting")
            .and_then(|f| prompt(&f))
            .unwrap_or_else(|| defaults::greeting(&language).to_owned()),
        voice: voice_settings(get, voice(call), language),
    }
}

fn voice_settings<'a>(
    get: impl Fn(&str) -> Option<Field<'a>>,
    voice: Option<String>,
    language: String,
) -> VoiceSettings {
    let (stt_provider, stt_model) = vendor(get("stt").as_ref(), STT);
    let (llm_provider, llm_model) = vendor(get("llm").as_ref(), LLM);
    let (tts_provider, tts_model) = vendor(get("tts").as_ref(), TTS);
    VoiceSettings {
        voice: voice.unwrap_or_else(|| format!("voice_warm_{language}")),
        language,
        stt_provider,
        stt_model,
        llm_provider,
        llm_model,
        temperature: get("temperature").and_then(|field| field.number(0.0..=2.0)).unwrap_or(0.4),
        tts_provider,
        tts_model,
    }
}

/// The keys of `call` are checked where `call` itself is read; here only the voice is taken.
fn voice(call: Option<&Field<'_>>) -> Option<String> {
    let entries = call.filter(|field| field.is_map())?.entries();
    entries.iter().find(|entry| entry.key.name == "voice")?.value.text()
}

/// A text that is a valid template.
pub(super) fn prompt(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    template::check(&text).map_err(|error| field.error("invalid_template", error.to_string())).ok()?;
    Some(text)
}

/// `deepgram`, `deepgram/nova-3`, or `{provider: deepgram, model: nova-3}`.
fn vendor(field: Option<&Field<'_>>, known: &[Vendor]) -> (String, String) {
    let named = field.and_then(|field| named_vendor(field, known));
    let usual = || known.first().map(|vendor| (vendor.name.to_owned(), vendor.model.to_owned()));
    named.or_else(usual).unwrap_or_default()
}

fn named_vendor(field: &Field<'_>, known: &[Vendor]) -> Option<(String, String)> {
    let (place, provider, model) = if field.is_map() {
        let section = field.section(VENDOR_KEYS);
        let provider = section.required("provider")?;
        let text = provider.text()?;
        (provider, text, section.get("model").and_then(|field| field.text()))
    } else {
        let text = field.text()?;
        let (provider, model) =
            text.split_once('/').map_or((text.as_str(), None), |(p, m)| (p, Some(m.to_owned())));
        (field.clone(), provider.to_owned(), model)
    };
    let names: Vec<&str> = known.iter().map(|vendor| vendor.name).collect();
    let Some(found) = known.iter().find(|vendor| vendor.name == provider) else {
        place.error("unknown_provider", suggest::unknown("provider", &provider, &names));
        return None;
    };
    Some((provider, model.unwrap_or_else(|| found.model.to_owned())))
}
