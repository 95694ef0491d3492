use super::*;

/// A line in virtual time: the agent speaks at three words a second, the persona acts.
struct Stage {
    persona: Persona,
    now_ms: u64,
    speaking_until: u64,
    acts: Vec<(u64, Act)>,
}

impl Stage {
    fn new(kind: PersonaKind) -> Self {
        Self { persona: Persona::new(kind, false), now_ms: 0, speaking_until: 0, acts: Vec::new() }
    }

    fn take(&mut self, acts: Vec<Act>) {
        for act in acts {
            let length = match &act {
                Act::Say(text) => 350 * text.split_whitespace().count() as u64,
                Act::Beep => 400,
                Act::Press(_) | Act::HangUp => 0,
            };
            self.speaking_until = self.speaking_until.max(self.now_ms) + length;
            self.acts.push((self.now_ms, act));
        }
    }

    fn wait(&mut self, ms: u64, loud: bool) {
        for _ in 0..ms / 20 {
            self.now_ms += 20;
            let line = Line { loud, speaking: self.speaking_until > self.now_ms };
            let acts = self.persona.tick(self.now_ms, line);
            self.take(acts);
        }
    }

    /// The agent speaks, then listens for as long as an answer may take to begin.
    fn agent(&mut self, text: &str) -> Vec<Act> {
        let before = self.acts.len();
        for word in text.split_whitespace() {
            self.wait(340, true);
            let acts = self.persona.hear(word, self.now_ms);
            self.take(acts);
        }
        self.wait(2_000, false);
        self.acts[before..].iter().map(|(_, act)| act.clone()).collect()
    }

    fn answered(kind: PersonaKind) -> Self {
        let mut stage = Self::new(kind);
        stage.wait(1_500, false);
        stage
    }
}

fn say(text: &str) -> Vec<Act> {
    vec![Act::Say(text.into())]
}

#[test]
fn somebody_who_books_answers_every_question() {
    let mut stage = Stage::answered(PersonaKind::Books);
    assert_eq!(stage.acts, [(300, Act::Say("Hello?".into()))]);
    let said = stage.agent("Hi, this is Talkif calling for Helena Education. Got a moment?");
    assert_eq!(said, say("Yes, sure."));
    assert_eq!(stage.agent("Great. What budget do you have in mind?"), say("About twelve thousand euros."));
    assert_eq!(stage.agent("Thank you. When would you like to start?"), say("I want to start this fall."));
    assert_eq!(stage.agent("May I have your name?"), say("My name is Ece Yilmaz."));
    assert_eq!(stage.agent("Does tomorrow at 15:30 work for a short call?"), say("Yes, that works for me."));
    assert_eq!(stage.agent("Let me book that for you."), []);
    assert_eq!(stage.agent("You are booked for tomorrow at 15:30. Goodbye!"), say("Goodbye!"));
    stage.wait(5_000, false);
    assert_eq!(stage.acts.last().unwrap().1, Act::HangUp);
}

#[test]
fn turkish_is_answered_in_turkish() {
    let mut stage = Stage::answered(PersonaKind::Books);
    assert_eq!(stage.agent("Bütçeniz yaklaşık ne kadar?"), say("Yaklaşık on iki bin avro."));
}

#[test]
fn the_mind_and_somebody_who_books_understand_each_other() {
    for (slot, answer) in [("What are you looking for?", "looking"), ("Where are you located?", "Istanbul")] {
        let mut stage = Stage::answered(PersonaKind::Books);
        let [Act::Say(text)] = &stage.agent(slot)[..] else { panic!("no answer to {slot}") };
        assert!(text.contains(answer), "{text}");
    }
}

