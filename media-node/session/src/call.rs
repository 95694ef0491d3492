//! The one loop of a call: wait for what happens first, tell the engine, do what it says. What
//! happens every 20 ms is in [`media`].

mod media;

use crate::brain::{Brain, Thought, no_such_tool};
use crate::clock::Clock;
use crate::deps::SessionDeps;
use crate::ears::{Ears, Heard};
use crate::endings;
use crate::job::CallJob;
use crate::journal::Journal;
use crate::listener::Listener;
use crate::mouth::{Mouth, Voiced};
use crate::particulars::Particulars;
use crate::playout::Playout;
use crate::prepare;
use crate::punctuality::Punctuality;
use crate::recording::writer::Tap;
use crate::transfer::Transfers;
use crate::waking::Waking;
use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use talkif_call_engine::Engine;
use talkif_call_engine::EngineConfig;
use talkif_call_engine::io::{Command, Ending, Generation, Input, LegEnd, Output, Provider, TransferEnd};
use talkif_model::Direction;
use talkif_providers::{TtsEvent, Usage};
use talkif_telephony::{CallLeg, FRAME, LegEvent, LegQuality, Pacer, Tick};
use tokio::sync::mpsc;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// An inbound call is answered within this long or not at all.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// How a call came out, for the last report.
pub(crate) struct Finish {
    pub(crate) ending: Ending,
    pub(crate) sip_status: Option<u16>,
    pub(crate) quality: Option<LegQuality>,
}

impl Finish {
    /// An ending that the call itself did not live to see.
    pub(crate) const fn without_leg(ending: Ending) -> Self {
        Self { ending, sip_status: None, quality: None }
    }
}

/// Another node owns the call now.
pub(crate) struct Fenced;

/// What can happen to a call.
enum Happened {
    Fenced,
    Tick(Tick),
    Wake,
    Leg(LegEvent),
    Heard(Heard),
    Thought(Thought),
    Voiced(Voiced),
    Transferred(TransferEnd),
    Command(Option<Command>),
}

/// A call in progress.
pub(crate) struct Call {
    direction: Direction,
    leg: Box<dyn CallLeg>,
    engine: Engine,
    clock: Clock,
    journal: Journal,
    ears: Ears,
    brain: Brain,
    mouth: Mouth,
    playout: Playout,
    listener: Listener,
    transfers: Transfers,
    particulars: Particulars,
    tap: Option<Tap>,
    usage: Usage,
    punctuality: Punctuality,
    waking: Waking,
    /// Inputs that the performance of an output brought about.
    pending: VecDeque<Input>,
    answered: bool,
    leg_ended: bool,
    sip_status: Option<u16>,
    ending: Option<Ending>,
    caller_frame: Vec<i16>,
    agent_frame: Vec<i16>,
}

impl Call {
    /// Makes a call and begins to open its providers, so that they are warm when it is answered.
    pub(crate) fn new(
        job: &CallJob,
        leg: Box<dyn CallLeg>,
        deps: &SessionDeps,
        config: EngineConfig,
        listener: Listener,
        journal: Journal,
        clock: Clock,
    ) -> Self {
        let rate = leg.sample_rate();
        let frame = vec![0; rate as usize / 50];
        let voice = &job.flow.voice;
        let providers = || Arc::clone(&deps.providers);
        Self {
            direction: job.direction,
            engine: Engine::new(config, clock.now()),
            clock,
            journal,
            ears: Ears::open(providers(), voice.stt_provider.clone(), prepare::stt_settings(&job.flow, rate)),
            brain: Brain::new(
                providers(),
                voice.llm_provider.clone(),
                voice.llm_model.clone(),
                voice.temperature,
            ),
            mouth: Mouth::open(
                providers(),
                voice.tts_provider.clone(),
                prepare::tts_settings(&job.flow, rate),
            ),
            playout: Playout::new(rate),
            listener,
            transfers: Transfers::new(rate),
            particulars: Particulars::default(),
            tap: None,
            usage: Usage::default(),
            punctuality: Punctuality::default(),
            waking: Waking::default(),
            pending: VecDeque::new(),
            answered: false,
            leg_ended: false,
            sip_status: None,
            ending: None,
            caller_frame: frame.clone(),
            agent_frame: frame,
            leg,
        }
    }

