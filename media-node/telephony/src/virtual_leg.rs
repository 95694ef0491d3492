//! A leg without a network, for tests of whatever sits on a leg: the test holds the phone.

use crate::port::{
    CallLeg, LegError, LegEvent, LegQuality, Received, Rejection, Transfer, TransferError, Transferred,
};
use async_trait::async_trait;
use futures::future::BoxFuture;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use talkif_call_engine::io::LegEnd;
use tokio::sync::{mpsc, oneshot};

/// Samples the phone hears that nobody takes: the last ten minutes at 8 kHz.
const MAX_HEARD: usize = 8_000 * 600;

/// What the leg's user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhoneEvent {
    /// `answer` was called.
    Answered,
    /// `reject` was called.
    Rejected(Rejection),
    /// `hang_up` was called, or the leg was dropped.
    HungUp,
    /// `send_dtmf` was called.
    Dtmf(String),
    /// `transfer` was called.
    Transfer(String),
    /// `begin_transfer` was called.
    BeganTransfer(Transfer),
    /// `hand_over` was called.
    HandedOver,
}

/// The leg's end.
pub struct VirtualLeg {
    rate: u32,
    line: Arc<Mutex<Line>>,
    events: mpsc::UnboundedReceiver<LegEvent>,
    phone: mpsc::UnboundedSender<PhoneEvent>,
    own: mpsc::UnboundedSender<LegEvent>,
    ended: bool,
}

/// The test's end.
pub struct VirtualPhone {
    line: Arc<Mutex<Line>>,
    events: mpsc::UnboundedSender<LegEvent>,
    actions: mpsc::UnboundedReceiver<PhoneEvent>,
}

#[derive(Default)]
struct Line {
    spoken: VecDeque<i16>,
    heard: VecDeque<i16>,
    quality: LegQuality,
    transfer_refused: Option<u16>,
    transfer: Option<oneshot::Sender<Result<Transferred, TransferError>>>,
    target_gone: bool,
}

/// A leg at 8 kHz and the phone at its other end.
#[must_use]
pub fn virtual_leg() -> (VirtualLeg, VirtualPhone) {
    virtual_leg_at(talkif_media::TELEPHONE_RATE)
}

/// The same at another sample rate.
#[must_use]
pub fn virtual_leg_at(rate: u32) -> (VirtualLeg, VirtualPhone) {
    let line = Arc::new(Mutex::new(Line::default()));
    let (own, events) = mpsc::unbounded_channel();
    let (phone, actions) = mpsc::unbounded_channel();
    let leg = VirtualLeg { rate, line: line.clone(), events, phone, own: own.clone(), ended: false };
    (leg, VirtualPhone { line, events: own, actions })
}

impl VirtualPhone {
    /// Makes the leg report an event, such as [`LegEvent::Ringing`] or [`LegEvent::Answered`].
    pub fn report(&self, event: LegEvent) {
        // A leg that was dropped hears nothing any more.
        let _ = self.events.send(event);
    }

    /// The person hangs up.
    pub fn hang_up(&self) {
        self.report(LegEvent::Ended { how: LegEnd::RemoteHangup, sip_status: None });
    }

    /// Queues audio for the leg's `receive`; where there is none, it receives silence.
    pub fn speak(&self, samples: &[i16]) {
        self.line().spoken.extend(samples);
    }

    /// Takes all that the leg has sent since the last time.
    #[must_use]
    pub fn heard(&self) -> Vec<i16> {
        self.line().heard.drain(..).collect()
    }

    /// The next thing the leg's user did; `None` when the leg is gone. Cancel-safe.
    pub async fn action(&mut self) -> Option<PhoneEvent> {
        self.actions.recv().await
    }

    /// What was done so far, without waiting.
    pub fn try_action(&mut self) -> Option<PhoneEvent> {
        self.actions.try_recv().ok()
    }

    /// What `quality` reports.
    pub fn set_quality(&self, quality: LegQuality) {
        self.line().quality = quality;
    }

    /// Makes transfers fail with this SIP status.
    pub fn refuse_transfers(&self, sip_status: u16) {
        self.line().transfer_refused = Some(sip_status);
    }

    /// Decides the transfer that was begun last. Without this it rings for ever.
    pub fn decide_transfer(&self, result: Result<Transferred, TransferError>) {
        if let Some(waiting) = self.line().transfer.take() {
            // A leg that was dropped does not wait any more.
            let _ = waiting.send(result);
        }
    }

    /// Whether somebody still waits for the transfer that was begun last.
    #[must_use]
    pub fn transfer_is_awaited(&self) -> bool {
        self.line().transfer.as_ref().is_some_and(|waiting| !waiting.is_closed())
    }