#[test]
fn who_wants_out_says_so_at_once() {
    for (kind, words) in [
        (PersonaKind::Declines, "not interested"),
        (PersonaKind::WrongNumber, "wrong number"),
        (PersonaKind::SaysStop, "stop calling"),
    ] {
        let mut stage = Stage::answered(kind);
        let [Act::Say(text)] = &stage.agent("Hi, this is Talkif. Got a moment?")[..] else { panic!() };
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn who_qualifies_wants_to_be_called_back() {
    let mut stage = Stage::answered(PersonaKind::Qualifies);
    assert_eq!(stage.agent("What budget do you have in mind?"), say("About twelve thousand euros."));
    assert_eq!(stage.agent("Does tomorrow at 15:30 work?"), say("No, please call me back another day."));
}

#[test]
fn an_interrupter_talks_over_the_second_sentence_once() {
    let mut stage = Stage::answered(PersonaKind::Interrupts);
    stage.agent("Hi, this is Talkif. You left your details on our website. Got a moment?");
    let (at, act) = stage.acts[1].clone();
    assert_eq!(act, Act::Say("Sorry, how long will this take?".into()));
    assert_eq!(at, 1_500 + 5 * 340, "while the agent says its fifth word");
    let again = stage.agent("Only a minute. And what budget do you have in mind?");
    assert_eq!(again, say("About twelve thousand euros."));
}

#[test]
fn backchannels_come_while_the_agent_speaks() {
    let mut stage = Stage::answered(PersonaKind::Backchannels);
    let acts =
        stage.agent("You left your details on our website and I would like to ask you a few things now");
    assert_eq!(acts[..2], [Act::Say("mm-hmm".into()), Act::Say("yeah".into())]);
}

#[test]
fn a_machine_greets_beeps_records_and_stops() {
    let mut stage = Stage::answered(PersonaKind::Voicemail);
    assert!(matches!(&stage.acts[..], [(300, Act::Say(_)), (300, Act::Beep)]));
    stage.wait(10_000, false);
    assert_eq!(stage.agent("Hello, this is Talkif. Please call us back."), []);
    stage.wait(10_000, false);
    assert_eq!(stage.acts.last().unwrap().1, Act::HangUp);
}

#[test]
fn a_screening_service_connects_somebody_who_books() {
    let mut stage = Stage::answered(PersonaKind::Screening);
    assert!(matches!(&stage.acts[0].1, Act::Say(text) if text.contains("state your name")));
    stage.wait(8_000, false);
    let acts = stage.agent("This is Talkif, calling about your request.");
    assert_eq!(acts, say("Thank you, one moment."));
    stage.wait(1_000, false);
    assert_eq!(stage.acts.last().unwrap().1, Act::Say("Hello?".into()));
    assert_eq!(stage.agent("Hi Ece, got a moment?"), say("Yes, sure."));
}

#[test]
fn the_silent_stay_silent() {
    let mut stage = Stage::answered(PersonaKind::Silent);
    stage.agent("Hello? Are you still there?");
    assert_eq!(stage.acts, []);
}

#[test]
fn who_hangs_up_does_so_in_the_middle_of_a_sentence() {
    let mut stage = Stage::answered(PersonaKind::HangsUp);
    stage.agent("Hi, this is Talkif calling you about something.");
    assert_eq!(stage.acts[1], (1_500 + 5 * 340, Act::HangUp));
}

#[test]
fn keys_are_pressed_after_the_first_turn() {
    let mut stage = Stage::answered(PersonaKind::Dtmf);
    assert_eq!(stage.agent("Please press a key."), [Act::Press("12#".into())]);
    assert_eq!(stage.agent("What budget do you have in mind?"), say("About twelve thousand euros."));
}

#[test]
fn a_caller_waits_to_be_greeted() {
    let mut stage = Stage::new(PersonaKind::Books);
    stage.persona = Persona::new(PersonaKind::Books, true);
    stage.wait(600, false);
    assert_eq!(
        stage.agent("Helena Education, how can I help you?")[0],
        Act::Say("I am looking for a master's program in data science.".into())
    );
    let mut ignored = Stage::new(PersonaKind::Books);
    ignored.persona = Persona::new(PersonaKind::Books, true);
    ignored.wait(4_500, false);
    assert_eq!(ignored.acts, [(4_000, Act::Say("Hello?".into()))]);
}

#[test]
fn kinds_are_written_with_dashes() {
    let names: Vec<String> =
        PersonaKind::ALL.iter().map(|kind| serde_json::to_string(kind).unwrap()).collect();
    assert!(names.contains(&"\"says-stop\"".into()) && names.contains(&"\"no-answer\"".into()));
}
