//! The task that owns the socket of one call.
//!
//! When the connection is lost, utterances that were already heard in part fail (asked again they
//! would start over), all others are asked again on a new connection, and nobody notices.

use super::connect::{Socket, connect};
use super::utterances::Utterances;
use super::wire::{self, Answer, Voice};
use super::{CartesiaConfig, Timeouts};
use crate::{TtsCommand, TtsEvent};
use futures::{SinkExt, StreamExt};
use std::sync::Arc;
use talkif_call_engine::io::Generation;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Message};

/// So many unreadable messages in a row and the connection is given up.
const MAX_GARBAGE: u32 = 8;

pub(super) struct Task {
    config: Arc<CartesiaConfig>,
    voice: Voice,
    events: mpsc::Sender<TtsEvent>,
    utterances: Utterances,
    garbage: u32,
}

/// The session is gone: nothing is left to do.
struct Gone;

/// What ended one connection.
enum Lost {
    Connection,
    Session,
}

impl From<Gone> for Lost {
    fn from(_: Gone) -> Self {
        Self::Session
    }
}

impl From<tungstenite::Error> for Lost {
    fn from(_: tungstenite::Error) -> Self {
        Self::Connection
    }
}

impl Task {
    pub(super) fn new(config: Arc<CartesiaConfig>, voice: Voice, events: mpsc::Sender<TtsEvent>) -> Self {
        let nonce = format!("{:016x}", rand::random::<u64>());
        Self { config, voice, events, utterances: Utterances::new(nonce), garbage: 0 }
    }

