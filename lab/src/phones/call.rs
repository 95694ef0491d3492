//! An answered call: the line, the persona and the dialog until somebody hangs up.

use super::line::Line;
use super::log::{Entry, HeardWord, SaidText, Side};
use super::persona::{self, Act, Persona};
use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TransactionHandle};
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Header, Request, StatusCode};
use std::time::Duration;
use talkif_media::sdp::{self, Local};
use tokio::time::{Instant, MissedTickBehavior, interval};

const TICK: Duration = Duration::from_millis(20);
/// Without a packet for so long the line is quiet.
const QUIET_AFTER: Duration = Duration::from_millis(80);
/// A carrier ends a call when no media came for so long: the far end has died.
const MEDIA_TIMEOUT: Duration = Duration::from_secs(30);
/// No call lasts longer.
const LONGEST: Duration = Duration::from_secs(900);

pub(super) struct Call {
    pub(super) line: Line,
    pub(super) local: Local,
    pub(super) persona: Persona,
    pub(super) dialog: InviteDialog,
    pub(super) states: DialogStateReceiver,
    pub(super) entry: Entry,
}

/// The persona's view of the line, and the clock of the call.
struct Moment {
    answered: Instant,
    last_loud: Option<Instant>,
    /// The same by the wall clock, until the pause after it is in the log.
    sounding: Option<jiff::Timestamp>,
    last_packet: Instant,
    packets: u64,
}

impl Moment {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.answered.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn starts() -> Self {
        Self {
            answered: Instant::now(),
            last_loud: None,
            sounding: None,
            last_packet: Instant::now(),
            packets: 0,
        }
    }

    /// Whether packets have stopped coming for good.
    fn dead(&mut self, packets: u64) -> bool {
        if packets != self.packets {
            self.packets = packets;
            self.last_packet = Instant::now();
        }
        self.last_packet.elapsed() > MEDIA_TIMEOUT
    }

    fn loud(&self) -> bool {
        self.last_loud.is_some_and(|at| at.elapsed() < QUIET_AFTER)
    }
}

impl Call {
    /// Talks until one side hangs up; the dialog is over afterwards.
    pub(super) async fn run(mut self) {
        let by = self.converse().await;
        let packets = self.line.packets();
        self.entry.update(|record| record.packets = packets);
        // Before BYE: a far end that has died takes half a minute not to answer it.
        self.entry.hung_up(by);
        if by == Side::Phone && self.dialog.bye().await.is_err() {
            tracing::debug!("the far end did not answer BYE");
        }
    }

    async fn converse(&mut self) -> Side {
        let mut ticks = interval(TICK);
        // A late tick is made up for, so that the stream keeps its rate.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut moment = Moment::starts();
        while moment.answered.elapsed() < LONGEST {
            tokio::select! {
                biased;
                state = self.states.recv() => match state {
                    Some(DialogState::Terminated(..)) | None => return Side::Product,
                    Some(state) => if self.follow(state).await { return Side::Phone },
                },
                _ = ticks.tick() => {
                    self.line.tick().await;
                    if moment.dead(self.line.packets().received) {
                        return Side::Phone;
                    }
                    let ended = moment.sounding.filter(|_| !moment.loud());
                    if ended.is_some() {
                        moment.sounding = None;
                        self.entry.update(|record| record.silences.extend(ended));
                    }
                    let line = persona::Line { loud: moment.loud(), speaking: self.line.mouth.is_speaking() };
                    let acts = self.persona.tick(moment.now_ms(), line);
                    if self.perform(acts, moment.now_ms()) {
                        return Side::Phone;
                    }
                }
                news = self.line.receive() => {
                    if news.loud {
                        moment.last_loud = Some(Instant::now());
                        moment.sounding = Some(jiff::Timestamp::now());
                    }
                    self.entry.update(|record| record.dtmf.extend(news.key));
                    for heard in news.words {
                        // The line may have been silent: what the ear heard is behind the clock.
                        let behind = moment.now_ms().saturating_sub(self.line.ear.heard_ms());
                        let word = HeardWord {
                            word: heard.word,
                            start_ms: heard.start_ms + behind,
                            end_ms: heard.end_ms + behind,
                        };
                        let acts = self.persona.hear(&word.word, moment.now_ms());
                        self.note(word);
                        if self.perform(acts, moment.now_ms()) {
                            return Side::Phone;
                        }
                    }
                }
            }
        }
        Side::Phone
    }

    fn note(&self, word: HeardWord) {
        self.entry.update(|record| {
            if !record.heard_text.is_empty() {
                record.heard_text.push(' ');
            }
            record.heard_text.push_str(&word.word);
            record.heard.push(word);
        });
    }

    /// Does what the persona wants; true if it hung up.
    fn perform(&mut self, acts: Vec<Act>, now_ms: u64) -> bool {
        for act in acts {
            match act {
                Act::Say(text) => {
                    let (start, end) = self.line.mouth.say(&text);
                    let said = SaidText { text, start_ms: now_ms + start, end_ms: now_ms + end };
                    self.entry.update(|record| record.said.push(said));
                }
                Act::Beep => self.line.mouth.beep(),
                Act::Press(keys) => self.line.mouth.press(&keys),
                Act::HangUp => return true,
            }
        }
        false
    }

    /// Answers requests inside the dialog; true if the call was transferred away.
    async fn follow(&mut self, state: DialogState) -> bool {
        match state {
            DialogState::Updated(_, request, handle) => self.renegotiate(&request, handle).await,
            DialogState::Refer(_, request, handle) => {
                self.transfer(&request, handle).await;
                return true;
            }
            DialogState::Info(_, _, handle)
            | DialogState::Options(_, _, handle)
            | DialogState::Message(_, _, handle)
            | DialogState::Notify(_, _, handle) => {
                let _ = handle.reply(StatusCode::OK).await;
            }
            _ => {}
        }
        false
    }

    async fn renegotiate(&mut self, request: &Request, handle: TransactionHandle) {
        let offer = std::str::from_utf8(&request.body).ok().and_then(|text| sdp::parse(text).ok());
        let Some(offer) = offer else {
            let _ = handle.reply(StatusCode::OK).await;
            return;
        };
        self.local.version += 1;
        let Ok((answer, _)) = self.local.answer(&offer) else {
            let _ = handle.reply(StatusCode::NotAcceptableHere).await;
            return;
        };
        if let Some(address) = offer.address() {
            self.line.redirect((address, offer.port).into());
        }
        let headers = vec![Header::ContentType("application/sdp".into())];
        let _ = handle.respond(StatusCode::OK, Some(headers), Some(answer.into_bytes())).await;
    }

    /// The carrier takes the transfer over: it says so, and the phone leaves this dialog.
    async fn transfer(&mut self, request: &Request, handle: TransactionHandle) {
        let target = request.headers.iter().find_map(|header| match header {
            Header::ReferTo(to) => Some(to.value().to_owned()),
            _ => None,
        });
        self.entry.update(|record| record.transferred_to = target);
        let _ = handle.reply(StatusCode::Accepted).await;
        let _ = self.dialog.notify_refer(StatusCode::OK, "terminated;reason=noresource").await;
    }
}