    /// Makes handing over fail: the other person has gone.
    pub fn target_goes(&self) {
        self.line().target_gone = true;
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl VirtualLeg {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, action: PhoneEvent) {
        // A phone that was dropped does not care.
        let _ = self.phone.send(action);
    }

    fn end(&self, how: LegEnd) {
        let _ = self.own.send(LegEvent::Ended { how, sip_status: None });
    }
}

impl Drop for VirtualLeg {
    fn drop(&mut self) {
        if !self.ended {
            self.tell(PhoneEvent::HungUp);
        }
    }
}

#[async_trait]
impl CallLeg for VirtualLeg {
    fn id(&self) -> &'static str {
        "virtual"
    }

    fn sample_rate(&self) -> u32 {
        self.rate
    }

    async fn event(&mut self) -> LegEvent {
        if self.ended {
            std::future::pending::<()>().await;
        }
        // The leg holds a sender itself, so the channel cannot close.
        let gone = LegEvent::Ended { how: LegEnd::LocalHangup, sip_status: None };
        let event = self.events.recv().await.unwrap_or(gone);
        self.ended = matches!(event, LegEvent::Ended { .. });
        event
    }

    fn receive(&mut self, frame: &mut [i16]) -> Received {
        frame.fill(0);
        let mut line = self.line();
        if line.spoken.is_empty() {
            return Received::Silence;
        }
        let count = frame.len().min(line.spoken.len());
        for (to, from) in frame.iter_mut().zip(line.spoken.drain(..count)) {
            *to = from;
        }
        Received::Audio
    }

    fn send(&mut self, frame: &[i16]) {
        let mut line = self.line();
        line.heard.extend(frame);
        let excess = line.heard.len().saturating_sub(MAX_HEARD);
        line.heard.drain(..excess);
    }

    async fn answer(&mut self) -> Result<(), LegError> {
        self.tell(PhoneEvent::Answered);
        let _ = self.own.send(LegEvent::Answered);
        Ok(())
    }

    async fn reject(&mut self, why: Rejection) -> Result<(), LegError> {
        self.tell(PhoneEvent::Rejected(why));
        self.end(LegEnd::LocalHangup);
        Ok(())
    }

    fn hang_up(&mut self) {
        self.tell(PhoneEvent::HungUp);
        self.end(LegEnd::LocalHangup);
    }

    fn send_dtmf(&mut self, digits: &str) {
        self.tell(PhoneEvent::Dtmf(digits.to_owned()));
    }

    async fn transfer(&mut self, to: &str) -> Result<(), TransferError> {
        self.tell(PhoneEvent::Transfer(to.to_owned()));
        let refused = self.line().transfer_refused;
        refused.map_or(Ok(()), |status| Err(TransferError { sip_status: Some(status) }))
    }

    fn begin_transfer(&self, transfer: Transfer) -> BoxFuture<'static, Result<Transferred, TransferError>> {
        let (decided, decision) = oneshot::channel();
        self.line().transfer = Some(decided);
        self.tell(PhoneEvent::BeganTransfer(transfer));
        Box::pin(async move { decision.await.unwrap_or(Err(TransferError { sip_status: None })) })
    }

    fn hand_over(&self) -> BoxFuture<'static, Result<(), TransferError>> {
        self.tell(PhoneEvent::HandedOver);
        let gone = self.line().target_gone;
        Box::pin(async move { if gone { Err(TransferError { sip_status: None }) } else { Ok(()) } })
    }

    fn quality(&self) -> LegQuality {
        self.line().quality
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_phone_says_the_leg_receives_and_the_other_way_round() {
        let (mut leg, phone) = virtual_leg();
        let mut frame = [1; 160];
        assert_eq!(leg.receive(&mut frame), Received::Silence);
        assert_eq!(frame, [0; 160]);
        phone.speak(&[5; 170]);
        assert_eq!(leg.receive(&mut frame), Received::Audio);
        assert_eq!(frame, [5; 160]);
        leg.send(&[7; 160]);
        assert_eq!(phone.heard(), vec![7; 160]);
    }

    #[tokio::test]
    async fn events_end_with_ended_and_actions_reach_the_phone() {
        let (mut leg, mut phone) = virtual_leg();
        phone.report(LegEvent::Ringing);
        assert_eq!(leg.event().await, LegEvent::Ringing);
        leg.send_dtmf("12");
        leg.hang_up();
        assert_eq!(phone.action().await, Some(PhoneEvent::Dtmf("12".to_owned())));
        assert_eq!(phone.action().await, Some(PhoneEvent::HungUp));
        assert_eq!(leg.event().await, LegEvent::Ended { how: LegEnd::LocalHangup, sip_status: None });
        drop(leg);
        assert_eq!(phone.action().await, None, "an ended leg does not hang up again");
    }

    #[tokio::test]
    async fn dropping_a_live_leg_hangs_up() {
        let (leg, mut phone) = virtual_leg();
        drop(leg);
        assert_eq!(phone.try_action(), Some(PhoneEvent::HungUp));
    }
}