    pub(super) async fn run(mut self, socket: Socket, mut commands: mpsc::Receiver<TtsCommand>) {
        let mut socket = Some(socket);
        loop {
            let Some(connected) = socket.take() else {
                match self.reconnect(&mut commands).await {
                    Ok(connected) => socket = Some(connected),
                    Err(Gone) => return,
                }
                continue;
            };
            match self.converse(connected, &mut commands).await {
                Lost::Session => return,
                Lost::Connection => {
                    let cut = self.utterances.close_heard();
                    if self.fail(cut, "the connection was lost in mid-utterance").await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Talks on one connection until it or the session is gone.
    async fn converse(&mut self, mut socket: Socket, commands: &mut mpsc::Receiver<TtsCommand>) -> Lost {
        self.garbage = 0;
        match self.converse_until_lost(&mut socket, commands).await {
            Err(lost) => lost,
            Ok(()) => {
                // The session is done; a farewell is polite and must not take long.
                let _ = timeout(self.timeouts().connect, socket.close(None)).await;
                Lost::Session
            }
        }
    }

    async fn converse_until_lost(
        &mut self,
        socket: &mut Socket,
        commands: &mut mpsc::Receiver<TtsCommand>,
    ) -> Result<(), Lost> {
        self.ask_again(socket).await?;
        loop {
            let stall = self.stall_at();
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.perform(command, socket).await?,
                    None => return Ok(()),
                },
                message = socket.next() => match message {
                    Some(Ok(message)) => self.take(message).await?,
                    Some(Err(_)) | None => return Err(Lost::Connection),
                },
                () = sleep_until(stall.map_or_else(Instant::now, |(_, at)| at)), if stall.is_some() => {
                    if let Some((generation, _)) = stall {
                        self.give_up(generation, socket).await?;
                    }
                }
            }
        }
    }

    async fn ask_again(&mut self, socket: &mut Socket) -> Result<(), Lost> {
        for unheard in self.utterances.unheard(Instant::now()) {
            for text in &unheard.texts {
                socket.send(Message::text(self.voice.request(&unheard.context, text, true))).await?;
            }
            if unheard.finished {
                socket.send(Message::text(self.voice.request(&unheard.context, "", false))).await?;
            }
        }
        Ok(())
    }

    async fn perform(&mut self, command: TtsCommand, socket: &mut Socket) -> Result<(), Lost> {
        let message = self.remember(command);
        match message {
            Some(text) => Ok(socket.send(Message::text(text)).await?),
            None => Ok(()),
        }
    }

    /// Notes the command, returns the message that carries it out.
    fn remember(&mut self, command: TtsCommand) -> Option<String> {
        match command {
            TtsCommand::Speak { generation, text } => {
                let (context, piece) = self.utterances.add(generation, &text, Instant::now());
                Some(self.voice.request(&context, &piece, true))
            }
            TtsCommand::Finish { generation } => {
                let context = self.utterances.finish(generation)?;
                Some(self.voice.request(&context, "", false))
            }
            TtsCommand::Cancel { generation } => {
                let context = self.utterances.close(generation)?;
                Some(wire::cancel(&context))
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), Lost> {
        match message {
            Message::Text(text) => match wire::read(&text) {
                Some(answer) => {
                    self.garbage = 0;
                    self.take_answer(answer).await
                }
                None => self.count_garbage(),
            },
            Message::Binary(_) => self.count_garbage(),
            Message::Close(_) => Err(Lost::Connection),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
        }
    }

    fn count_garbage(&mut self) -> Result<(), Lost> {
        self.garbage += 1;
        if self.garbage > MAX_GARBAGE { Err(Lost::Connection) } else { Ok(()) }
    }

    /// Passes an answer on; what belongs to no open utterance falls on the floor.
    async fn take_answer(&mut self, answer: Answer) -> Result<(), Lost> {
        match answer {
            Answer::Audio { context, pcm } => {
                let Some(generation) = self.utterances.generation(&context) else { return Ok(()) };
                self.utterances.heard(generation, Instant::now());
                self.report(TtsEvent::Audio { generation, pcm }).await?;
            }
            Answer::Words { context, words } => {
                let Some(generation) = self.utterances.generation(&context) else { return Ok(()) };
                self.report(TtsEvent::Words { generation, words }).await?;
            }
            Answer::Done { context } => {
                let Some(generation) = self.utterances.generation(&context) else { return Ok(()) };
                self.utterances.close(generation);
                self.report(TtsEvent::Done { generation }).await?;
            }
            Answer::Error { context: Some(context), status } => {
                let Some(generation) = self.utterances.generation(&context) else { return Ok(()) };
                self.utterances.close(generation);
                self.fail(vec![generation], &refusal(status)).await?;
            }
            Answer::Error { context: None, status } => {
                let all = self.utterances.close_all();
                self.fail(all, &refusal(status)).await?;
            }
            Answer::Other => {}
        }
        Ok(())
    }

    fn stall_at(&self) -> Option<(Generation, Instant)> {
        self.utterances.longest_wait().map(|(generation, since)| (generation, since + self.timeouts().stall))
    }

    async fn give_up(&mut self, generation: Generation, socket: &mut Socket) -> Result<(), Lost> {
        let Some(context) = self.utterances.close(generation) else { return Ok(()) };
        self.fail(vec![generation], "no audio in time").await?;
        Ok(socket.send(Message::text(wire::cancel(&context))).await?)
    }

    /// Connects again, at once and then after each pause. When that fails, everything asked so far
    /// has failed, and the next text tries anew.
    async fn reconnect(&mut self, commands: &mut mpsc::Receiver<TtsCommand>) -> Result<Socket, Gone> {
        loop {
            if let Some(socket) = self.try_to_connect().await {
                return Ok(socket);
            }
            let lost = self.utterances.close_all();
            self.fail(lost, "cannot connect").await?;
            let command = commands.recv().await.ok_or(Gone)?;
            self.remember(command);
        }
    }

    async fn try_to_connect(&self) -> Option<Socket> {
        let pauses = self.timeouts().reconnect_pauses.map(Some);
        for pause in [None].into_iter().chain(pauses) {
            if let Some(pause) = pause {
                sleep(pause).await;
            }
            if self.events.is_closed() {
                return None;
            }
            if let Ok(socket) = connect(&self.config).await {
                return Some(socket);
            }
        }
        None
    }

    async fn fail(&self, generations: Vec<Generation>, detail: &str) -> Result<(), Gone> {
        for generation in generations {
            self.report(TtsEvent::Failed { generation, detail: detail.to_owned() }).await?;
        }
        Ok(())
    }

    async fn report(&self, event: TtsEvent) -> Result<(), Gone> {
        self.events.send(event).await.map_err(|_| Gone)
    }

    fn timeouts(&self) -> Timeouts {
        self.config.timeouts
    }
}

fn refusal(status: Option<u16>) -> String {
    status.map_or_else(|| "refused".to_owned(), |status| format!("refused with status {status}"))
}
