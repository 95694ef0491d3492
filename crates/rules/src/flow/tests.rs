use super::*;
use proptest::prelude::*;
use talkif_model::Outcome;
use talkif_model::flow::{FollowUp, QuietHours, RetryPolicy};

/// The product's own example, to the letter.
const PRICING: &str = "\
id: flow_pricing_v3
match:
  source: [web_form, meta_lead_ads]
  intent: pricing
  language: [tr, en]
call:
  within: 60s  # dial budget
  voice: voice_warm_tr
  quiet_hours: 22:00-09:00
qualify:
  - need - timing - budget - location
on:
  qualified: book(calendar.mehmet)
  no_answer:   retry(15m, max=3) whatsapp
  not_fit:     log(\"out_of_scope\")
";

const AGENTS: &str = "\
id: flow_school
name: School
entry: welcome
agent:
  system: You are Ada of {{account.name}}.
  greeting: Hello {{default lead.name \"there\"}}
  language: en-GB
  stt: soniox
  llm: anthropic/claude-sonnet-4-5
  tts: {provider: elevenlabs, model: eleven_v3}
  temperature: 1
call:
  max_ring: 25s
  max_duration: 15m
  silence: {after: 8s, prompts: 1}
  record: true
  recording_ttl: 90d
  retry: {delay: 10m, max: 2, backoff: fixed}
agents:
  welcome:
    prompt: Find out what they want.
    slots:
      - need
      - {name: start_term, description: autumn or spring, required: false}
    transitions:
      - {to: booking, when: they want to visit}
      - {to: goodbye, when: they are not interested}
  booking:
    prompt: Agree on a time.
    book: calendar.registrar
    transitions:
      goodbye: a time is agreed
  goodbye:
    prompt: Thank them.
on:
  qualified: [book(calendar.registrar), crm]
  no_answer: retry -> sms
";

fn ok(source: &str) -> FlowGraph {
    compile(source, Format::Yaml).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Mistakes as `line:column path code`.
fn mistakes(source: &str) -> Vec<String> {
    let errors = compile(source, Format::Yaml).expect_err("the source has a mistake");
    errors.iter().map(|e| format!("{}:{} {} {}", e.line, e.column, e.path, e.code)).collect()
}

/// The example with one text replaced by another.
fn pricing_with(from: &str, to: &str) -> String {
    assert!(PRICING.contains(from), "{from}");
    PRICING.replace(from, to)
}

#[test]
fn the_product_s_own_example_compiles() {
    insta::assert_json_snapshot!(ok(PRICING));
}

#[test]
fn a_flow_of_several_agents_compiles() {
    insta::assert_json_snapshot!(ok(AGENTS));
}

#[test]
fn json_compiles_to_the_same_graph() {
    let json = r#"{
        "id": "flow_pricing_v3",
        "match": {"source": ["web_form", "meta_lead_ads"], "intent": "pricing", "language": ["tr", "en"]},
        "call": {"within": 60, "voice": "voice_warm_tr", "quiet_hours": "22:00-09:00"},
        "qualify": ["need", "timing", "budget", "location"],
        "on": {
            "qualified": "book(calendar.mehmet)",
            "no_answer": ["retry(15m, max=3)", "whatsapp"],
            "not_fit": "log(\"out_of_scope\")"
        }
    }"#;
    assert_eq!(compile(json, Format::Json).unwrap(), ok(PRICING));
}

#[test]
fn json_may_escape_characters_beyond_16_bits() {
    let json = r#"{"id": "flow_a", "name": "\ud83d\ude00\t\/", "qualify": "need"}"#;
    assert_eq!(compile(json, Format::Json).unwrap().name, "😀\t/");
}

#[test]
fn the_shortest_flow_is_complete() {
    let graph = ok("{id: flow_a, qualify: need}");
    assert_eq!(graph.name, "flow_a");
    assert_eq!(graph.entry, "qualify");
    assert_eq!(graph.voice.language, "en");
    assert_eq!(graph.call.retry, RetryPolicy::Exponential { base_s: 900, cap_s: 14_400, max: 3 });
    assert!(!graph.call.record);
    assert!(graph.on.is_empty());
}

#[test]
fn every_default_text_is_a_template_that_renders() {
    let values = [("account.name", "Helena"), ("lead.name", "Ece"), ("lead.source", "web_form")];
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    for language in ["en", "tr", "de", "fr", "es", "pl"] {
        let graph = ok(&format!("{{id: flow_a, match: {{language: {language}}}, qualify: [need, budget]}}"));
        let greeting = crate::template::render(&graph.greeting, &values).unwrap();
        assert!(greeting.contains("Ece") && greeting.contains("Helena"), "{greeting}");
        let system = crate::template::render(&graph.system_prompt, &values).unwrap();
        assert!(system.contains("Helena") && system.contains("web_form"), "{system}");
        assert!(graph.nodes["qualify"].prompt.contains("- budget: "));
    }
}

#[test]
fn questions_are_written_in_every_form() {
    let forms = [
        "[need, timing]",
        "need - timing",
        "need, timing",
        "[need - timing]",
        "[{name: need}, {name: timing}]",
        "[need, {name: timing, description: \"when they want to start, or by when they need it\"}]",
    ];
    let expected = ok("{id: flow_a, qualify: [need, timing]}");
    for form in forms {
        assert_eq!(ok(&format!("id: flow_a\nqualify: {form}\n")), expected, "{form}");
    }
}

#[test]
fn quiet_hours_may_be_several() {
    let graph = ok(&pricing_with("22:00-09:00", "[\"22:00-09:00\", 12:00-13:30]"));
    let expected =
        [(1320, 540), (720, 810)].map(|(from_minute, until_minute)| QuietHours { from_minute, until_minute });
    assert_eq!(graph.call.quiet_hours, expected);
}

#[test]
fn retries_are_written_in_every_form() {
    let on = |text: &str| ok(&pricing_with("retry(15m, max=3) whatsapp", text)).call.retry;
    assert_eq!(on("retry(15m, max=3)"), RetryPolicy::Fixed { delay_s: 900, max: 3 });
    assert_eq!(on("retry(1h)"), RetryPolicy::Fixed { delay_s: 3600, max: 3 });
    assert_eq!(on("retry(max=5)"), RetryPolicy::Exponential { base_s: 900, cap_s: 14_400, max: 5 });
    assert_eq!(
        on("retry(5m, max=4, backoff=exponential, cap=1h)"),
        RetryPolicy::Exponential { base_s: 300, cap_s: 3600, max: 4 }
    );
    assert_eq!(on("retry(15m, max=0)"), RetryPolicy::Never);
    assert_eq!(on("retry"), RetryPolicy::Exponential { base_s: 900, cap_s: 14_400, max: 3 });
    let never =
        pricing_with("retry(15m, max=3) whatsapp", "whatsapp").replace("call:\n", "call:\n  retry: never\n");
    assert_eq!(ok(&never).call.retry, RetryPolicy::Never);
}

#[test]
fn only_the_last_agents_book_when_none_says_so() {
    let graph = ok(&AGENTS.replace("    book: calendar.registrar\n", ""));
    assert_eq!(graph.nodes["goodbye"].book.as_deref(), Some("registrar"));
    assert_eq!(graph.nodes["welcome"].book, None);
    assert_eq!(graph.on[&Outcome::Qualified].first(), Some(&FollowUp::Book { calendar: "registrar".into() }));
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let table = [
        ("id: flow_pricing_v3", "id: pricing", "1:5 id invalid_id_format"),
        ("  source:", "  sorce:", "3:3 match.sorce unknown_key"),
        ("[tr, en]", "[tr, xx]", "5:18 match.language[1] invalid_language_code"),
        ("60s", "soon", "7:11 call.within invalid_duration"),
        ("60s", "0s", "7:11 call.within out_of_range"),
        ("60s", "[1]", "7:11 call.within invalid_duration"),
        ("voice_warm_tr", "5", "8:10 call.voice wrong_type"),
        ("22:00-09:00", "late", "9:16 call.quiet_hours invalid_quiet_hours"),
        ("need - timing - budget - location", "Need", "11:5 qualify[0] invalid_identifier"),
        ("need - timing - budget - location", "need - need", "11:5 qualify[0] duplicate_slot"),
        ("  qualified:", "  qualifed:", "13:3 on.qualifed unknown_outcome"),
        ("book(calendar.mehmet)", "book()", "13:14 on.qualified invalid_action"),
        ("book(calendar.mehmet)", "bok(calendar.mehmet)", "13:14 on.qualified invalid_action"),
        ("retry(15m, max=3) whatsapp", "retry(15m, max=99)", "14:16 on.no_answer invalid_action"),
        ("retry(15m, max=3) whatsapp", "book(calendar.a)", "14:16 on.no_answer invalid_action"),
        ("log(\"out_of_scope\")", "retry(15m)", "15:16 on.not_fit invalid_action"),
        ("log(\"out_of_scope\")", "{a: b}", "15:16 on.not_fit wrong_type"),
    ];
    for (from, to, expected) in table {
        assert_eq!(mistakes(&pricing_with(from, to)), [expected], "{to}");
    }
}

#[test]
fn numbers_have_limits() {
    let table = [
        ("max_ring: 2s", "out_of_range"),
        ("max_ring: 10m", "out_of_range"),
        ("max_duration: 10s", "out_of_range"),
        ("max_duration: 5h", "out_of_range"),
        ("silence: 500ms", "out_of_range"),
        ("silence: {after: 8s, prompts: 11}", "out_of_range"),
        ("silence: {after: 8s, prompts: two}", "wrong_type"),
        ("record: sometimes", "wrong_type"),
        ("recording_ttl: 1h", "out_of_range"),
        ("retry: {max: 99}", "out_of_range"),
        ("retry: always", "invalid_retry"),
        ("within: -5", "invalid_duration"),
        ("within: 99999999999999", "out_of_range"),
    ];
    for (line, code) in table {
        let source = format!("id: flow_a\nqualify: need\ncall:\n  {line}\n");
        let errors = compile(&source, Format::Yaml).expect_err(line);
        assert_eq!(errors.iter().map(|error| error.code.as_str()).collect::<Vec<_>>(), [code], "{line}");
        assert_eq!(errors[0].line, 4, "{line}");
    }
}

#[test]
fn agents_must_hang_together() {
    let table = [
        ("entry: welcome", "entry: wellcome", "3:8 entry invalid_initial_node"),
        ("{to: booking,", "{to: bookings,", "26:14 agents.welcome.transitions[0].to invalid_edge_reference"),
        ("{to: booking,", "{to: welcome,", "26:14 agents.welcome.transitions[0].to self_transition"),
        (
            "      goodbye: a time",
            "      goodby: a time",
            "32:15 agents.booking.transitions.goodby invalid_edge_reference",
        ),
        ("    prompt: Thank them.", "    slots: [need]", "34:5 agents.goodbye.prompt required"),
        ("Hello {{default", "Hello {{#if x}} {{default", "6:13 agent.greeting invalid_template"),
        ("stt: soniox", "stt: whisper", "8:8 agent.stt unknown_provider"),
        ("provider: elevenlabs", "provider: elevenlab", "10:19 agent.tts.provider unknown_provider"),
        ("temperature: 1", "temperature: 3", "11:16 agent.temperature out_of_range"),
        ("retry -> sms", "retry(15m) -> sms", "18:10 call.retry conflict"),
        (
            "calendar.registrar), crm]",
            "calendar.other), book(calendar.x)]",
            "36:37 on.qualified[1] invalid_action",
        ),
    ];
    for (from, to, expected) in table {
        assert!(AGENTS.contains(from), "{from}");
        let found = mistakes(&AGENTS.replace(from, to));
        assert!(found.iter().any(|mistake| mistake == expected), "{to}: {found:?}");
    }
}

#[test]
fn an_agent_that_no_way_leads_to_is_named() {
    let source = AGENTS.replace("      - {to: booking, when: they want to visit}\n", "");
    assert_eq!(mistakes(&source), ["27:3 agents.booking unreachable_node"]);
}

#[test]
fn all_mistakes_are_reported_at_once_in_their_order() {
    let source =
        "id: x\nmatch: [web_form]\ncall:\n  within: never\n  colour: red\non:\n  qualified: boook(a)\n";
    let expected = [
        "1:1 qualify required",
        "1:5 id invalid_id_format",
        "2:8 match wrong_type",
        "4:11 call.within invalid_duration",
        "5:3 call.colour unknown_key",
        "7:14 on.qualified invalid_action",
    ];
    assert_eq!(mistakes(source), expected);
}

#[test]
fn a_mistyped_word_gets_a_suggestion() {
    let errors = compile(&pricing_with("quiet_hours", "quite_hours"), Format::Yaml).unwrap_err();
    assert_eq!(errors[0].message, "unknown key `quite_hours`; did you mean `quiet_hours`?");
    assert_eq!(
        errors[0].to_string(),
        "9:3: call.quite_hours: unknown key `quite_hours`; did you mean `quiet_hours`? [unknown_key]"
    );
}

#[test]
fn questions_and_agents_exclude_each_other() {
    assert_eq!(mistakes(&format!("{AGENTS}qualify: need\n")), ["38:10 qualify conflict"]);
    assert_eq!(mistakes(&format!("{PRICING}entry: qualify\n")), ["16:8 entry conflict"]);
}

#[test]
fn json_may_be_indented_by_tabs_and_may_not_have_a_key_twice() {
    let tabs = "{\n\t\"id\": \"flow_a\",\n\t\"qualify\":\t\"need\"\n}";
    assert_eq!(compile(tabs, Format::Json), compile(&tabs.replace('\t', " "), Format::Json));
    assert!(compile(tabs, Format::Json).is_ok());
    let twice = "{\"id\": \"flow_a\",\n \"qualify\": \"need\",\n \"id\": \"flow_b\"}";
    let error = compile(twice, Format::Json).unwrap_err().remove(0);
    assert_eq!((error.line, error.code.as_str()), (3, "invalid_json"), "{error}");
}

#[test]
fn broken_sources_have_a_place_too() {
    let table = [
        ("", Format::Yaml, "required"),
        ("id: [", Format::Yaml, "invalid_yaml"),
        ("id: flow_a\nid: flow_b\nqualify: need", Format::Yaml, "invalid_yaml"),
        ("id: flow_a\n---\nid: flow_b", Format::Yaml, "invalid_yaml"),
        ("{\"id\": }", Format::Json, "invalid_json"),
        ("id: flow_a", Format::Json, "invalid_json"),
        ("just words", Format::Yaml, "wrong_type"),
    ];
    for (source, format, code) in table {
        let errors = compile(source, format).expect_err(source);
        assert_eq!(errors[0].code, code, "{source}: {errors:?}");
        assert!(errors[0].line >= 1 && errors[0].column >= 1);
    }
}

#[test]
fn hostile_sources_are_refused_without_exhausting_anything() {
    let nested = format!("id: {}1{}", "[".repeat(5000), "]".repeat(5000));
    let dashes = format!("qualify:\n  {}x", "- ".repeat(5000));
    let columns = (0..5000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect::<String>();
    let large = format!("id: flow_a\nname: {}", "x".repeat(300_000));
    let aliases = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                   d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    for source in [nested.as_str(), &dashes, &columns, &large, aliases] {
        assert!(compile(source, Format::Yaml).is_err());
        assert!(compile(source, Format::Json).is_err());
    }
}

proptest! {
    #[test]
    fn no_source_panics(source in "(id|match|call|on|agents|qualify|[ :\n\\[\\]{},&*\"'|>-]|[a-z0-9]){0,60}") {
        let _ = compile(&source, Format::Yaml);
        let _ = compile(&source, Format::Json);
    }

    #[test]
    fn a_changed_example_never_panics(at in 0_usize..400, with in "\\PC{0,3}") {
        let mut source: Vec<char> = AGENTS.chars().collect();
        let at = at.min(source.len());
        source.splice(at..at, with.chars());
        let _ = compile(&source.into_iter().collect::<String>(), Format::Yaml);
    }
}

/// The blocks of docs/flows.md that are written in `language`.
fn documented(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks = include_str!("../../../../docs/flows.md").split(&fence).skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_examples_of_the_documentation_compile() {
    let sources = documented("yaml");
    assert_eq!(sources.len(), 3);
    for source in sources {
        compile(source, Format::Yaml).unwrap_or_else(|errors| panic!("{errors:?}"));
    }
}

#[test]
fn the_documentation_names_every_code_of_a_mistake() {
    let sources = [
        include_str!("field.rs"),
        include_str!("follow_ups.rs"),
        include_str!("nodes.rs"),
        include_str!("settings.rs"),
        include_str!("tree.rs"),
    ];
    let words = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let is_code = |word: &&str| {
        let kinds =
            ["invalid_", "unknown_", "duplicate_", "unreachable_", "self_", "too_", "out_of_", "wrong_type"];
        kinds.iter().any(|kind| word.starts_with(kind)) && !word.contains(' ')
    };
    for code in words.filter(is_code) {
        assert!(include_str!("../../../../docs/flows.md").contains(&format!("`{code}`")), "{code}");
    }
}

#[test]
fn a_flow_may_send_headers_of_its_own() {
    let flow = ok("id: flow_a
qualify: [need]
call:
  headers: {X-Campaign: '{{lead.campaign}}', x-desk: '7'}
");
    let headers: Vec<_> =
        flow.call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(headers, [("X-Campaign", "{{lead.campaign}}"), ("x-desk", "7")]);
    for bad in ["From: a", "X-: a", "X-A_b: a", "X-Talkif-Call: a", "'X A': a"] {
        let source = format!("id: flow_a\nqualify: [need]\ncall:\n  headers: {{{bad}}}\n");
        let errors = compile(&source, Format::Yaml).unwrap_err();
        assert_eq!(errors[0].code, "invalid_header", "{bad}: {errors:?}");
    }
}