    /// Records both sides from the answer on.
    pub(crate) fn record_to(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    /// Holds the call to its end.
    pub(crate) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        fence: CancellationToken,
    ) -> Result<Finish, Fenced> {
        let mut pacer = Pacer::new(FRAME);
        let mut commands_open = true;
        self.feed(Input::Start).await;
        while self.ending.is_none() {
            match self.happens(&mut pacer, &mut commands, commands_open, &fence).await {
                Happened::Fenced => {
                    self.playout.silence();
                    return Err(Fenced);
                }
                Happened::Command(None) => commands_open = false,
                happened => self.react(happened).await,
            }
        }
        Ok(self.finish())
    }

    /// Waits for what happens first. All branches are cancel-safe; the clock of the wire goes
    /// before everything but the fence.
    async fn happens(
        &mut self,
        pacer: &mut Pacer,
        commands: &mut mpsc::Receiver<Command>,
        commands_open: bool,
        fence: &CancellationToken,
    ) -> Happened {
        let deadline = self.engine.deadline().map(|deadline| self.clock.instant(deadline.at));
        let wake = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = fence.cancelled() => Happened::Fenced,
            tick = pacer.tick() => Happened::Tick(tick),
            // Before the leg, whose end may follow a transfer at once.
            end = self.transfers.next() => Happened::Transferred(end),
            event = self.leg.event(), if !self.leg_ended => Happened::Leg(event),
            command = commands.recv(), if commands_open => Happened::Command(command),
            heard = self.ears.next() => Happened::Heard(heard),
            voiced = self.mouth.next() => Happened::Voiced(voiced),
            thought = self.brain.next() => Happened::Thought(thought),
            // Last, because every other input keeps the deadlines that are due as well.
            () = wake => Happened::Wake,
        }
    }

    async fn react(&mut self, happened: Happened) {
        match happened {
            Happened::Tick(tick) => self.tick(tick).await,
            Happened::Wake => self.feed(Input::Wake).await,
            Happened::Leg(event) => self.leg_event(event).await,
            Happened::Heard(heard) => self.heard(heard).await,
            Happened::Thought(thought) => {
                self.usage.add_tokens(thought.tokens);
                self.feed(thought.input).await;
            }
            Happened::Voiced(voiced) => self.voiced(voiced).await,
            Happened::Transferred(how) => self.feed(Input::TransferEnded { how }).await,
            Happened::Command(Some(command)) => self.feed(Input::Command(command)).await,
            Happened::Command(None) | Happened::Fenced => {}
        }
    }

    async fn leg_event(&mut self, event: LegEvent) {
        match event {
            LegEvent::Ringing => self.feed(Input::LegRinging).await,
            LegEvent::Answered => {
                self.answered = true;
                self.note_particulars();
                self.feed(Input::LegAnswered).await;
            }
            LegEvent::Dtmf(digit) => self.feed(Input::Dtmf { digit }).await,
            LegEvent::Ended { how, sip_status } => {
                self.leg_ended = true;
                self.sip_status = sip_status;
                self.feed(Input::LegEnded { how }).await;
            }
        }
    }

    fn note_particulars(&mut self) {
        if let Some(attributes) = self.particulars.news(&*self.leg) {
            self.journal.particulars(attributes);
        }
    }

    async fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Words { text, is_final, end_of_turn } => {
                self.feed(Input::Transcript { text, is_final, end_of_turn }).await;
            }
            Heard::Trouble(detail) => self.journal.trouble(format!("speech recognition: {detail}")),
            Heard::Gone(detail) => {
                let generation = Generation::default();
                self.feed(Input::ProviderFailed { provider: Provider::Stt, generation, detail }).await;
            }
        }
    }

    async fn voiced(&mut self, voiced: Voiced) {
        match voiced {
            Voiced::Event(event) => {
                let inputs = self.voice_event(event);
                self.feed_all(inputs).await;
            }
            Voiced::Lost { generations, detail } => {
                let failed = |generation| voice_failed(generation, detail.clone());
                self.feed_all(generations.into_iter().map(failed).collect()).await;
            }
            Voiced::Trouble(detail) => self.journal.trouble(format!("voice: {detail}")),
        }
    }

    fn voice_event(&mut self, event: TtsEvent) -> Vec<Input> {
        match event {
            TtsEvent::Audio { generation, pcm } => self.playout.audio(generation, &pcm),
            TtsEvent::Words { generation, words } => self.playout.words(generation, words),
            TtsEvent::Done { generation } => self.playout.complete(generation),
            TtsEvent::Failed { generation, detail } => vec![voice_failed(generation, detail)],
        }
    }

    async fn feed_all(&mut self, inputs: Vec<Input>) {
        for input in inputs {
            self.feed(input).await;
        }
    }

    /// Tells the engine and does what it says, and again for what comes of that.
    async fn feed(&mut self, input: Input) {
        self.pending.push_back(input);
        while let Some(input) = self.pending.pop_front() {
            self.engine.handle(input, self.clock.now());
            while let Some(output) = self.engine.poll() {
                self.perform(output).await;
            }
        }
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Connect => self.connect().await,
            Output::StartLlm { generation, request } => {
                self.usage.llm_requests += 1;
                self.brain.start(generation, request);
            }
            Output::CancelLlm { generation } => self.brain.cancel(generation),
            Output::Speak { generation, text } => {
                self.usage.add_text(&text);
                self.playout.open(generation);
                self.mouth.speak(generation, text);
            }
            Output::SpeakDone { generation } => self.mouth.finish(generation),
            Output::Play { generation } | Output::Resume { generation } => {
                self.transfers.quiet();
                self.playout.play(generation);
            }
            Output::Pause { generation } => {
                self.note_silencing(generation);
                self.pending.extend(self.playout.pause(generation));
            }
            Output::Stop { generation, fade_ms } => {
                self.note_silencing(generation);
                self.playout.stop(generation, fade_ms);
                self.mouth.cancel(generation);
            }
            Output::CallTool { id, .. } => self.pending.push_back(no_such_tool(id)),
            Output::SendDtmf { digits } => self.leg.send_dtmf(&digits),
            Output::Transfer { to, mode, max_ring_ms } => {
                self.transfers.begin(&*self.leg, to, mode, Duration::from_millis(max_ring_ms));
            }
            Output::HandOver => self.transfers.hand_over(&*self.leg),
            Output::GiveUpTransfer => self.transfers.give_up(),
            Output::HangUp => self.leg.hang_up(),
            Output::Emit(event) => self.journal.event(event),
            Output::Ended(ending) => self.ending = Some(ending),
        }
    }

    /// An outbound leg dials since it exists; an inbound one is answered now.
    async fn connect(&mut self) {
        if self.direction == Direction::Outbound {
            return;
        }
        if let Ok(Ok(())) = timeout(ANSWER_LIMIT, self.leg.answer()).await {
            return;
        }
        let how = LegEnd::Failed { detail: "the call could not be answered".to_owned() };
        self.pending.push_back(Input::LegEnded { how });
    }

    fn finish(mut self) -> Finish {
        self.note_particulars();
        let (samples, rate) = self.ears.given();
        self.usage.add_audio(samples, rate);
        self.journal.usage(&self.usage);
        self.journal.media(&self.punctuality);
        let quality = Some(self.leg.quality());
        let ending = self.ending.take().unwrap_or_else(|| endings::crashed(self.answered));
        Finish { ending, sip_status: self.sip_status, quality }
    }
}

fn voice_failed(generation: Generation, detail: String) -> Input {
    Input::ProviderFailed { provider: Provider::Tts, generation, detail }
}
