//! Every number the engine decides by. Sources: LK is LiveKit Agents 1.7, PC is Pipecat 1.7,
//! as read in August 2026; "own" is a choice of this project.

use serde::{Deserialize, Serialize};

/// The engine's defaults in one place; durations are milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Outbound: greet after this much silence. Own: people hang up on dead air after 1.2 s.
    pub greet_after_silence_ms: u64,
    /// Outbound: greet this long after the callee's "hello?". Own: not over a second "hello?".
    pub greet_after_hello_ms: u64,
    /// First speech this long may be a machine. LK settles "human" up to 2.5 s.
    pub long_greeting_ms: u64,
    /// Wait at most this long for a long greeting to end. Own: audio is never held past a cap.
    pub long_greeting_cap_ms: u64,
    /// The model has this long to tell man from machine. Own.
    pub machine_verdict_ms: u64,
    /// Turn over: final words that sound complete. LK with a streaming detector: 0.3 s.
    pub endpointing_min_ms: u64,
    /// Turn over: neither complete nor open. Own: between Vapi's 0.1 s and 1.5 s.
    pub endpointing_unsure_ms: u64,
    /// Turn over: words that end on "and", "um" … Vapi without punctuation: 1.5 s.
    pub endpointing_unfinished_ms: u64,
    /// Turn over: the recogniser thinks it is not. LK: 2.5 s.
    pub endpointing_max_ms: u64,
    /// An end-of-turn score from here on is a yes. Deepgram Flux: 0.7.
    pub end_of_turn_high: f32,
    /// An end-of-turn score below is a no. LK's thresholds for most languages lie about 0.3.
    pub end_of_turn_low: f32,
    /// The final transcript has this long after the last speech sample. PC: 0.35 s is the 99th
    /// percentile of a good vendor; doubled for the telephone.
    pub final_wait_ms: u64,
    /// After speech without words, wait this long before talking. Own: the same delay as above,
    /// less what a partial transcript saves.
    pub murmur_ms: u64,
    /// Speech from this length on must have words. Own: shorter sounds are coughs.
    pub unheard_speech_ms: u64,
    /// Words for such speech have this long, then the agent asks again. AWS and LK: 1.5 s.
    pub unheard_wait_ms: u64,
    /// Speech without end and without words this long is a stuck detector. Bolna: 3 s; own: 5 s.
    pub stuck_speech_ms: u64,
    /// Speculative answers per turn. LK: 3.
    pub max_speculations: u32,
    /// Speech without words this long interrupts. LK: 0.5 s.
    pub interrupt_after_ms: u64,
    /// Voice detectors report the end of speech this much later. LK: 0.25 s.
    pub vad_hangover_ms: u64,
    /// A backchannel is not longer than this. Own.
    pub backchannel_max_ms: u64,
    /// A false alarm: go on after this much silence without words. LK: 2.0 s; own: 0.8 s, since
    /// the recogniser's final words come within 0.4 s.
    pub resume_after_ms: u64,
    /// A backchannel is known by a partial transcript: go on after this much silence. Own.
    pub resume_after_backchannel_ms: u64,
    /// Decide a possible interruption after this long whatever happens. LK's safety: 5 s.
    pub hold_cap_ms: u64,
    /// In the first and last such stretch of the agent's turn a "yes" is an answer. LK: 1.0 s.
    pub boundary_ms: u64,
    /// Fade of a stopped frame. Own: below one 20 ms frame, yet no click.
    pub fade_ms: u32,
    /// Say a filler when the model is silent this long. ElevenLabs and vocode: 0.5 to 3 s; own.
    pub filler_after_ms: u64,
    /// Give up on a request that is silent this long. LK: 10 s; own: a caller's patience.
    pub give_up_after_ms: u64,
    /// Requests to the model in one turn. LK: 3 tool steps, then one to speak.
    pub max_steps: u32,
    /// Characters of the first clause handed to the voice. Own: half of LK's sentence minimum.
    pub first_chunk_chars: usize,
    /// Characters of a later sentence. LK: 20.
    pub chunk_chars: usize,
    /// A run without punctuation is cut at the next space after this many characters. Own.
    pub chunk_max_chars: usize,
    /// The voice must begin within this long. LK: 10 s; own: nobody waits that long.
    pub tts_late_ms: u64,
    /// Audio is there, yet none is handed to the wire. Own watchdog: 0.5 s.
    pub stall_ms: u64,
    /// Speaking rate where neither word times nor a length are known: characters a second. LK's
    /// 3.83 syllables a second.
    pub chars_per_second: u64,
    /// Keys belong together up to this pause. PC: 2.0 s.
    pub key_pause_ms: u64,
    /// A goodbye is not longer than this. Own: two breaths of a talkative model.
    pub goodbye_cap_ms: u64,
    /// Hang up this long after the last word has left. Own: far jitter buffers hold up to 200 ms.
    pub tail_ms: u64,
    /// A transfer has this long beyond its ringing. Own: a REFER's carrier rings as it likes.
    pub transfer_grace_ms: u64,
    /// A leg has this long to confirm that it is gone. LK SIP: 5 s.
    pub hang_up_ms: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            greet_after_silence_ms: 1_200,
            greet_after_hello_ms: 300,
            long_greeting_ms: 2_500,
            long_greeting_cap_ms: 8_000,
            machine_verdict_ms: 3_000,
            endpointing_min_ms: 300,
            endpointing_unsure_ms: 800,
            endpointing_unfinished_ms: 1_500,
            endpointing_max_ms: 2_500,
            end_of_turn_high: 0.7,
            end_of_turn_low: 0.3,
            final_wait_ms: 800,
            murmur_ms: 600,
            unheard_speech_ms: 400,
            unheard_wait_ms: 1_500,
            stuck_speech_ms: 5_000,
            max_speculations: 3,
            interrupt_after_ms: 500,
            vad_hangover_ms: 250,
            backchannel_max_ms: 1_000,
            resume_after_ms: 800,
            resume_after_backchannel_ms: 300,
            hold_cap_ms: 4_000,
            boundary_ms: 1_000,
            fade_ms: 10,
            filler_after_ms: 1_200,
            give_up_after_ms: 8_000,
            max_steps: 4,
            first_chunk_chars: 10,
            chunk_chars: 20,
            chunk_max_chars: 200,
            tts_late_ms: 3_000,
            stall_ms: 500,
            chars_per_second: 15,
            key_pause_ms: 2_000,
            goodbye_cap_ms: 30_000,
            tail_ms: 200,
            transfer_grace_ms: 20_000,
            hang_up_ms: 5_000,
        }
    }
}
