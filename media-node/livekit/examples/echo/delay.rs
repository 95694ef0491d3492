//! How long a word takes, and how soon the first one is heard: through LiveKit, and without.

use crate::phone::{LOUD, request, telephone};
use std::sync::Arc;
use std::time::{Duration, Instant};
use talkif_livekit::LiveKitTelephony;
use talkif_telephony::{CallLeg, FRAME, LegEvent, Pacer, Telephony};

/// A word of so many frames begins every [`SLOT`] frames.
const WORD: usize = 10;
const SLOT: usize = 50;
const WORDS: usize = 20;

pub(crate) async fn run(telephony: Arc<LiveKitTelephony>) {
    telephony.ready().await;
    for (way, telephony) in
        [("LiveKit", telephony as Arc<dyn Telephony>), ("direct", Arc::new(telephone().await))]
    {
        let phone = telephone().await;
        let invited = Instant::now();
        let mut agent = Side::new(telephony.dial(request(phone.local_addr(), 1)).await.unwrap());
        let mut person = Side::new(phone.next_call().await.unwrap().leg);
        let rang = invited.elapsed();
        person.leg.answer().await.unwrap();
        let first = first_word(&mut agent, &mut person).await;
        talk(&mut agent, &mut person).await;
        println!(
            "{way}: INVITE {} ms after dialling, first word of the agent {} ms after the answer; one way {:.1} ms \
             to the telephone, {:.1} ms to the agent; {:.0} ms in our buffer, {:.0} ms in the telephone's",
            rang.as_millis(),
            first.as_millis(),
            median_ms(&person.heard, &agent.said),
            median_ms(&agent.heard, &person.said),
            agent.leg.quality().buffer_ms,
            person.leg.quality().buffer_ms,
        );
    }
}

/// One side of a call, and the times at which its words began to be said and were first heard.
struct Side {
    leg: Box<dyn CallLeg>,
    frame: Vec<i16>,
    quiet: usize,
    said: Vec<Instant>,
    heard: Vec<Instant>,
}

impl Side {
    fn new(leg: Box<dyn CallLeg>) -> Self {
        let frame = vec![0; leg.sample_rate() as usize / 50];
        Self { leg, frame, quiet: SLOT, said: Vec::new(), heard: Vec::new() }
    }

    /// Hears a frame; a word begins with the first loud sample after some silence.
    fn hear(&mut self) -> bool {
        let now = Instant::now();
        self.leg.receive(&mut self.frame);
        let Some(at) = self.frame.iter().position(|sample| sample.unsigned_abs() > LOUD) else {
            self.quiet += 1;
            return false;
        };
        let begins = std::mem::take(&mut self.quiet) >= WORD;
        if begins {
            // From the giving of a frame to the getting of one, so that what a frame itself takes
            // is not counted.
            self.heard
                .push(now + FRAME * u32::try_from(at).unwrap() / u32::try_from(self.frame.len()).unwrap());
        }
        begins
    }

    fn say(&mut self, tick: usize) {
        let speaks = tick % SLOT < WORD;
        if tick.is_multiple_of(SLOT) {
            self.said.push(Instant::now());
        }
        let turn = std::f64::consts::TAU * 1_000.0 / f64::from(self.leg.sample_rate());
        for (n, sample) in self.frame.iter_mut().enumerate() {
            *sample = if speaks { ((n as f64 * turn).sin() * 8_000.0) as i16 } else { 0 };
        }
        self.leg.send(&self.frame);
    }
}

/// The agent speaks as soon as it may; how long after the answer it is heard.
async fn first_word(agent: &mut Side, person: &mut Side) -> Duration {
    let (answered, mut pacer, mut talks) = (Instant::now(), Pacer::new(FRAME), false);
    loop {
        tokio::select! {
            event = agent.leg.event(), if !talks => talks = event == LegEvent::Answered,
            _ = pacer.tick() => {
                if talks {
                    agent.say(1);
                }
                person.say(SLOT - 1);
                agent.hear();
                if person.hear() {
                    return answered.elapsed();
                }
            }
        }
    }
}

/// Both sides say their words in turn, half a slot apart.
async fn talk(agent: &mut Side, person: &mut Side) {
    let mut pacer = Pacer::new(FRAME);
    for tick in 0..(WORDS + 2) * SLOT {
        pacer.tick().await;
        for side in [&mut *agent, &mut *person] {
            side.hear();
        }
        // The first second is for silence, so that words are told apart.
        let quiet = tick < SLOT;
        if tick == SLOT {
            for side in [&mut *agent, &mut *person] {
                side.heard.clear();
                side.said.clear();
            }
        }
        agent.say(if quiet { SLOT - 1 } else { tick });
        person.say(if quiet { SLOT - 1 } else { tick + SLOT / 2 });
    }
}

fn median_ms(heard: &[Instant], said: &[Instant]) -> f64 {
    let arrival = |said: &Instant| {
        let next = heard.iter().find(|heard| *heard > said)?;
        Some((*next - *said).as_secs_f64() * 1e3)
    };
    let mut delays: Vec<f64> = said.iter().take(WORDS - 1).filter_map(arrival).collect();
    delays.sort_by(f64::total_cmp);
    delays.get(delays.len() / 2).copied().unwrap_or(f64::NAN)
}
