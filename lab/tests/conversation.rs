//! The model's mind and every persona talk to each other in virtual time, under the rules by which
//! the product runs tools: an answer that spoke is not asked on, a silent one is.
#![allow(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use talkif_lab::mind::{Call, Conversation, Turn, think};
use talkif_lab::phones::{Act, LineState, Persona, PersonaKind};

const GREETING: &str =
    "Hi, this is Talkif calling for Helena Education. You left your details. Got a moment?";
const WORD_MS: u64 = 340;

struct Dialogue {
    persona: Persona,
    conversation: Conversation,
    now_ms: u64,
    speaking_until: u64,
    /// What the person says and the agent has not answered.
    said: String,
    outcome: Option<String>,
}

fn conversation() -> Conversation {
    let slots = json!({ "properties": { "name": { "enum": ["need", "timing", "budget", "location"] } } });
    let tools = ["book_slot", "end_call", "opt_out", "voicemail"];
    let mut tools: std::collections::BTreeMap<String, Value> =
        tools.into_iter().map(|tool| (tool.to_owned(), json!({}))).collect();
    tools.insert("save_slot".into(), slots);
    let greeting = Turn::Agent { text: GREETING.into(), calls: Vec::new() };
    Conversation { instructions: "You are Talkif.".into(), turns: vec![greeting], tools }
}

impl Dialogue {
    fn new(kind: PersonaKind) -> Self {
        let persona = Persona::new(kind, false);
        let said = String::new();
        Self { persona, conversation: conversation(), now_ms: 0, speaking_until: 0, said, outcome: None }
    }

    /// Runs until the agent ends the call or nobody has anything to say.
    fn run(mut self) -> (Option<String>, Conversation) {
        self.wait(1_500, false);
        self.said.clear();
        self.speak(GREETING);
        for _ in 0..20 {
            self.wait(9_000, false);
            if self.said.is_empty() || self.outcome.is_some() {
                break;
            }
            self.conversation.turns.push(Turn::Caller(std::mem::take(&mut self.said)));
            self.answer();
        }
        (self.outcome, self.conversation)
    }

    fn answer(&mut self) {
        for _ in 0..4 {
            let reply = think(&self.conversation, jiff::Timestamp::UNIX_EPOCH);
            let call = |(name, arguments): &(String, Value)| Call {
                id: format!("{}-{name}", self.conversation.turns.len()),
                name: name.clone(),
                arguments: arguments.clone(),
            };
            let calls: Vec<Call> = reply.calls.iter().map(call).collect();
            self.conversation.turns.push(Turn::Agent { text: reply.text.clone(), calls: calls.clone() });
            for call in &calls {
                let result = r#"{"status":"ok"}"#.into();
                self.conversation.turns.push(Turn::Tool { id: call.id.clone(), result });
                match call.name.as_str() {
                    "end_call" => self.outcome = call.arguments["outcome"].as_str().map(Into::into),
                    "opt_out" | "voicemail" => self.outcome = Some(call.name.clone()),
                    _ => {}
                }
            }
            self.speak(&reply.text);
            if !reply.text.is_empty() || self.outcome.is_some() {
                return;
            }
        }
        panic!("the mind turns in circles");
    }

    fn speak(&mut self, text: &str) {
        for word in text.split_whitespace() {
            self.wait(WORD_MS, true);
            let acts = self.persona.hear(word, self.now_ms);
            self.take(acts);
        }
    }

    fn wait(&mut self, ms: u64, loud: bool) {
        for _ in 0..ms / 20 {
            self.now_ms += 20;
            let line = LineState { loud, speaking: self.speaking_until > self.now_ms };
            let acts = self.persona.tick(self.now_ms, line);
            self.take(acts);
        }
    }

    fn take(&mut self, acts: Vec<Act>) {
        for act in acts {
            if let Act::Say(text) = act {
                let length = WORD_MS * text.split_whitespace().count() as u64;
                self.speaking_until = self.speaking_until.max(self.now_ms) + length;
                self.said = format!("{} {text}", self.said).trim().to_owned();
            }
        }
    }
}

#[test]
fn every_persona_comes_to_its_outcome() {
    let cases = [
        (PersonaKind::Books, Some("booked")),
        (PersonaKind::Qualifies, Some("qualified")),
        (PersonaKind::Declines, Some("not_fit")),
        (PersonaKind::WrongNumber, Some("wrong_number")),
        (PersonaKind::SaysStop, Some("opt_out")),
        (PersonaKind::Screening, Some("booked")),
        (PersonaKind::Interrupts, Some("booked")),
        (PersonaKind::Backchannels, Some("booked")),
        (PersonaKind::Silent, None),
    ];
    for (kind, expected) in cases {
        let (outcome, conversation) = Dialogue::new(kind).run();
        assert_eq!(outcome.as_deref(), expected, "{kind:?}: {:#?}", conversation.turns);
    }
}

#[test]
fn a_machines_greeting_is_a_machines() {
    let mut dialogue = Dialogue::new(PersonaKind::Voicemail);
    dialogue.wait(1_500, false);
    dialogue.conversation.turns = vec![Turn::Caller(dialogue.said.clone())];
    dialogue.answer();
    assert_eq!(dialogue.outcome.as_deref(), Some("voicemail"));
}

#[test]
fn somebody_who_books_has_told_everything() {
    let (_, conversation) = Dialogue::new(PersonaKind::Books).run();
    let calls = conversation.turns.iter().filter_map(|turn| match turn {
        Turn::Agent { calls, .. } => Some(calls),
        Turn::Caller(_) | Turn::Tool { .. } => None,
    });
    let saved = calls.flatten().filter(|call| call.name == "save_slot");
    let saved: Vec<String> = saved
        .map(|call| {
            format!(
                "{}={}",
                call.arguments["name"].as_str().unwrap(),
                call.arguments["value"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        saved,
        [
            "need=I am looking for a master's program in data science",
            "timing=I want to start this fall",
            "budget=About twelve thousand euros",
            "location=I live in Istanbul",
        ]
    );
}
