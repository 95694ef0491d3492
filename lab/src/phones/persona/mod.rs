//! Who is behind a phone.
//!
//! A persona hears words, sees whether the line is loud, and acts. It has no clock: every call
//! carries the present time, in milliseconds since the answer, so a whole conversation runs in
//! virtual time.

mod kind;
mod lines;
#[cfg(test)]
mod tests;

pub use kind::PersonaKind;

use lines::{FIRST_WORD, Reply};

/// The agent's turn is over when the line has been quiet for so long.
const TURN_PAUSE_MS: u64 = 600;
/// A person picks up, lifts the phone to the ear and says hello.
const HELLO_AFTER_MS: u64 = 300;
/// Somebody who called waits to be greeted, but not for ever.
const CALLER_HELLO_AFTER_MS: u64 = 4_000;
/// After goodbye a person waits so long for the other side to hang up.
const LINGER_MS: u64 = 5_000;
/// A screening service connects its owner.
const CONNECT_MS: u64 = 1_500;
/// An answering machine ends its recording after so much silence.
const RECORDING_PAUSE_MS: u64 = 8_000;
/// Words of the agent between two backchannels.
const WORDS_PER_BACKCHANNEL: usize = 6;
/// Somebody in a hurry hangs up at this word, if it is not the last of a sentence.
const WORDS_BEFORE_HANGING_UP: usize = 5;

/// What a persona does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Speak.
    Say(String),
    /// The tone after which to speak.
    Beep,
    /// Press keys.
    Press(String),
    /// Hang up.
    HangUp,
}

/// The line at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// The far end is heard.
    pub loud: bool,
    /// The persona's own words, or its beep, are still being sent.
    pub speaking: bool,
}

/// Somebody on the phone.
#[derive(Debug)]
pub struct Persona {
    kind: PersonaKind,
    called: bool,
    /// Words of the agent's present turn.
    turn: Vec<String>,
    /// Sentences of the present turn that are complete.
    sentences: usize,
    last_sound_ms: u64,
    stage: Stage,
    plan: Vec<(u64, Act)>,
    done_once: bool,
    backchannels: usize,
}

/// How far the call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Just answered.
    Beginning,
    /// A machine has answered.
    Machine,
    /// A person talks.
    Talking,
    /// Goodbye was said.
    Leaving,
}

impl Persona {
    /// Somebody who answers the phone, or who `called`.
    #[must_use]
    pub fn new(kind: PersonaKind, called: bool) -> Self {
        Self {
            kind,
            called,
            turn: Vec::new(),
            sentences: 0,
            last_sound_ms: 0,
            stage: Stage::Beginning,
            plan: Vec::new(),
            done_once: false,
            backchannels: 0,
        }
    }

    /// A word of the agent was heard to its end.
    pub fn hear(&mut self, word: &str, now_ms: u64) -> Vec<Act> {
        let acts = self.react_to_word(word);
        self.turn.push(word.to_owned());
        self.sentences += usize::from(word.ends_with(['.', '!', '?']));
        self.last_sound_ms = now_ms;
        acts
    }

    /// Time passes; call it every 20 ms or so.
    pub fn tick(&mut self, now_ms: u64, line: Line) -> Vec<Act> {
        if line.loud || line.speaking {
            self.last_sound_ms = now_ms;
        }
        let quiet_ms = now_ms - self.last_sound_ms;
        let mut acts = Vec::new();
        if self.stage == Stage::Beginning {
            acts.extend(self.begin(now_ms));
        }
        if quiet_ms >= TURN_PAUSE_MS && !self.turn.is_empty() {
            let turn = std::mem::take(&mut self.turn).join(" ");
            self.sentences = 0;
            acts.extend(self.react_to_turn(&turn, now_ms));
        }
        if self.stage == Stage::Machine
            && self.kind == PersonaKind::Voicemail
            && quiet_ms >= RECORDING_PAUSE_MS
        {
            acts.push(Act::HangUp);
        }
        let (due, later) = std::mem::take(&mut self.plan).into_iter().partition(|(at, _)| *at <= now_ms);
        self.plan = later;
        acts.extend(Vec::into_iter(due).map(|(_, act)| act));
        acts
    }

    fn begin(&mut self, now_ms: u64) -> Vec<Act> {
        let after = if self.called { CALLER_HELLO_AFTER_MS } else { HELLO_AFTER_MS };
        if now_ms < after && self.turn.is_empty() {
            return Vec::new();
        }
        self.stage = Stage::Talking;
        let say = |text: &str| Act::Say(text.into());
        match self.kind {
            PersonaKind::Silent => Vec::new(),
            PersonaKind::Voicemail => {
                self.stage = Stage::Machine;
                vec![say(lines::VOICEMAIL), Act::Beep]
            }
            PersonaKind::Screening => {
                self.stage = Stage::Machine;
                vec![say(lines::SCREENING)]
            }
            // Greeted before they could say a word, callers answer that.
            _ if !self.turn.is_empty() => Vec::new(),
            _ => vec![say(FIRST_WORD)],
        }
    }

    fn react_to_word(&mut self, word: &str) -> Vec<Act> {
        let say = |text: &str| vec![Act::Say(text.into())];
        match self.kind {
            PersonaKind::Interrupts if self.sentences >= 1 && !self.done_once => {
                self.done_once = true;
                say(lines::INTERRUPTION)
            }
            PersonaKind::Backchannels if (self.turn.len() + 1).is_multiple_of(WORDS_PER_BACKCHANNEL) => {
                self.backchannels += 1;
                say(lines::BACKCHANNELS[self.backchannels % lines::BACKCHANNELS.len()])
            }
            PersonaKind::HangsUp
                if self.turn.len() + 1 >= WORDS_BEFORE_HANGING_UP && !word.ends_with(['.', '!', '?']) =>
            {
                vec![Act::HangUp]
            }
            _ => Vec::new(),
        }
    }

    fn react_to_turn(&mut self, turn: &str, now_ms: u64) -> Vec<Act> {
        match (self.kind, self.stage) {
            (PersonaKind::Silent, _) | (PersonaKind::Voicemail, Stage::Machine) => return Vec::new(),
            (PersonaKind::Screening, Stage::Machine) => {
                self.stage = Stage::Talking;
                self.plan.push((now_ms + CONNECT_MS, Act::Say(FIRST_WORD.into())));
                return vec![Act::Say(lines::CONNECTING.into())];
            }
            (PersonaKind::Dtmf, Stage::Talking) if !self.done_once => {
                self.done_once = true;
                return vec![Act::Press(lines::KEYS.into())];
            }
            _ => {}
        }
        match lines::reply(self.kind, turn) {
            Reply::Say(text) => vec![Act::Say(text.into())],
            Reply::Goodbye(text) => self.leave(text, now_ms),
            Reply::Nothing => Vec::new(),
        }
    }

    fn leave(&mut self, goodbye: &str, now_ms: u64) -> Vec<Act> {
        if self.stage == Stage::Leaving {
            return Vec::new();
        }
        self.stage = Stage::Leaving;
        self.plan.push((now_ms + LINGER_MS, Act::HangUp));
        vec![Act::Say(goodbye.into())]
    }
}
