//! The agent's voice: handing text to it, releasing its audio to the wire, counting what was
//! played, and getting over a voice or a playout that hangs.

use crate::ending::Cause;
use crate::engine::Engine;
use crate::io::{Event, Generation, Output, Time, Word};
use crate::utterance::{Playout, Utterance};

impl Engine {
    /// Says a whole text as its own utterance, after all that is to be said already.
    pub(crate) fn say(&mut self, mut utterance: Utterance, text: &str) {
        let generation = self.voice_line(&mut utterance, text);
        self.mouth.push_last(utterance);
        self.push(Output::SpeakDone { generation });
    }

    /// One of the engine's own lines.
    pub(crate) fn say_line(&mut self, text: &str) {
        let utterance = Utterance::new(self.next_generation(), self.now);
        self.say(utterance, text);
    }

    /// An order from outside: before anything else, and nobody may stop it.
    pub(crate) fn say_first(&mut self, text: &str) {
        if !self.leg.is_talking() || self.closing.is_some() || text.trim().is_empty() {
            return self.trouble("nothing can be said now");
        }
        if self.mouth.on_wire().is_some_and(|front| front.interruptible) {
            self.stop_front(self.config.tuning.fade_ms);
            self.finish_agent_turn(true);
        }
        let mut utterance = Utterance::new(self.next_generation(), self.now);
        utterance.interruptible = false;
        let generation = self.voice_line(&mut utterance, text.trim());
        self.mouth.push_next(utterance);
        self.push(Output::SpeakDone { generation });
    }

    fn voice_line(&mut self, utterance: &mut Utterance, text: &str) -> Generation {
        let generation = utterance.generation;
        utterance.append(text, self.now);
        utterance.complete = true;
        self.history.open(generation);
        self.history.set_text(generation, &utterance.text);
        self.push(Output::Speak { generation, text: text.to_owned() });
        generation
    }

    /// Releases the next utterance, if nothing else is on the wire, it may be heard, and the
    /// caller leaves the floor. What nobody may stop does not wait for the floor.
    pub(crate) fn play_next(&mut self) {
        let floor_is_free = self.floor_is_free();
        let now = self.now;
        let Some(next) = self.mouth.front_mut() else { return };
        if next.playout == Playout::Held && next.authorised && (floor_is_free || !next.interruptible) {
            next.playout = Playout::Playing;
            next.progress = now;
            let generation = next.generation;
            self.push(Output::Play { generation });
        }
    }

    pub(crate) fn floor_is_free(&self) -> bool {
        self.caller.leaves_the_floor(self.now, &self.config.tuning)
            && !self.caller.has_words()
            && self.keypad.is_empty()
    }

    /// Whether an utterance waits for the floor.
    pub(crate) fn answer_waits(&self) -> bool {
        self.mouth.front().is_some_and(|next| next.playout == Playout::Held && next.authorised)
    }

    pub(crate) fn tts_started(&mut self, generation: Generation, leading_silence_ms: u64) {
        let now = self.now;
        if let Some(utterance) = self.mouth.get_mut(generation).filter(|u| u.started.is_none()) {
            utterance.started = Some(now);
            utterance.leading_silence_ms = leading_silence_ms;
            utterance.progress = now;
        }
    }

    pub(crate) fn tts_words(&mut self, generation: Generation, words: Vec<Word>) {
        if let Some(utterance) = self.mouth.get_mut(generation) {
            utterance.add_words(words);
        }
    }

    pub(crate) fn tts_done(&mut self, generation: Generation, audio_ms: u64) {
        let now = self.now;
        // Before all text is handed on, nothing is the whole length.
        if let Some(utterance) = self.mouth.get_mut(generation).filter(|u| u.complete) {
            utterance.started.get_or_insert(now);
            utterance.audio_ms = Some(audio_ms);
            utterance.progress = now;
        }
    }

    pub(crate) fn played(&mut self, generation: Generation, played_ms: u64) {
        let now = self.now;
        let Some(front) = self.on_wire_mut(generation) else { return };
        let was_audible = front.is_audible();
        front.played(played_ms, now);
        if !was_audible && front.is_audible() {
            let first = front.clone();
            self.turns.first_sample(&first, now);
        }
    }

    pub(crate) fn playout_finished(&mut self, generation: Generation, played_ms: u64) {
        self.played(generation, played_ms);
        // An end before all text was handed on is none; if no more comes, the watchdog acts.
        let complete = self.on_wire_mut(generation).is_some_and(|front| front.complete);
        if let Some(utterance) = complete.then(|| self.mouth.pop()).flatten() {
            let heard = if utterance.is_audible() { utterance.text.clone() } else { String::new() };
            self.retire(&utterance, &heard);
        }
    }

    fn on_wire_mut(&mut self, generation: Generation) -> Option<&mut Utterance> {
        self.mouth.front_mut().filter(|u| u.generation == generation && u.playout != Playout::Held)
    }

    /// Stops the first utterance; what was heard of it stays on record.
    pub(crate) fn stop_front(&mut self, fade_ms: u32) {
        if let Some(utterance) = self.mouth.pop() {
            self.stop(&utterance, fade_ms);
        }
    }

    pub(crate) fn stop(&mut self, utterance: &Utterance, fade_ms: u32) {
        self.push(Output::Stop { generation: utterance.generation, fade_ms });
        let heard = utterance.heard(&self.config.tuning).to_owned();
        self.retire(utterance, &heard);
    }

    fn retire(&mut self, utterance: &Utterance, heard: &str) {
        self.history.set_text(utterance.generation, heard);
        self.turns.utterance_over(heard, self.now);
    }

    /// Ends the agent's turn when there is nothing more to say.
    pub(crate) fn end_agent_turn(&mut self) {
        if self.mouth.is_empty() && !self.is_thinking() {
            self.finish_agent_turn(false);
        }
    }

    pub(crate) fn finish_agent_turn(&mut self, interrupted: bool) {
        if let Some(turn) = self.turns.agent_over(interrupted) {
            self.emit(Event::Turn(turn));
        }
    }

    pub(crate) fn stall_deadline(&self) -> Option<Time> {
        self.mouth.front()?.stalls_at(&self.config.tuning)
    }

    /// Playing, yet nothing moves: says the rest anew, once; then goes on without it.
    pub(crate) fn playout_stalled(&mut self) {
        let Some(stalled) = self.mouth.pop() else { return };
        self.trouble("playout stalled");
        self.stop(&stalled, 0);
        let heard = stalled.heard(&self.config.tuning).len();
        let rest = stalled.text.get(heard..).unwrap_or_default().trim();
        if !stalled.again && !rest.is_empty() {
            self.say_rest(&stalled, rest);
        } else if !stalled.is_audible() && stalled.again {
            self.voice_failed("the voice stays silent");
        }
    }

    fn say_rest(&mut self, stalled: &Utterance, rest: &str) {
        let generation = self.next_generation();
        let mut again = Utterance::new(generation, self.now);
        (again.again, again.complete) = (true, stalled.complete);
        (again.interruptible, again.greets) = (stalled.interruptible, stalled.greets);
        again.asked = stalled.asked;
        again.append(rest, self.now);
        self.history.open(generation);
        self.history.set_text(generation, rest);
        self.push(Output::Speak { generation, text: rest.to_owned() });
        if again.complete {
            self.push(Output::SpeakDone { generation });
        }
        self.mouth.push_next(again);
        self.redirect_reply(stalled.generation, generation);
    }

    /// Without a voice, not even an apology can be said.
    pub(crate) fn voice_failed(&mut self, detail: &str) {
        self.hang_up_for(Cause::Error(detail.to_owned()));
    }
}
